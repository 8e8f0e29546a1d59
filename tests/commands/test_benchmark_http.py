"""The suite `http`: its generator counts from when an application was due, its cases are whole, and its peers do what they are said to do."""

import json
import socket
import threading
import tomllib
import warnings
from contextlib import contextmanager
from random import Random

import numpy as np
import pytest

with warnings.catch_warnings():
    # shap still calls what matplotlib will drop.
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    from benchmarks import http

from benchmarks import http_load, http_turns, plots, readme
from benchmarks.form import Case, publish
from benchmarks.http_load import MARK, Job, Load
from benchmarks.http_stack_model import StackModel
from benchmarks.http_turns import Target, Turn
from benchmarks.servers import Started
from benchmarks.stock import Stock

from instant_credit.application.door import Door
from instant_credit.application.telling import tell_facts
from instant_credit.decision.case import Case as DecidedCase
from instant_credit.decision.release import compose_release, decode_manifest
from instant_credit.record.documents import DocumentKind
from instant_credit.settings import Settings
from tests.lending import AS_OF, invent_values, make_documents

pytestmark = pytest.mark.long

CREATED = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\nserver-timing: read;dur=0.010, decide;dur=0.200, record;dur=3.000\r\n\r\n{}"
REFUSED = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
BODY = json.dumps({"applicant": {"identity_number": f"BENCH{MARK.decode()}"}})


