"""What the suite `experiments` found, as tables for people: shares and sample sizes by metric kind, out of its object."""

import re
from collections.abc import Mapping
from typing import Any

from benchmarks.experiments_worlds import KINDS

Numbers = Mapping[str, float]

# What a column shows: its head, the check's name before the kind, and whether it is a share.
FALSE_ALARMS = (
    ("looked at daily", "false_alarm_rate_", True),
    ("daily z-test", "naive_false_alarm_", True),
    ("arm of a tenth, looked at daily", "false_alarm_rate_small_arm_", True),
    ("the bare formula", "bare_false_alarm_small_arm_", True),
    ("5 planned looks, O'Brien-Fleming", "false_alarm_rate_obrien_fleming_", True),
    ("Pocock", "false_alarm_rate_pocock_", True),
    ("5 looks at 1.96", "unplanned_false_alarm_", True),
)
EFFECTS = (
    ("any interval misses the effect", "uncovered_rate_", True),
    ("mean sample", "mean_sample_ratio_", False),
    ("sample to 80% power", "power_80_sample_ratio_", False),
)
CUT = "loss_cut_by_a_third"
_KIND = re.compile(rf"_({'|'.join((*KINDS, CUT))})$")


def experiments_tables(body: Mapping[str, Any]) -> list[str]:
    """False alarms by metric kind, and what finding an effect takes as a multiple of a fixed sample.

    Parameters
    ----------
    body
        The suite's object.

    Returns
    -------
    list[str]
        Tables in Markdown.
    """
    numbers = {name: value for case in body["cases"] for name, value in case["checks"].items()}
    return [
        _table("false alarms", KINDS, FALSE_ALARMS, numbers),
        _table("an effect, times the fixed sample", (*KINDS, CUT), EFFECTS, numbers),
    ]


def strip_kind(name: str) -> str:
    """A check's name without the metric kind that it ends on."""
    return _KIND.sub("", name)


def _table(title: str, kinds: tuple[str, ...], columns: tuple[tuple[str, str, bool], ...], numbers: Numbers) -> str:
    rows = [f"| {title} | {' | '.join(head for head, _, _ in columns)} |", "| --- |" + " ---: |" * len(columns)]
    for kind in kinds:
        told = [_told(numbers[prefix + kind], is_share=is_share) for _, prefix, is_share in columns]
        rows.append(f"| {kind.replace('_', ' ')} | {' | '.join(told)} |")
    return "\n".join(rows)


def _told(value: float, *, is_share: bool) -> str:
    return f"{value:.1%}" if is_share else f"{value:.2f}"
