"""The memo as one page that loads nothing, and as JSON beside it. Equal memos give equal bytes.

Memo (plan, life, readout, hashes) ─► drawings ─► memo.html and memo.json: `field` names under a table are the places of its numbers in the JSON
"""

from pathlib import Path
from typing import Final

from markupsafe import Markup
from msgspec import Struct

from instant_credit.canonical import encode_canonical
from instant_credit.experiment.comparing import MetricReading
from instant_credit.experiment.plan import Direction, GuardrailKind, Plan
from instant_credit.training.memos.drawing import draw_intervals, draw_maturity, draw_spending, draw_survival
from instant_credit.training.report.environment import make_environment
from instant_credit.training.whole_files import replace_files
from instant_credit.underwriting.experiment_readouts import Memo

HTML_NAME: Final = "memo.html"
JSON_NAME: Final = "memo.json"


class MemoPaths(Struct, frozen=True, kw_only=True):
    """Where a memo was written."""

    html: Path
    json: Path


def write_memo(memo: Memo, folder: Path) -> MemoPaths:
    """Write page and JSON into `folder`, which is made when it is not there; older ones of the same name are replaced whole."""
    page = render_memo(memo)
    folder.mkdir(parents=True, exist_ok=True)
    paths = MemoPaths(html=folder / HTML_NAME, json=folder / JSON_NAME)
    replace_files({paths.json: encode_canonical(memo), paths.html: page.encode()})
    return paths


def render_memo(memo: Memo) -> str:
    """The whole HTML page."""
    environment = make_environment("instant_credit.training.memos")
    environment.filters.update(value=_tell_value, chance=_tell_chance)
    plan, readout = memo.plan, memo.readout
    budgets = [one.bound for one in plan.guardrails if one.kind is GuardrailKind.LOSS_BUDGET]
    return environment.get_template("memo.html.j2").render(
        memo=memo,
        plan=plan,
        readout=readout,
        hash=memo.hash,
        primary=next(reading for reading in readout.metrics if reading.is_primary),
        intervals=_draw_differences(memo),
        maturity=draw_maturity(readout.metrics, "maturity"),
        survival=[
            draw_survival(one, f"survival-{at}") for at, one in enumerate(readout.survival) if one.control and one.curve
        ],
        spending=draw_spending(readout.exposure, budgets[0] if budgets else None, "spending"),
    )


def _draw_differences(memo: Memo) -> list[Markup]:
    started_on = next((event.recorded_at.date() for event in memo.events), memo.planned_on)
    return [
        draw_intervals(reading, compared, started_on, f"interval-{at}-{place}", _signed_effect(memo.plan, reading))
        for at, reading in enumerate(memo.readout.metrics)
        for place, compared in enumerate(reading.comparisons)
    ]


def _signed_effect(plan: Plan, reading: MetricReading) -> float | None:
    if not reading.is_primary:
        return None
    return plan.effect_min if reading.direction == Direction.HIGHER else -plan.effect_min


def _tell_value(value: float | None, kind: str) -> str:
    """A number of a metric of this kind: cents, or percent; a dash for none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if kind in ("loss", "profit") else f"{value:.3%}"


def _tell_chance(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"
