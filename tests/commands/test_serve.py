"""What `serve` does beside answering: it keeps its releases fresh, whatever happens."""

import asyncio
import gc
import json

import pytest

from instant_credit.commands import answering
from instant_credit.commands.answering import kept_fresh, settle_memory


class Failing:
    """Fails at the first looks with these errors, then says that it was asked again."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.is_asked_again = asyncio.Event()

    async def refresh(self):
        if self.errors:
            raise self.errors.pop(0)
        self.is_asked_again.set()


@pytest.mark.anyio
async def test_no_error_ends_the_search_for_new_releases(log, monkeypatch):
    monkeypatch.setattr(answering, "REFRESH_SECONDS", 0)
    releases = Failing(RuntimeError("odd"), KeyError("odder"), MemoryError())
    async with kept_fresh((releases,)):
        await asyncio.wait_for(releases.is_asked_again.wait(), 20)
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["releases_not_refreshed"] * 3


def test_what_is_loaded_before_serving_is_left_out_of_garbage_collections():
    before = gc.get_threshold()
    try:
        settle_memory()
        assert gc.get_freeze_count() > 10_000
        assert gc.get_threshold()[0] == answering.GARBAGE_OBJECTS
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
