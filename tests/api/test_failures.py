"""What the server says and writes down when it fails itself: never the words of the failure."""

import errno
import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any
from unittest.mock import AsyncMock

import httpx
import msgspec
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.access.actors import Scope
from instant_credit.access.keys import Grant
from instant_credit.api.app import create_app, line_writer
from instant_credit.api.logs import configure_logs, write_lines
from instant_credit.api.metrics import Metrics
from instant_credit.api.problems import BUSY_DETAIL, FULL_DETAIL, LATE_DETAIL
from instant_credit.errors import BrokenInvariant, Busy, Late, Overloaded, Unavailable
from instant_credit.underwriting.lines import ApplicationLine, Ending, Stages

pytestmark = pytest.mark.anyio
SECRET = "Zyxwella Quorbitane"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    configure_logs(stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)


class FailingDesk:
    """Fails every application with one error, chained to a library's that quotes what was sent."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.record = None
        self.read_log: Any = object()  # nothing is read
        self.missed: dict[str, str] = {}

    def offered(self) -> dict[str, Any]:
        return {}

    def not_loaded(self) -> dict[str, str]:
        return self.missed

    async def check_record(self) -> None:
        raise self.error

    async def apply(self, _: Any) -> Any:
        raise self.error from ValueError(SECRET)


async def find_key(_: str) -> Grant:
    return Grant(key_id="key", client_id="client", scopes=frozenset(Scope))


async def apply(error: Exception, metrics: Metrics | None = None) -> httpx.Response:
    desk: Any = FailingDesk(error)
    app: Any = create_app(desk, find_key, metrics or Metrics())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.post("/v1/products/p/applications", json={}, headers={"Authorization": "Bearer k"})


@pytest.mark.parametrize(
    "error",
    [ValueError(SECRET), KeyError(SECRET), BrokenInvariant(SECRET), RuntimeError(SECRET), AssertionError(SECRET)],
)
async def test_a_bug_is_a_500_found_in_the_log_by_its_instance(log: io.StringIO, error: Exception) -> None:
    response = await apply(error)
    assert response.status_code == 500
    problem = response.json()
    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert line["event"] == "request_failed"
    assert line["instance"] == problem["instance"]
    assert line["error"] == type(error).__name__
    assert line["cause"] == "ValueError"
    assert line["route"] == "/v1/products/{product}/applications"
    assert any(":apply" in frame for frame in line["frames"])
    assert SECRET not in log.getvalue() + response.text


async def test_a_bug_is_not_told_as_if_nothing_had_been_done(log: io.StringIO) -> None:
    problem = (await apply(ValueError(SECRET))).json()
    assert "nothing was decided" not in problem["title"] + problem["detail"]
    assert "same idempotency key" in problem["detail"]


async def test_what_may_work_later_is_a_503_with_retry_after(log: io.StringIO) -> None:
    response = await apply(Unavailable(SECRET))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"
    assert "did not answer in time" in response.json()["detail"]
    assert SECRET not in log.getvalue() + response.text


async def test_a_full_server_says_so(log: io.StringIO) -> None:
    response = await apply(Overloaded("full"))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "The server is full" in response.json()["detail"]


@pytest.mark.parametrize(
    ("error", "detail"),
    [(Late("x"), LATE_DETAIL), (Busy("x"), BUSY_DETAIL), (Overloaded("x"), FULL_DETAIL), (Unavailable("x"), "record")],
)
async def test_whoever_is_turned_away_is_told_why(log: io.StringIO, error: Exception, detail: str) -> None:
    response = await apply(error)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert detail in response.json()["detail"]


@pytest.mark.parametrize("error", [Unavailable("x"), Overloaded("x")])
async def test_the_line_of_an_outage_is_short(log: io.StringIO, error: Exception) -> None:
    instance = (await apply(error)).json()["instance"]
    (text,) = log.getvalue().splitlines()
    line = json.loads(text)
    assert (line["instance"], line["error"]) == (instance, type(error).__name__)
    assert not {"frames", "cause"} & set(line)
    assert len(text) < 320


class Full(io.StringIO):
    """A disk without room: what is written is lost, and sometimes only when it's flushed."""

    def __init__(self, *, fails_at: str) -> None:
        super().__init__()
        self.fails_at = fails_at

    def write(self, text: str) -> int:
        if self.fails_at == "write":
            raise OSError(errno.ENOSPC, "no room")
        return super().write(text)

    def flush(self) -> None:
        if self.fails_at in ("write", "flush"):
            raise OSError(errno.ENOSPC, "no room")
        super().flush()


