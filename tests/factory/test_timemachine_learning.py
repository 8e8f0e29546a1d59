"""A journey's trainings: what must not hang on the machine that lives through it."""

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from instant_credit.factory.timemachine import learning
from instant_credit.factory.timemachine.clock import SimulatedClock

pytestmark = pytest.mark.anyio


async def test_a_slow_machine_promotes_no_other_model(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    async def judge(*_: Any, **told: Any) -> Any:
        seen.update(told)
        return SimpleNamespace(report=None)

    monkeypatch.setattr(learning, "judge_recorded", judge)
    live = {"loan": SimpleNamespace(hash="c" * 64)}
    lender: Any = SimpleNamespace(
        record=None,
        clock=SimulatedClock(date(2010, 1, 1)),
        product=SimpleNamespace(name="loan"),
        releases=SimpleNamespace(live=lambda: live),
    )
    route: Any = SimpleNamespace(thresholds=None)
    await learning._judge(lender, route, "m" * 64, lambda _: None)
    assert [seen["stopwatch"]() for _ in range(3)] == [0, 1_000, 2_000]
