"""What `serve` does beside answering: it keeps its releases fresh, whatever happens."""

import asyncio
import io
import json

import pytest
import structlog

from instant_credit.commands import answering
from instant_credit.commands.answering import kept_fresh


class Failing:
    """Fails at the first looks with these errors, then says that it was asked again."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.is_asked_again = asyncio.Event()

    async def refresh(self):
        if self.errors:
            raise self.errors.pop(0)
        self.is_asked_again.set()


@pytest.fixture
def log():
    stream = io.StringIO()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer(default=repr)],
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    yield stream
    structlog.reset_defaults()


@pytest.mark.anyio
async def test_no_error_ends_the_search_for_new_releases(log, monkeypatch):
    monkeypatch.setattr(answering, "REFRESH_SECONDS", 0)
    releases = Failing(RuntimeError("odd"), KeyError("odder"), MemoryError())
    async with kept_fresh(releases):
        await asyncio.wait_for(releases.is_asked_again.wait(), 20)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["releases_not_refreshed"] * 3
