"""Lines of JSON and rows of tables as events."""

import json
from datetime import date, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind, RepaymentEvent
from instant_credit.outcome.inbound import EVENT_KINDS, TableReader, Telling, ToldKind, read_json
from instant_credit.outcome.lines import LINE_BYTES_MAX, LineSplitter
from instant_credit.outcome.sequence import Fault, LoanHistory
from tests.outcome.lives import invent_life

TODAY = date(2012, 6, 1)
ONE, TWO, LOAN = (str(UUID(int=number)) for number in (1, 2, 3))
PAYMENT: dict[str, Any] = {
    "event_id": ONE,
    "application_id": LOAN,
    "kind": "payment",
    "amount_cents": 5,
    "event_on": "2012-05-01",
}


def event_of(told: Telling | Fault) -> RepaymentEvent:
    assert isinstance(told, Telling), told
    (event,) = told.make_events(UUID(LOAN), LoanHistory(TODAY))
    return event


def read(**changes: Any) -> Telling | Fault:
    told = {name: value for name, value in {**PAYMENT, **changes}.items() if value is not ...}
    return read_json(json.dumps(told).encode(), TODAY)


def test_an_event_is_known_today_unless_it_says_when() -> None:
    told = read()
    event = event_of(told)
    assert isinstance(told, Telling)
    assert (told.application_id, told.account, told.is_known_today) == (UUID(LOAN), None, True)
    assert (event.kind, event.amount_cents, event.event_on, event.known_on) == ("payment", 5, date(2012, 5, 1), TODAY)
    assert (event.event_id, event.corrects, event.days_past_due) == (UUID(ONE), None, None)
    assert event_of(read(known_on="2012-05-02")).known_on == date(2012, 5, 2)


def test_what_happened_on_a_day_that_has_begun_in_the_east_is_known_on_that_day() -> None:
    tomorrow = TODAY + timedelta(days=1)
    event = event_of(read(event_on=str(tomorrow)))
    assert (event.event_on, event.known_on) == (tomorrow, tomorrow)


def test_every_kind_but_void_can_be_told() -> None:
    assert set(EVENT_KINDS.values()) == set(EventKind) - {EventKind.VOID}
    for kind in EVENT_KINDS:
        days = 3 if kind is ToldKind.DAYS_PAST_DUE else ...
        assert event_of(read(kind=kind, days_past_due=days)).kind == EVENT_KINDS[kind]


def test_a_correction_stands_in_the_place_of_what_it_names_or_leaves_it_empty() -> None:
    void = event_of(read(event_id=TWO, kind="correction", corrects=ONE, event_on=..., amount_cents=...))
    assert (void.kind, void.corrects, void.event_on, void.amount_cents) == (EventKind.VOID, UUID(ONE), TODAY, 0)
    replacement = {"kind": "days_past_due", "event_on": "2012-04-01", "days_past_due": 31}
    told = read(event_id=TWO, kind="correction", corrects=ONE, event_on=..., amount_cents=..., replacement=replacement)
    event = event_of(told)
    assert (event.kind, event.corrects, event.event_on) == (EventKind.DAYS_PAST_DUE, UUID(ONE), date(2012, 4, 1))
    assert (event.days_past_due, event.known_on) == (31, TODAY)


def test_a_loan_is_named_by_its_number_in_a_book() -> None:
    told = read(application_id=..., book="tape", account="row 1")
    assert isinstance(told, Telling)
    assert (told.application_id, told.account) == (None, ("tape", "row 1"))


@pytest.mark.parametrize(
    ("changes", "code", "told"),
    [
        ({"kind": "lost"}, "LINE_UNREADABLE", "kind is none of paid"),
        ({"kind": "void"}, "LINE_UNREADABLE", "kind is none of paid"),
        ({"name": "Ada"}, "LINE_UNREADABLE", "a field that events don't have"),
        ({"event_id": "Ada"}, "LINE_UNREADABLE", "Invalid UUID"),
        ({"event_id": ...}, "LINE_UNREADABLE", "event_id"),
        ({"amount_cents": -1}, "LINE_UNREADABLE", "amount_cents"),
        ({"amount_cents": 1.5}, "LINE_UNREADABLE", "amount_cents"),
        ({"amount_cents": 10**13 + 1}, "LINE_UNREADABLE", "amount_cents"),
        ({"event_on": "soon"}, "LINE_UNREADABLE", "event_on"),
        ({"event_on": ...}, "LINE_UNREADABLE", "event_on is missing"),
        ({"event_on": "2012-06-03"}, "EVENT_IN_FUTURE", "after today"),
        ({"known_on": "2012-04-30"}, "KNOWN_BEFORE_EVENT", "known_on"),
        ({"days_past_due": 3}, "LINE_UNREADABLE", "days_past_due belongs"),
        ({"kind": "days_past_due"}, "LINE_UNREADABLE", "days_past_due belongs"),
        ({"application_id": ...}, "LINE_UNREADABLE", "by application_id, or by book and account"),
        ({"application_id": ..., "book": "tape"}, "LINE_UNREADABLE", "by book and account"),
        ({"book": "tape", "account": "1"}, "LINE_UNREADABLE", "not by both"),
        ({"account": "1"}, "LINE_UNREADABLE", "not by both"),
        ({"corrects": TWO}, "LINE_UNREADABLE", "belong to the kind correction"),
        ({"kind": "correction", "event_on": ..., "amount_cents": ...}, "LINE_UNREADABLE", "corrects is missing"),
        ({"kind": "correction", "corrects": ONE, "event_on": ..., "amount_cents": ...}, "LINE_UNREADABLE", "itself"),
        ({"kind": "correction", "corrects": TWO}, "LINE_UNREADABLE", "inside its replacement"),
        (
            {
                "kind": "correction", "corrects": TWO, "event_on": ..., "amount_cents": ...,
                "replacement": {"kind": "correction", "event_on": "2012-05-01"},
            },
            "LINE_UNREADABLE",
            "another kind than correction",
        ),
        ({"account": "x" * LINE_BYTES_MAX}, "LINE_TOO_LONG", "at most 8,192 bytes"),
    ],
)  # fmt: skip
def test_what_can_t_be_read_is_told_without_its_content(changes: dict[str, Any], code: str, told: str) -> None:
    fault = read(**changes)
    assert isinstance(fault, Fault)
    assert (fault.code, told in fault.message) == (code, True), fault.message
    assert "Ada" not in fault.message


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"3", b"\xff", b'{"event_id":"\xff"}', b"[" * 5_000])
def test_bytes_that_are_no_event_are_a_fault(raw: bytes) -> None:
    assert isinstance(read_json(raw, TODAY), Fault)


