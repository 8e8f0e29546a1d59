"""Edge. Receipts of decisions, for whoever may read the decision; each is a read of personal data."""

from collections.abc import Callable
from uuid import UUID

from instant_credit.access.purposes import Reading
from instant_credit.errors import NotFound
from instant_credit.record.pool import Record
from instant_credit.record.read_log import ReadLog, ReadNote
from instant_credit.record.reads import read_decision
from instant_credit.record.receipts import Receipt, make_receipt
from instant_credit.record.rows import StoredDecision


async def read_receipt(
    record: Record,
    decision_id: UUID,
    reading: Reading,
    is_shown: Callable[[StoredDecision], bool] = lambda _: True,
    read_log: ReadLog | None = None,
) -> Receipt:
    """The receipt of a decision.

    Parameters
    ----------
    reading : who reads it and for what, written down before it leaves.
    is_shown : whether the decision is shown to whoever asks.
    read_log : writes it down; None = one of its own.

    Raises
    ------
    NotFound : there is none, it is not shown, it is older than the chain, or its person was erased.
    NotAnchored : no anchor covers it yet.
    """
    stored = await read_decision(record, decision_id)
    if stored is None or not is_shown(stored):
        raise NotFound("decision", "of this id, or its person was erased")
    receipt = await make_receipt(record, decision_id)
    note = ReadNote(kind="decision", person_id=stored.person_id, case_id=stored.case_id, reading=reading)
    await (read_log or ReadLog(record)).log(note)
    return receipt
