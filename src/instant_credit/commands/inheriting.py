"""What a worker has from its supervisor, and how it says that it's ready."""

import os
from typing import Final

import msgspec
from msgspec import Struct

from instant_credit.canonical import UNREADABLE
from instant_credit.errors import Refused

_READY: Final = b"\n"


class Inheritance(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """File descriptors and a folder.

    Attributes
    ----------
    sockets : bound, shared with the supervisor and the other workers.
    ready : a pipe to which the worker writes once, when it listens.
    lifeline : a pipe that ends with the supervisor, however that ends.
    metrics : the folder in which the workers count together.
    """

    sockets: tuple[int, ...]
    ready: int
    lifeline: int
    metrics: str

    def tell_ready(self) -> None:
        """Tell the supervisor that this worker answers."""
        os.write(self.ready, _READY)
        os.close(self.ready)


_DECODER: Final = msgspec.json.Decoder(Inheritance)


def encode_inheritance(inheritance: Inheritance) -> str:
    """As text for a command line."""
    return msgspec.json.encode(inheritance).decode()


def decode_inheritance(text: str) -> Inheritance:
    """What `encode_inheritance` wrote.

    Raises
    ------
    Refused : it is something else; the option is for the server's own use.
    """
    try:
        return _DECODER.decode(text)
    except UNREADABLE:
        raise Refused("--inherited is for workers that the server starts by itself: leave it out") from None