HEADER = b"event_id,application_id,kind,amount_cents,event_on,known_on,days_past_due,corrects,replacement_kind"


@pytest.mark.parametrize(
    ("row", "same"),
    [
        (f"{ONE},{LOAN},payment,5,2012-05-01,,,,", {}),
        (f'{ONE},{LOAN},"payment",5,2012-05-01,2012-05-03,,,', {"known_on": "2012-05-03"}),
        (f"{ONE},{LOAN},days_past_due,5,2012-05-01,,31,,", {"kind": "days_past_due", "days_past_due": 31}),
        (
            f"{ONE},{LOAN},correction,7,2012-05-02,,,{TWO},payment",
            {
                "kind": "correction", "corrects": TWO, "amount_cents": ..., "event_on": ...,
                "replacement": {"kind": "payment", "amount_cents": 7, "event_on": "2012-05-02"},
            },
        ),
        (f"{ONE},{LOAN},correction,,,,,{TWO},", {"kind": "correction", "corrects": TWO, "amount_cents": ..., "event_on": ...}),
    ],
)  # fmt: skip
def test_a_row_of_a_table_tells_what_the_object_tells(row: str, same: dict[str, Any]) -> None:
    assert event_of(TableReader(HEADER).read(row.encode(), TODAY)) == event_of(read(**same))


def test_a_table_s_accounts_lie_in_the_book_that_is_given() -> None:
    header = b"event_id,account,kind,event_on"
    told = TableReader(header, "tape").read(f"{ONE},row 1,payment,2012-05-01".encode(), TODAY)
    assert isinstance(told, Telling)
    assert told.account == ("tape", "row 1")


@pytest.mark.parametrize("row", [b"a,b", b'"', b"\xff", b'a"b,c', b",".join([b"x"] * 9), b"x" * 9_000])
def test_a_row_that_can_t_be_read_is_a_fault(row: bytes) -> None:
    assert isinstance(TableReader(HEADER).read(row, TODAY), Fault)


@pytest.mark.parametrize(
    "header", [b"", b"event_id,kind", b"event_id,kind,event_on,name", b"event_id,kind,event_on,kind", b"\xff"]
)
def test_a_table_without_the_columns_of_events_is_refused(header: bytes) -> None:
    with pytest.raises(Refused, match="column"):
        TableReader(header)


@given(st.binary(max_size=200), st.lists(st.integers(1, 20), max_size=20))
def test_lines_are_the_same_however_a_stream_is_cut(stream: bytes, cuts: list[int]) -> None:
    splitter, lines, start = LineSplitter(), list[bytes](), 0
    for cut in cuts:
        lines += splitter.feed(stream[start : start + cut])
        start += cut
    lines += splitter.feed(stream[start:]) + splitter.end()
    whole = [line.removesuffix(b"\r") for line in stream.split(b"\n")]
    assert lines == (whole if stream.split(b"\n")[-1] else whole[:-1])


def test_of_a_line_without_end_a_beginning_is_kept() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"short\n" + b"x" * 5_000) == [b"short"]
    assert splitter.feed(b"x" * 50_000) == []
    assert splitter.feed(b"x" * 50_000 + b"\nshort") == [b"x" * (LINE_BYTES_MAX + 1)]
    assert splitter.end() == [b"short"]


def test_invented_lives_are_possible() -> None:
    for seed in range(40):
        history = LoanHistory(date(2010, 1, 1))
        for told in invent_life(Random(seed), date(2010, 1, 1), 20):
            event = event_of(read_json(json.dumps({**told, "application_id": LOAN}).encode(), TODAY))
            assert history.find_fault(event, date(2014, 1, 1)) is None, told
            history.add(event)