@contextmanager
def answering(answers, *, per_connection=None):
    """A server that gives `answers` in rotation, and closes a connection after so many; yields its port and what it was sent."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve_one(opened):
        with opened:
            count = 0
            while raw := opened.recv(65_536):
                seen.append(raw)
                opened.sendall(answers[(len(seen) - 1) % len(answers)])
                count += 1
                if count == per_connection:
                    return

    def accept():
        while True:
            try:
                opened, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(opened,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1], seen
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def job(port, **changed):
    told = {"connections": 2, "seconds": 0.2, "first_number": 7, "result": ""} | changed
    return Job(port=port, path="/apply", authorization="Bearer key", bodies=(BODY,), **told)


def test_a_closed_loop_sends_each_application_once_as_another_person():
    with answering([CREATED]) as (port, seen):
        found = Load(job(port)).run()
    assert set(found["status"].tolist()) == {201}
    assert 0 < len(found["status"]) <= len(seen)
    numbers = [raw.partition(b"Idempotency-Key: bench-")[2][:12] for raw in seen]
    assert len(set(numbers)) == len(seen)
    assert all(raw.count(number) == 2 and b"Bearer key" in raw for raw, number in zip(seen, numbers, strict=True))
    assert (found["done"] >= found["sent"]).all()
    assert found["stages"][0].tolist() == [0.01, 0.2, 3.0]


def test_an_open_loop_has_the_same_arrivals_for_the_same_seed_and_sends_all_of_them():
    with answering([CREATED, REFUSED]) as (port, _):
        first, second = (Load(job(port, rate=500.0, seed=3)).run() for _ in range(2))
    assert len(first["due"]) == 100
    assert np.abs(np.diff(first["due"]) - np.diff(second["due"])).max() <= 1
    assert sorted(first["status"].tolist()) == [201] * 50 + [503] * 50


def test_an_application_counts_from_when_it_was_due_however_late_it_is_sent():
    with answering([CREATED]) as (port, _):
        found = Load(job(port, rate=2_000.0, connections=1)).run()
    waited = found["sent"] - found["due"]
    assert (waited >= 0).all()
    turn = _turn(due_ns=found["due"], sent_ns=found["sent"], done_ns=found["done"], status=found["status"])
    assert turn.accepted_ns() == (found["done"] - found["due"]).tolist()


def test_a_kept_connection_that_was_closed_costs_another_try_and_no_answer():
    with answering([CREATED], per_connection=3) as (port, _):
        found = Load(job(port, rate=300.0, connections=4)).run()
    assert set(found["status"].tolist()) == {201}
    assert len(found["status"]) == 60


def test_an_answer_that_never_comes_is_told_as_status_0(monkeypatch):
    monkeypatch.setattr(http_load, "LINGER_SECONDS", 0.05)
    with answering([b"HTTP/1.1 201 Created\r\ncontent-length: 9\r\n\r\n"]) as (port, _):
        found = Load(job(port, rate=100.0, connections=1)).run()
    assert found["status"].tolist() == [0] * 20


def _turn(**changed):
    told = {name: np.array([], np.int64) for name in ("due_ns", "sent_ns", "done_ns", "status")} | changed
    stages = np.full((len(told["status"]), 3), np.nan)
    return Turn(**told, stages_ms=stages, seconds=2.0, processor_seconds=0.0, resent=0)


def test_a_turn_tells_accepted_refused_and_failed_apart():
    second = 1_000_000_000
    turn = _turn(
        due_ns=np.array([1, 2, 3, 4]) * second,
        done_ns=np.array([2, 4, 4, 4]) * second,
        status=np.array([201, 503, 500, 201]),
    )
    assert turn.accepted_ns() == [second, 0]
    assert turn.refused_ns() == [2 * second]
    assert (turn.failed(), turn.rate(), turn.is_clean) == (1, 1.0, False)
    # Without the warm-up's second: nothing in the first of two seconds, one in the second, one too late.
    assert turn.slices(2) == [2 * second, second]


@pytest.fixture(scope="module")
def stock():
    documents = make_documents()
    release = compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)
    door, chance = Door(release.product), Random(3)
    cases = [
        DecidedCase(
            product_hash=release.manifest.product_hash,
            layout_hash=release.layout_hash,
            as_of=AS_OF,
            facts=door.check_facts(invent_values(release.product, chance), AS_OF),
        )
        for _ in range(40)
    ]
    return Stock(release, [(DocumentKind(kind), raw) for kind, raw in documents.parts], cases)


@pytest.fixture(scope="module")
def timed(stock, tmp_path_factory):
    """Every case of the suite, on tiny turns and without the stack."""
    home = tmp_path_factory.mktemp("http") / "home"
    plan = http.Plan(
        rounds=1, closed_seconds=0.5, open_rounds=1, open_seconds=0.5, crowd_seconds=1.1, decisions=300, has_bounds=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "STACK_PACKAGES", ("not_installed_anywhere",))
        patch.setattr(http_turns, "WARMUP_SECONDS", 0.2)
        return http.time_suite(Settings(home=home, key_ring=home / "keys" / "ring.json"), stock, plan, 1)


def test_every_application_is_decided_and_recorded_by_ours_and_taken_by_the_floor(timed):
    found = {case.name: case for case in timed}
    closed = found["throughput, closed loop, 64 connections"]
    opened = found["open loop at 30% of our throughput"]
    assert closed.checks["no_error"]
    assert opened.checks["no_error"]
    assert set(closed.peers) == set(opened.peers) == {http.FLOOR}
    assert found["one client, closed loop"].summarise("ours")["p50"] > 100


def test_the_bounds_that_are_promised_are_checked(timed):
    checks = {name for case in timed for name, value in case.checks.items() if isinstance(value, bool)}
    assert checks >= {
        "at_least_0_5_of_floor",
        "p50_at_most_2_times_floor",
        "p99_at_most_3_times_floor",
        "goodput_at_least_80_percent_of_peak",
        "refusals_p99_within_50_ms",
        "accepted_p99_within_deadline",
        "throughput_moves_by_at_most_20_percent",
        "p99_moves_by_at_most_20_percent",
        "within_budget",
    }


def test_a_stage_over_its_budget_fails_the_suite(timed, monkeypatch, tmp_path):
    budgets = tomllib.loads(http.BUDGETS.read_text())["http"]["stages_us_p99"]
    assert list(budgets) == list(http.STAGES)
    stages = [case for case in timed if case.name.startswith("stage ")]
    assert [case.checks["budget_us_p99"] for case in stages] == list(budgets.values())
    over = Case("stage read", [1_000_000], checks={"within_budget": http.is_within(1_000.0, budgets["read"])})
    assert publish("http", [over], 1, None) == ["stage read: within_budget"]


def test_the_page_gets_a_plot_of_percentiles_and_a_table(timed, monkeypatch, tmp_path):
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    publish("http", timed, 1, tmp_path / "http.json")
    page = tmp_path / "README.md"
    page.write_text("<!-- benchmark: http -->\n<!-- end -->\n")
    assert readme.rewrite(page) == ["http"]
    written = page.read_text()
    assert "](http.svg)" in written
    assert "| throughput, closed loop, 64 connections | **instant_credit** | " in written
    body = json.loads((tmp_path / "http.json").read_text())
    assert plots.draw_http(body) == plots.draw_http(body)


def test_the_stack_decides_what_ours_decides_by_a_model_of_the_same_size(stock, tmp_path):
    http.fit_peer(tmp_path, stock)
    model = StackModel(tmp_path)
    facts = [tell_facts(stock.release.product, case.facts) for case in stock.cases]
    decided = [model.decide(one) for one in facts]
    assert {one["outcome"] for one in decided} <= {"approve", "decline"}
    assert all((one["outcome"] == "approve") == (one["apr"] is not None) for one in decided)
    assert all(len(one["reasons"]) <= 4 for one in decided)
    assert model.tree_count == len(stock.release.model.tables.depths)


def test_a_server_that_ends_before_it_listens_ends_the_suite(tmp_path):
    with pytest.raises(SystemExit, match="ended before it listened"), http.started(["/bin/true"], {}):
        pytest.fail("nothing listens")


def test_memory_of_a_process_that_is_gone_is_0():
    assert Started(process_id=2**22 + 1, port=1).resident_bytes() == 0


def test_a_body_without_a_place_for_the_number_ends_the_generator():
    target = Target(Started(1, 1), "/", "", ("{}",))
    told = Job(
        port=1, path="/", authorization="", bodies=target.bodies, connections=1, seconds=0.1, first_number=1, result=""
    )
    with pytest.raises(SystemExit, match="no place"):
        next(http_load._number_requests(told))
