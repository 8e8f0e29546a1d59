"""By which definition monitoring labels loans: the one that the release's model was trained by, or one that is given. Edge.

A model is calibrated to what its labels mean, so loans that are labelled otherwise would miss its pds without anything being wrong.
"""

from typing import Final

import msgspec
from msgspec import Struct

from instant_credit.access.actors import Actor
from instant_credit.decision.release import decode_manifest
from instant_credit.outcome.definition import (
    AS_LAST_SEEN,
    LabelDefinition,
    decode_definition,
    encode_definition,
    require_product,
)
from instant_credit.record.documents import DocumentKind, get_document, put_document
from instant_credit.record.model_gates import find_training_of
from instant_credit.record.pool import Record

# A month has at most so many days, and a loan of a cohort is taken to be paid out within so many of its decision.
_MONTH_DAYS: Final = 31
_START_DAYS: Final = 30


class _Trained(Struct, frozen=True, kw_only=True):
    """What a training's manifest says of its labels."""

    labels: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Trained)


async def find_definition(record: Record, release_hash: str) -> LabelDefinition:
    """The definition that the release's model was trained by, in its newest training; labels as last seen where none names any.

    Raises
    ------
    NotFound : the release or the definition is not in the record.
    """
    model_hash = decode_manifest(await get_document(record, release_hash)).model_hash
    raw = await find_training_of(record, model_hash)
    labels = None if raw is None else _DECODER.decode(raw).labels
    return AS_LAST_SEEN if labels is None else decode_definition(await get_document(record, labels))


class Labelling:
    """The definition of every release that one run measures; each is looked up once.

    Parameters
    ----------
    given : labels every release's loans, whatever its model was trained by; None = each by its own.
    """

    def __init__(self, record: Record, actor: Actor, given: LabelDefinition | None = None) -> None:
        self._record = record
        self._actor = actor
        self._given = given
        self._found: dict[str, LabelDefinition] = {}

    async def find(self, release_hash: str, product: str) -> LabelDefinition:
        """The release's definition, recorded as a document.

        Raises
        ------
        Refused : the definition that was given is for other products.
        """
        if release_hash not in self._found:
            definition = self._given
            if definition is None:
                definition = await find_definition(self._record, release_hash)
            else:
                require_product(definition, product)
            await put_document(self._record, DocumentKind.LABELS, encode_definition(definition), self._actor)
            self._found[release_hash] = definition
        return self._found[release_hash]


def days_to_ripen(definition: LabelDefinition) -> int:
    """After how many days from its decision a loan's label is told, at the most; 0 where the latest state tells it at any age."""
    if definition.window_months is None:
        return 0
    start = _START_DAYS if definition.starts == "disbursed" else 0
    return start + definition.window_months * _MONTH_DAYS + definition.lag_days


def choose_maturities(maturities_days: tuple[int, ...], definition: LabelDefinition) -> dict[int, int]:
    """After how many days labels are looked at, by the maturity that the rules name.

    A maturity before labels are ripe waits until they are; of several that would look at the same loans then, the longest does.
    """
    ripe = days_to_ripen(definition)
    chosen: dict[int, int] = {}
    for named in sorted(maturities_days):
        looked = max(named, ripe)
        chosen = {days: after for days, after in chosen.items() if after != looked}
        chosen[named] = looked
    return chosen
