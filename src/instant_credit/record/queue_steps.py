"""Edge. Steps: the parts of long work that are kept as they finish, and the forms in which they are kept.

Whoever does the work hands in `Steps`. `UNKEPT` keeps nothing, which is what a command wants that ends with its work; a job keeps each step's
result in the record (`factory.steps`). A form is one of ours, MessagePack of our own Structs for instance: nothing that could run as code is
ever read.
"""

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

from instant_credit.canonical import UNREADABLE
from instant_credit.errors import Refused

T = TypeVar("T")

_ENCODER: Final = msgspec.msgpack.Encoder(order="deterministic")


class Form(Struct, Generic[T], frozen=True, kw_only=True):
    """How a result becomes bytes and comes back, equal to the last bit. `decode` refuses what it can't read."""

    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


class Steps(Protocol):
    """Takes steps, each under a name that no other step of the work has."""

    def take(self, name: str, make: Callable[[], T], form: Form[T]) -> T:
        """What the step comes to: kept from before, or made now and kept."""
        ...


class _Unkept:
    """Makes every step."""

    def take(self, name: str, make: Callable[[], T], form: Form[T]) -> T:
        """Made now."""
        del name, form
        return make()


UNKEPT: Final[Steps] = _Unkept()


def form_of(kind: type[T]) -> Form[T]:
    """The form of a Struct whose fields msgspec knows."""
    return Form(encode=_ENCODER.encode, decode=read_with(msgspec.msgpack.Decoder(kind)))


def read_with(decoder: "msgspec.msgpack.Decoder[T]") -> Callable[[bytes], T]:
    """Decoding that refuses bytes of another form with what to do about it."""

    def decode(raw: bytes) -> T:
        try:
            return decoder.decode(raw)
        except UNREADABLE as error:
            raise Refused(
                f"what a step came to can't be read by this version of the program ({error}): start another job of the same kind"
            ) from None

    return decode
