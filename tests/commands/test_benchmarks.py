"""The benchmarks' runner: what is over budget fails it, and nobody's home is written to."""

import json

import pytest
from benchmarks import home
from benchmarks.form import Case, publish

from instant_credit.settings import DATABASE_URL, read_settings


@pytest.mark.parametrize(("is_kept", "failed"), [(True, []), (False, ["decide: p50 below 1 us"])])
def test_a_check_that_fails_is_told_and_written_all_the_same(tmp_path, is_kept, failed):
    case = Case("decide", [1_000, 2_000, 3_000], checks={"p50 below 1 us": is_kept, "trees": 0.0})
    assert publish("decide", [case], 1, tmp_path / "decide.json") == failed
    written = json.loads((tmp_path / "decide.json").read_text())
    assert written["cases"][0]["checks"] == {"p50 below 1 us": is_kept, "trees": 0.0}
    assert written["cases"][0]["ours"]["p50"] == 2.0


def test_a_suite_has_a_home_and_a_database_of_its_own_that_end_with_it(monkeypatch, tmp_path, environ):
    monkeypatch.setattr(home, "VAR", tmp_path / "var")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with home.own_home() as own:
        seen = read_settings(home.environ_of(own))
        assert (seen.home, seen.key_ring, seen.database_url, seen.database_owner_url) == (
            own.home,
            own.key_ring,
            None,
            None,
        )
        assert own.home.is_relative_to(tmp_path / "var")
        own.home.mkdir()
    assert environ[DATABASE_URL]
    assert list((tmp_path / "var").iterdir()) == []
