"""A server for as long as a block runs, as the demo and the benchmarks use it."""

import os

import httpx
import pytest

from instant_credit.commands import serving
from instant_credit.commands.serving import served
from instant_credit.errors import Refused


def test_the_server_answers_within_the_block_and_ends_with_it(environ):
    with served({**os.environ, **environ}) as address:
        assert httpx.get(f"{address}/health/live").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/health/live")


def test_a_server_that_does_not_start_is_refused(environ):
    with (
        pytest.raises(Refused, match="ended before it listened"),
        served({**os.environ, **environ, "DATABASE_URL": "?"}),
    ):
        pass


def test_a_server_that_is_late_is_refused(environ, monkeypatch):
    monkeypatch.setattr(serving, "START_SECONDS", 0)
    with pytest.raises(Refused, match="ended before it listened"), served({**os.environ, **environ}):
        pass
