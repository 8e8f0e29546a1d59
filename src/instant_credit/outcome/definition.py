"""The label definition: a versioned document that says which loans are good, bad, neither, or too young to tell. Pure.

It is written in TOML (`starter/labels`) and named by the hash of its canonical JSON, so that a training can say by which words its labels
were given. `labels.py` carries it out.

==============  ===================================================================================================
window          what is told
==============  ===================================================================================================
a number of     the loan's first `window_months` on book. Until these and `lag_days` have passed, a loan is immature,
months          whatever is known of it already
none            the latest state that was told, whatever the loan's age; for tapes that tell a final state and no more
==============  ===================================================================================================
"""

import tomllib
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from instant_credit.application.invalid import tell_invalid
from instant_credit.application.product import Name
from instant_credit.canonical import UNREADABLE, encode_canonical, hash_content
from instant_credit.errors import Refused
from instant_credit.outcome.events import DAYS_PAST_DUE_MAX, EventKind

DOCUMENT_CHARACTERS_MAX: Final = 100_000
DECIDING_KINDS: Final = frozenset(
    {
        EventKind.CHARGED_OFF,
        EventKind.DELINQUENT,
        EventKind.RESTRUCTURED,
        EventKind.FRAUD,
        EventKind.DECEASED,
        EventKind.DISPUTE,
    }
)

Kinds = Annotated[tuple[EventKind, ...], Meta(max_length=len(DECIDING_KINDS))]
Days = Annotated[int, Meta(ge=1, le=DAYS_PAST_DUE_MAX)]


class LabelDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a label means.

    Attributes
    ----------
    products : names of the products that it is for; empty for every product.
    bad_days_past_due : a loan that comes to so many days past due is bad.
    indeterminate_days_past_due : one that comes to so many and not to `bad_days_past_due` is neither good nor bad.
    window_months : how many months on book are looked at; None = the latest state that was told.
    lag_days : how long after its window a loan stays immature, because what happened in it is still being told.
    starts : where the window begins: with the event `disbursed`, or on the Case's `as_of`. A loan without the event is indeterminate.
    bad_kinds : events that make a loan bad.
    indeterminate_kinds : events that make a loan neither, unless it was bad before.
    doubtful_kinds : events that make a loan neither, bad before or not.
    """

    schema_version: Literal[1] = 1
    name: Name
    version: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    title: Annotated[str, Meta(min_length=1, max_length=200)]
    products: Annotated[tuple[Name, ...], Meta(max_length=100)] = ()
    bad_days_past_due: Days = 90
    indeterminate_days_past_due: Days = 30
    window_months: Annotated[int, Meta(ge=1, le=600)] | None
    lag_days: Annotated[int, Meta(ge=0, le=3_660)] = 0
    starts: Literal["disbursed", "as_of"] = "disbursed"
    bad_kinds: Kinds = (EventKind.CHARGED_OFF, EventKind.DELINQUENT)
    indeterminate_kinds: Kinds = (EventKind.FRAUD, EventKind.DECEASED)
    doubtful_kinds: Kinds = (EventKind.DISPUTE,)

    def __post_init__(self) -> None:
        """The bounds of days rise, and each kind says one thing."""
        if self.indeterminate_days_past_due > self.bad_days_past_due:
            raise ValueError("indeterminate_days_past_due is at most bad_days_past_due")
        listed = (*self.bad_kinds, *self.indeterminate_kinds, *self.doubtful_kinds)
        if len(set(listed)) != len(listed):
            raise ValueError("a kind of event stands once, in one of bad_kinds, indeterminate_kinds and doubtful_kinds")
        if not DECIDING_KINDS.issuperset(listed):
            raise ValueError(f"the kinds listed are of {', '.join(sorted(DECIDING_KINDS))}")
        if len(set(self.products)) != len(self.products):
            raise ValueError("a product stands once")


AS_LAST_SEEN: Final = LabelDefinition(
    name="as_last_seen",
    title="Charged off is bad for ever; otherwise the latest state that was told",
    window_months=None,
    bad_kinds=(EventKind.CHARGED_OFF,),
    indeterminate_kinds=(),
    doubtful_kinds=(),
)
"""For tapes that tell a final state and no more: early on mostly the bad are resolved, and this definition does not see that."""

_DECODER: Final = msgspec.json.Decoder(LabelDefinition)


def load_definition(toml_text: str) -> LabelDefinition:
    """The definition written in a TOML document. Raises Refused with what is wrong when it is none."""
    if len(toml_text) > DOCUMENT_CHARACTERS_MAX:
        raise Refused(f"label definition: longer than {DOCUMENT_CHARACTERS_MAX:,} characters")
    try:
        raw = tomllib.loads(toml_text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused(f"label definition is not TOML, mend its syntax: {error}") from error
    # TOML has no null: a document without a window leaves the field out.
    raw.setdefault("window_months", None)
    try:
        return msgspec.convert(raw, LabelDefinition)
    except msgspec.ValidationError as error:
        raise Refused(
            f"label definition: {tell_invalid(error, LabelDefinition)}; docs/labels.md says what each field takes"
        ) from error


def encode_definition(definition: LabelDefinition) -> bytes:
    """Canonical JSON: equal definitions give equal bytes."""
    return encode_canonical(definition)


def decode_definition(raw: bytes) -> LabelDefinition:
    """The definition behind `encode_definition`'s bytes. Raises Refused when they are none."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"label definition: {error}") from error


def hash_definition(definition: LabelDefinition) -> str:
    """Content hash, 64 hex characters."""
    return hash_content(encode_definition(definition))


def require_product(definition: LabelDefinition, product: str) -> None:
    """Refused unless the definition is for the product."""
    if definition.products and product not in definition.products:
        raise Refused(
            f"labels {definition.name} are for {', '.join(definition.products)}, not for {product}: name other labels with --labels, or "
            "add the product to a definition of your own"
        )
