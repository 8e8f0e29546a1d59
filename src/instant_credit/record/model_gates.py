"""Edge. What the record holds about a model: its training, and what the gates said of it last.

Both are documents that name the model by its hash, and are found by it (`documents_by_model`), not by reading every document.
"""

from datetime import datetime
from typing import Final

from msgspec import Struct

from instant_credit.canonical import hash_content
from instant_credit.decision.gate_report import GateReport, Standing, Waiver, decode_gate_report, find_standing
from instant_credit.errors import require
from instant_credit.record.pool import Record
from instant_credit.record.shipped import read_sql
from instant_credit.record.waivers import list_waivers

_TRAINING: Final = "find_training_of_model"
_REPORT: Final = "find_gate_report_of_model"


class ModelGates(Struct, frozen=True, kw_only=True):
    """What is known of a model before it decides.

    Attributes
    ----------
    is_trained : a training of it is recorded, so that it can be judged.
    report_hash, report : of the gate report recorded last; None = it was never judged.
    waivers : every waiver of that report, whether it counts or not.
    """

    model_hash: str
    is_trained: bool
    report_hash: str | None = None
    report: GateReport | None = None
    waivers: tuple[Waiver, ...] = ()

    def standing_at(self, instant: datetime) -> Standing | None:
        """Where the model stands at an instant (aware), with the waivers in force then; None where it was never judged."""
        if self.report_hash is None or self.report is None:
            return None
        return find_standing(self.report_hash, self.report, self.waivers, instant)


async def read_model_gates(record: Record, model_hash: str) -> ModelGates:
    """What the record holds about a model now."""
    is_trained = await find_training_of(record, model_hash) is not None
    found = await _find(record, _REPORT, model_hash)
    if found is None:
        return ModelGates(model_hash=model_hash, is_trained=is_trained)
    report_hash, raw = found
    report = decode_gate_report(raw)
    require(report.candidate_hash == model_hash, f"gate report {report_hash} is about another model than {model_hash}")
    return ModelGates(
        model_hash=model_hash,
        is_trained=is_trained,
        report_hash=report_hash,
        report=report,
        waivers=await list_waivers(record, report_hash),
    )


async def find_training_of(record: Record, model_hash: str) -> bytes | None:
    """Canonical bytes of the manifest of the model's training, the one recorded last; None where none is recorded."""
    found = await _find(record, _TRAINING, model_hash)
    return None if found is None else found[1]


async def _find(record: Record, statement: str, model_hash: str) -> tuple[str, bytes] | None:
    """Hash and body of a document about the model, checked against each other."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql(statement), model_hash)
    if row is None:
        return None
    content_hash, body = row["content_hash"], bytes(row["body"])
    require(hash_content(body) == content_hash, f"document {content_hash} does not match its hash")
    return content_hash, body
