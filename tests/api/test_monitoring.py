"""What monitoring found over HTTP: for keys with its scope, and of what the record holds."""

import asyncio
from datetime import date
from math import isnan

import msgspec
import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.api.metrics import Metrics
from instant_credit.api.monitoring import Alerts, MonitoredWindows
from instant_credit.canonical import encode_canonical
from instant_credit.commands.monitored import show_monitored
from instant_credit.outcome.alerts import AlertEvent, AlertEventKind, AlertState
from instant_credit.outcome.measures import Measurement, Metric
from instant_credit.record.pool import open_record
from instant_credit.record.sketches import WindowRow, add_window
from instant_credit.review.windows import WindowReport
from instant_credit.underwriting.course import BOOK
from tests.api.test_openapi import Held
from tests.lending import House

PRODUCT = "watched_loan"
ACTOR = Actor(kind=ActorKind.JOB, id="tests")


def report_of(last_on: date, *, is_open: bool, value: float) -> WindowReport:
    state = AlertState(
        rule="score_shifted",
        metric="score_psi",
        is_open=is_open,
        opened_on=last_on if is_open else None,
        closed_on=last_on,
    )
    return WindowReport(
        book=BOOK,
        product=PRODUCT,
        first_on=last_on.replace(day=1),
        last_on=last_on,
        release_hash="a" * 64,
        reference_hash="b" * 64,
        cases=500,
        other_cases=0,
        erased=0,
        outcomes=(),
        reasons=(),
        measurements=(
            Measurement(metric=Metric.SCORE_PSI, cases=500, value=value, expected=0.02, chance=0.001),
            Measurement(metric=Metric.AUC, subject="180", cases=0),
        ),
        states=(state,),
    )


def test_a_figure_that_the_last_window_does_not_have_is_shown_no_more() -> None:
    metrics = Metrics()
    first = report_of(date(2026, 1, 31), is_open=False, value=0.3)
    metrics.show_monitored([first])
    untold = Measurement(metric=Metric.SCORE_PSI, cases=0)
    metrics.show_monitored([replace(first, measurements=(untold,))])
    shown = read_gauge(metrics, "instant_credit_monitored_excess", metric="score_psi")
    assert shown is not None
    assert isnan(shown)
    metrics.show_monitored([first])
    assert read_gauge(metrics, "instant_credit_monitored_excess", metric="score_psi") == pytest.approx(0.28)


def write(house: House, report: WindowReport, kind: AlertEventKind) -> None:
    event = AlertEvent(
        kind=kind,
        rule="score_shifted",
        subject="",
        metric="score_psi",
        value=report.measurements[0].value,
        owner="credit-risk",
        runbook="docs/runbooks.md",
    )
    row = WindowRow(
        book=BOOK,
        product=PRODUCT,
        first_on=report.first_on,
        last_on=report.last_on,
        rules_hash="d" * 64,
        release_hash=report.release_hash,
        reference_hash=report.reference_hash,
        cases=report.cases,
        report=encode_canonical(report),
    )

    async def run() -> None:
        async with open_record(house.settings) as record:
            assert await add_window(record, row, [event], ACTOR)

    asyncio.run(run())


def show(house: House, metrics: Metrics) -> None:
    async def run() -> None:
        async with open_record(house.settings) as record:
            await show_monitored(record, metrics)

    asyncio.run(run())


def read_gauge(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, {"product": PRODUCT, **labels})


def test_windows_and_alerts_are_told_and_shown_among_the_metrics(house: House) -> None:
    held, metrics = Held(house), Metrics()
    windows, alerts = (f"/v1/monitoring/{PRODUCT}/{name}" for name in ("windows", "alerts"))
    with house.client() as client:
        for path in (windows, alerts):
            early = client.get(path)
            held.check(path.replace(PRODUCT, "{product}"), "get", early)
            assert early.status_code == 404
            assert PRODUCT not in early.text
        first = report_of(date(2026, 1, 31), is_open=True, value=0.3)
        write(house, first, AlertEventKind.OPENED)
        show(house, metrics)
        assert read_gauge(metrics, "instant_credit_alerts_open", rule="score_shifted") == 1
        assert read_gauge(metrics, "instant_credit_monitored_excess", metric="score_psi") == pytest.approx(0.28)
        last = report_of(date(2026, 2, 28), is_open=False, value=0.01)
        write(house, last, AlertEventKind.CLOSED)
        show(house, metrics)
        assert read_gauge(metrics, "instant_credit_alerts_open", rule="score_shifted") == 0
        assert read_gauge(metrics, "instant_credit_monitored_until_seconds") == 1_772_323_200
        assert read_gauge(metrics, "instant_credit_monitored_excess", metric="auc") is None
        answer = client.get(windows)
        held.check("/v1/monitoring/{product}/windows", "get", answer)
        assert msgspec.json.decode(answer.content, type=MonitoredWindows).windows == (last, first)
        answer = client.get(alerts)
        held.check("/v1/monitoring/{product}/alerts", "get", answer)
        told = msgspec.json.decode(answer.content, type=Alerts)
        assert (told.as_of, told.open) == (last.last_on, ())
        assert [one.event.kind.value for one in told.history] == ["closed", "opened"]


def test_only_keys_with_the_scope_read_it(house: House) -> None:
    for key, status in (("all", 404), ("read", 403), ("apply", 403), ("audit", 403)):
        with house.client(key) as client:
            assert client.get("/v1/monitoring/nothing/alerts").status_code == status