@pytest.mark.parametrize("fails_at", ["write", "flush", "close"])
async def test_a_log_that_cannot_be_written_is_counted_and_fails_nothing(log: io.StringIO, fails_at: str) -> None:
    metrics, stream = Metrics(), Full(fails_at=fails_at)
    configure_logs(stream).lost = metrics.count_lost_line
    if fails_at == "close":
        stream.close()
    write = line_writer(lambda _: True, metrics)
    write(ApplicationLine(ending=Ending.DECIDED, product="p", actor_kind="api_key", actor_id="key", stages=Stages()))
    assert (await apply(Unavailable("x"))).status_code == 503
    logging.getLogger("somebody.elses").error("plain")
    text = metrics.expose().decode()
    assert 'instant_credit_applications_total{ending="decided",outcome="",product="p"} 1.0' in text
    assert "instant_credit_log_lines_lost_total 3.0" in text


async def probe(desk: Any) -> httpx.Response:
    app: Any = create_app(desk, find_key, Metrics())
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=True)
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
        return await client.get("/health/ready")


async def test_a_probe_of_a_server_that_is_not_ready_says_why_and_is_not_logged(log: io.StringIO) -> None:
    desk = FailingDesk(Unavailable(SECRET))
    unreachable = await probe(desk)
    desk.check_record = AsyncMock()  # type: ignore[method-assign] # a probe that counts
    empty = await probe(desk)
    for response, detail in ((unreachable, "record does not answer"), (empty, "No release is live")):
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert detail in response.json()["detail"]
    assert log.getvalue() == ""
    assert SECRET not in unreachable.text


@pytest.mark.parametrize("count", [1, 100])
async def test_a_probe_is_told_which_release_could_not_be_loaded(log: io.StringIO, count: int) -> None:
    desk = FailingDesk(Unavailable(SECRET))
    desk.check_record = AsyncMock()  # type: ignore[method-assign] # a probe that counts
    desk.missed = {f"{'a' * 60}{number:03d}": f"{number:064d}" for number in range(count)}
    response = await probe(desk)
    assert response.status_code == 503
    detail = response.json()["detail"]
    assert f"{'0' * 64} of {'a' * 60}000" in detail
    assert len(detail) <= 400


async def test_a_bug_behind_a_probe_is_logged(log: io.StringIO) -> None:
    assert (await probe(FailingDesk(BrokenInvariant(SECRET)))).status_code == 500
    (line,) = [json.loads(text) for text in log.getvalue().splitlines()]
    assert (line["event"], line["route"]) == ("request_failed", "/health/ready")


async def test_failures_are_counted_by_route_and_status(log: io.StringIO) -> None:
    metrics = Metrics()
    await apply(Unavailable("x"), metrics)
    text = metrics.expose().decode()
    assert 'instant_credit_request_seconds_count{route="/v1/products/{product}/applications",status="503"} 1.0' in text
    assert "instant_credit_requests_in_flight 0.0" in text


def test_libraries_write_their_first_line_only_and_no_exceptions_words(log: io.StringIO) -> None:
    logger = logging.getLogger("somebody.elses")
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.exception("it failed\nfuture: %s", SECRET)
    logger.error("plain", exc_info=sys.exc_info())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("odd\n" + SECRET, stacklevel=1)
    lines = [json.loads(text) for text in log.getvalue().splitlines()]
    assert lines[0]["event"] == "it failed"
    assert lines[0]["error"] == "ValueError"
    assert lines[0]["logger"] == "somebody.elses"
    assert len(lines) == 3
    assert SECRET not in log.getvalue()


def test_a_product_that_is_not_offered_is_neither_logged_nor_counted_by_name(log: io.StringIO) -> None:
    metrics = Metrics()
    write = line_writer(lambda name: name == "known", metrics)
    for product in ("known", SECRET):
        write(
            ApplicationLine(
                ending=Ending.REFUSED, product=product, actor_kind="api_key", actor_id="key", stages=Stages()
            )
        )
    assert SECRET not in log.getvalue() + metrics.expose().decode()
    assert [json.loads(text)["product"] for text in log.getvalue().splitlines()] == ["known", ""]


@given(st.builds(Stages), st.sampled_from(Ending), st.none() | st.text(), st.lists(st.text(), max_size=3))
def test_a_line_is_what_structlog_would_write(
    stages: Stages, ending: Ending, text: str | None, codes: list[str]
) -> None:
    line = ApplicationLine(
        ending=ending, product="p", actor_kind="api_key", actor_id="k", error=text, reasons=tuple(codes), stages=stages
    )
    told = []
    for write in (
        lambda: write_lines("application")(line),
        lambda: structlog.get_logger("x").info("application", **msgspec.to_builtins(line)),
    ):
        stream = io.StringIO()
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        configure_logs(stream)
        write()
        structlog.reset_defaults()
        logging.captureWarnings(capture=False)
        root.handlers[:] = handlers
        root.setLevel(level)
        told.append(re.sub(r'"at":"[-0-9T:.]+Z"', "", stream.getvalue()))
    assert told[0] == told[1]
    assert told[0].endswith("}\n")
