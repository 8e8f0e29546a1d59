"""One call from its first attempt to its answer, with a clock and a server out of the test."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.client.attempts import SERVER_SECONDS_MAX, Lost, Patience, Pause, Send, make_key, run_call
from instant_credit.client.calls import Call, Reply, call_apply, call_read_decision, call_ready
from instant_credit.client.failures import (
    AnswerUnreadable,
    ApplicationRefused,
    CallFailed,
    NoAnswer,
    NothingThere,
    ProblemAnswered,
    ServerUnavailable,
    TooManyRequests,
)
from instant_credit.errors import BrokenInvariant, Problem, Refused
from instant_credit.underwriting.answers import ProblemDocument
from tests.budget import examples
from tests.clock import FixedClock, SeededEntropy

ID = UUID("01a2078b-0dc1-7f8c-9a1f-54c4e08e19bb")
READY = Reply(status=200, headers={}, body=b'{"status":"ready","releases":{},"not_loaded":{}}')
APPLY = call_apply("personal_loan", {"facts": {"income": 1}}, "key-1")

Came = Reply | Lost


def refuse(status: int, errors: Sequence[Problem] = (), **headers: str) -> Reply:
    document = ProblemDocument(
        type="urn:instant-credit:problem:some-problem", title="A title", status=status, errors=tuple(errors)
    )
    told = {"content-type": "application/problem+json"} | {k.replace("_", "-"): v for k, v in headers.items()}
    return Reply(status=status, headers=told, body=msgspec.json.encode(document))


class Course:
    """Everything that one call did, step by step."""

    def __init__(self) -> None:
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        self.spent = 0.0


def follow(
    call: Call[Any],
    answer: Callable[[int], tuple[float, Came]],
    patience: Patience | None = None,
    seed: str = "seed",
) -> tuple[Course, Any]:
    """Run `call` to its end; `answer` says of each attempt how long it took and what came. Its answer or failure."""
    clock, course = FixedClock(), Course()

    def spend(seconds: float) -> None:
        clock.advance(timedelta(seconds=seconds))
        clock.advance_monotonic(int(seconds * 1e9))
        course.spent += seconds

    steps = run_call(call, patience or Patience(), clock, SeededEntropy(seed))
    came: Came | None = None
    while True:
        try:
            step = steps.send(came)
        except StopIteration as end:
            return course, end.value
        except CallFailed as failure:
            return course, failure
        if isinstance(step, Pause):
            course.pauses.append(step.seconds)
            spend(step.seconds)
            came = None
            continue
        course.sent.append(step)
        took, came = answer(len(course.sent))
        if took > step.seconds:
            took, came = step.seconds, Lost(how="ReadTimeout")
        spend(took)


def in_turn(*answers: Came) -> Callable[[int], tuple[float, Came]]:
    """The answers one after another, the last one for ever."""
    return lambda number: (0.01, answers[min(number, len(answers)) - 1])


@pytest.mark.parametrize("trouble", [Lost(how="ConnectError"), *(refuse(s) for s in (408, 429, 502, 503, 504))])
def test_trouble_that_passes_is_waited_for(trouble: Came) -> None:
    call = msgspec.structs.replace(call_ready(), is_retried=True)
    course, answer = follow(call, in_turn(trouble, trouble, READY))
    assert answer.status == "ready"
    assert len(course.sent) == 3
    assert len(course.pauses) == 2


@pytest.mark.parametrize("status", [300, 307, 400, 401, 403, 404, 405, 409, 413, 415, 422, 431, 500, 501])
def test_trouble_that_stays_is_told_at_once(status: int) -> None:
    course, failure = follow(APPLY, in_turn(refuse(max(status, 400)), READY))
    assert isinstance(failure, ProblemAnswered)
    assert len(course.sent) == 1
    foreign = Reply(status=status, headers={"content-type": "text/html"}, body=b"<p>secret</p>")
    course, failure = follow(APPLY, in_turn(foreign, READY))
    assert isinstance(failure, ProblemAnswered)
    assert (failure.status, failure.code, len(course.sent)) == (status, "", 1)
    assert "secret" not in str(failure)


def test_every_attempt_carries_the_same_idempotency_key() -> None:
    course, _ = follow(APPLY, in_turn(Lost(how="ReadError")))
    assert len(course.sent) == Patience().attempts_max
    assert {send.headers["Idempotency-Key"] for send in course.sent} == {"key-1"}


def test_what_changes_nothing_carries_no_key_and_no_body() -> None:
    course, _ = follow(call_read_decision(ID), in_turn(refuse(404)))
    assert set(course.sent[0].headers) == {"Request-Timeout-Ms"}


def test_readiness_is_asked_once() -> None:
    course, failure = follow(call_ready(), in_turn(refuse(503, retry_after="1")))
    assert isinstance(failure, ServerUnavailable)
    assert len(course.sent) == 1


@pytest.mark.parametrize("asked", ["2", "Fri, 01 Mar 2024 12:00:02 GMT", "Fri, 01 Mar 2024 12:00:02 -0000"])
def test_a_pause_lasts_as_long_as_the_server_asks(asked: str) -> None:
    course, _ = follow(APPLY, in_turn(refuse(503, retry_after=asked), refuse(422)))
    assert 1.98 <= course.pauses[0] <= 2 + Patience().pause_seconds


@pytest.mark.parametrize("asked", ["soon", "-1", "", "1e9", "²", "Fri, 01 Mar 2024 11:00:00 GMT"])
def test_a_retry_after_that_makes_no_sense_or_is_past_asks_for_nothing(asked: str) -> None:
    course, _ = follow(APPLY, in_turn(refuse(503, retry_after=asked), refuse(422)))
    assert course.pauses[0] <= Patience().pause_seconds


def test_a_server_that_asks_for_more_than_is_left_is_not_waited_for() -> None:
    course, failure = follow(APPLY, in_turn(refuse(429, retry_after="60")))
    assert isinstance(failure, TooManyRequests)
    assert (course.pauses, failure.attempts) == ([], 1)


def test_callers_refused_together_come_back_apart() -> None:
    pauses = {follow(APPLY, in_turn(refuse(503), refuse(422)), seed=str(seed))[0].pauses[0] for seed in range(20)}
    assert len(pauses) == 20


def test_the_last_failure_tells_what_to_try_again_with() -> None:
    course, failure = follow(APPLY, in_turn(refuse(503), Lost(how="ReadError")))
    assert isinstance(failure, NoAnswer)
    assert (failure.how, failure.idempotency_key, failure.attempts) == ("ReadError", "key-1", len(course.sent))
    assert failure.route == "/v1/products/{product}/applications"
    assert "key-1" not in f"{failure}{failure!r}"


def test_a_success_that_is_no_answer_is_told_and_not_quoted() -> None:
    _, failure = follow(APPLY, in_turn(Reply(status=201, headers={}, body=b'{"application_id":"Ada Example"}')))
    assert isinstance(failure, AnswerUnreadable)
    assert failure.__context__ is None
    assert "Ada" not in str(failure)


def test_a_refusal_tells_every_wrong_field() -> None:
    errors = [Problem(pointer=f"/facts/f{n}", code="FIELD_MISSING", message="required") for n in range(7)]
    _, failure = follow(APPLY, in_turn(refuse(422, errors)))
    assert isinstance(failure, ApplicationRefused)
    assert failure.errors == tuple(errors)
    assert "/facts/f0 FIELD_MISSING: required" in str(failure)
    assert "2 more" in str(failure)
    assert failure.code == "some-problem"


def test_a_problem_of_another_server_is_not_quoted() -> None:
    document = {"type": "about:blank", "title": "Ada Example", "status": 404}
    foreign = Reply(
        status=404, headers={"content-type": "application/problem+json"}, body=msgspec.json.encode(document)
    )
    for reply in (
        foreign,
        msgspec.structs.replace(foreign, body=b"{"),
        msgspec.structs.replace(refuse(422), status=404),
    ):
        _, failure = follow(APPLY, in_turn(reply))
        assert isinstance(failure, NothingThere)
        assert failure.code == ""
        assert "Ada" not in str(failure)


STEPS = st.tuples(
    st.floats(0, 10),
    st.sampled_from([Lost(how="ReadError"), refuse(503), refuse(429, retry_after="1"), refuse(408)]),
)
PATIENCE = st.builds(
    Patience,
    seconds=st.floats(0.001, 30),
    attempt_seconds=st.floats(0.001, 30),
    attempts_max=st.integers(1, 30),
    pause_seconds=st.floats(0.001, 2),
    pause_seconds_max=st.floats(0.001, 2),
)


@examples(300)
@given(patience=PATIENCE, answers=st.lists(STEPS, min_size=1, max_size=40), seed=st.text(max_size=3))
def test_no_call_outlives_its_deadline_or_its_attempts(
    patience: Patience, answers: list[tuple[float, Came]], seed: str
) -> None:
    course, failure = follow(APPLY, lambda number: answers[(number - 1) % len(answers)], patience, seed)
    assert isinstance(failure, CallFailed)
    # Each reading of the clock lasts a microsecond.
    assert course.spent <= patience.seconds + 1e-3
    assert 1 <= len(course.sent) == failure.attempts <= patience.attempts_max
    for number, send in enumerate(course.sent):
        assert 0 < send.seconds <= patience.attempt_seconds
        milliseconds = int(send.headers["Request-Timeout-Ms"])
        assert 1 <= milliseconds <= max(1, 1e3 * min(send.seconds, SERVER_SECONDS_MAX)), number


@examples(200)
@given(patience=PATIENCE, answers=st.lists(STEPS, min_size=1, max_size=10), final=st.sampled_from([READY, refuse(422)]))
def test_a_call_ends_with_the_first_answer_that_stays(
    patience: Patience, answers: list[tuple[float, Came]], final: Reply
) -> None:
    def answer(number: int) -> tuple[float, Came]:
        return answers[number - 1] if number <= len(answers) else (0.0, final)

    call = msgspec.structs.replace(call_ready(), is_retried=True)
    course, ended = follow(call, answer, patience)
    if len(course.sent) > len(answers):
        assert (ended.status == "ready") if final is READY else (ended.status == 422)
        assert len(course.sent) == len(answers) + 1
    else:
        assert isinstance(ended, CallFailed)


@pytest.mark.parametrize(
    "changes", [{"seconds": 0}, {"attempts_max": 0}, {"pause_seconds": -1}, {"attempt_seconds": float("nan")}]
)
def test_patience_is_above_0(changes: dict[str, Any]) -> None:
    with pytest.raises(BrokenInvariant):
        Patience(**changes)


@pytest.mark.parametrize("product", ["", "../keys", "Personal", "a" * 64, "a b", "ä"])
def test_what_can_be_no_product_is_not_sent(product: str) -> None:
    with pytest.raises(Refused, match="product is named"):
        call_apply(product, {}, "key")


@pytest.mark.parametrize("key", ["", "a" * 65, "a b", "a\nb", "ä"])
def test_what_can_be_no_idempotency_key_is_not_sent(key: str) -> None:
    with pytest.raises(Refused, match="1 to 64 visible"):
        call_apply("personal_loan", {}, key)


def test_made_keys_are_fresh_and_allowed() -> None:
    entropy = SeededEntropy("seed")
    keys = {make_key(entropy) for _ in range(100)}
    assert len(keys) == 100
    for key in keys:
        call_apply("personal_loan", {}, key)


def test_no_repr_shows_what_is_sent_or_answered() -> None:
    call = call_apply("personal_loan", {"applicant": {"name": "Ada Example"}}, "123-45-6789")
    shown = repr(call) + repr(Reply(status=200, headers={"x": "Ada"}, body=b"Ada"))
    assert "Ada" not in shown
    assert "123-45" not in shown
