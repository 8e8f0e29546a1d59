import asyncio
from datetime import date
from itertools import islice
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.access.purposes import Reading, ReadPurpose
from instant_credit.errors import BrokenInvariant, Conflict
from instant_credit.record.commit import commit_entries, commit_events, find_answer
from instant_credit.record.pool import Record
from instant_credit.record.reads import iterate_cases, list_books, read_decision, read_identity, read_monitoring
from instant_credit.record.rows import Entry, StoredCase
from tests.budget import examples
from tests.conftest import run_apart
from tests.record.entries import make_entry, make_keyed

pytestmark = pytest.mark.anyio

READING = Reading(actor=Actor(kind=ActorKind.PERSON, id="reader"), purpose=ReadPurpose.AUDIT)


async def read_book(record: Record, book: str = "tape", chunk: int = 2_000) -> list[StoredCase]:
    return [case async for case in iterate_cases(record, book, with_decisions=True, chunk=chunk)]


async def count_rows(superuser_url: str) -> dict[str, int]:
    connection = await asyncpg.connect(superuser_url)
    tables = ["cases", "identities", "decisions", "idempotency_keys", "natural_keys", "repayment_events"]
    counts = {name: await connection.fetchval(f"SELECT count(*) FROM instant_credit.{name}") for name in tables}  # noqa: S608 names out of the catalogue
    counts["person_keys"] = await connection.fetchval("SELECT count(*) FROM sealed_keys.person_keys")
    await connection.close()
    return counts


async def erase(superuser_url: str, person_id: bytes) -> None:
    """Destroy the person's data key, as an operator does."""
    connection = await asyncpg.connect(superuser_url)
    erased = await connection.execute("DELETE FROM sealed_keys.person_keys WHERE person_id = $1", person_id)
    await connection.close()
    assert erased == "DELETE 1"


def make_persons_entries(record: Record, person_id: bytes, count: int, start: int = 2) -> list[Entry]:
    """Entries of one person with ids of their own, as if they had applied often."""
    candidates = (make_entry(record, number) for number in range(start, 1_000_000))
    fitting = (replace(entry, person_id=person_id) for entry in candidates if entry.person_id[0] == person_id[0])
    return list(islice(fitting, count))


async def test_what_was_committed_is_read_back(record: Record, actor: Actor) -> None:
    entry = make_entry(record, 1, client_id="client")
    (committed,) = await commit_entries(record, [entry], actor)
    assert committed.kind == "recorded"
    assert entry.decision_id is not None
    stored = await read_decision(record, entry.decision_id)
    assert stored is not None
    assert (stored.case, stored.decision, stored.answer) == (entry.case, entry.decision, entry.answer)
    assert (stored.client_id, stored.stage_ns, stored.recorded_at) == ("client", (1, 2, 3), entry.recorded_at)
    assert await read_identity(record, entry.case_id, READING) == entry.identity
    assert await read_monitoring(record, entry.case_id) == entry.monitoring


async def test_a_sampling_weight_is_read_back_and_is_one_where_none_is_told(record: Record, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, 1), make_entry(record, 2, sampling_weight=49.31)], actor)
    weights = {case.natural_key: case.sampling_weight for case in await read_book(record)}
    assert weights == {"row 1": 1.0, "row 2": 49.31}


async def test_a_row_that_comes_again_keeps_its_first_weight(record: Record, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, 1, sampling_weight=2.5)], actor)
    (again,) = await commit_entries(record, [make_entry(record, 1, sampling_weight=7.0)], actor)
    assert again.kind == "existing"
    assert [case.sampling_weight for case in await read_book(record)] == [2.5]


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.0000001e9, float("nan"), float("inf")])
async def test_a_weight_of_nothing_or_without_bound_is_refused_by_us_and_by_the_table(
    record: Record, actor: Actor, monkeypatch: pytest.MonkeyPatch, weight: float
) -> None:
    entry = make_entry(record, 1, sampling_weight=weight)
    with pytest.raises(BrokenInvariant, match="sampling weight"):
        await commit_entries(record, [entry], actor)
    monkeypatch.setattr("instant_credit.record.commit._check_entry", lambda _: None)
    with pytest.raises(BrokenInvariant, match="cases_sampling_weight_check"):
        await commit_entries(record, [entry], actor)


async def test_of_entries_with_one_number_of_a_person_the_first_stands_and_the_others_are_outrun(
    record: Record, actor: Actor
) -> None:
    person_id = make_entry(record, 1).person_id
    first, second, third, fourth = (
        replace(entry, person_number=number)
        for entry, number in zip(make_persons_entries(record, person_id, 4), (1, 1, 1, 2), strict=True)
    )
    assert [one.kind for one in await commit_entries(record, [first, second], actor)] == ["recorded", "outrun"]
    ends = await asyncio.gather(*(commit_entries(record, [entry], actor) for entry in (third, fourth, first)))
    assert [end[0].kind for end in ends] == ["outrun", "recorded", "existing"]
    assert {case.case_id for case in await read_book(record)} == {first.case_id, fourth.case_id}


async def test_a_number_needs_a_decision(record: Record, actor: Actor) -> None:
    bare = make_entry(record, 1, decision_id=None, decision=None, release_hash=None, outcome=None, answer=None)
    with pytest.raises(BrokenInvariant, match="numbered"):
        await commit_entries(record, [replace(bare, person_number=1)], actor)


async def test_unknown_ids_read_as_nothing(record: Record) -> None:
    assert await read_decision(record, uuid4()) is None
    assert await read_identity(record, uuid4(), READING) is None
    assert await read_monitoring(record, uuid4()) is None
    assert await find_answer(record, "client", "key") is None
    assert await read_book(record) == []


async def test_committing_again_changes_nothing(record: Record, actor: Actor, superuser_url: str) -> None:
    entries = [make_entry(record, number) for number in range(20)]
    await commit_entries(record, entries, actor)
    before = await count_rows(superuser_url)
    again = await commit_entries(record, entries, actor)
    assert {committed.kind for committed in again} == {"existing"}
    assert [committed.answer for committed in again] == [entry.answer for entry in entries]
    assert await count_rows(superuser_url) == before


async def test_the_first_entry_stands_and_nothing_of_the_second_is_written(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    first, second = make_keyed(record, 1, "key"), make_keyed(record, 2, "key", body=b"other")
    await commit_entries(record, [first], actor)
    before = await count_rows(superuser_url)
    (committed,) = await commit_entries(record, [second], actor)
    assert (committed.kind, committed.answer, committed.case_id) == ("existing", first.answer, first.case_id)
    assert committed.body_mac == first.body_mac
    assert committed.body_mac != second.body_mac
    assert await count_rows(superuser_url) == before


async def test_twins_in_one_commit_leave_the_first(record: Record, actor: Actor) -> None:
    entries = [make_keyed(record, 1, "key"), make_keyed(record, 2, "key"), make_entry(record, 3), make_entry(record, 3)]
    outcomes = await commit_entries(record, entries, actor)
    assert [committed.kind for committed in outcomes] == ["recorded", "existing", "recorded", "existing"]
    assert outcomes[1].answer == entries[0].answer


async def test_a_row_of_a_book_is_one_case_whatever_id_it_comes_with(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    first = make_entry(record, 1)
    (twin,) = make_persons_entries(record, first.person_id, 1)
    again = replace(twin, natural_key=first.natural_key)
    await commit_entries(record, [first], actor)
    before = await count_rows(superuser_url)
    (found,) = await commit_entries(record, [again], actor)
    assert (found.kind, found.case_id, found.answer) == ("existing", first.case_id, first.answer)
    assert await count_rows(superuser_url) == before
    (elsewhere,) = await commit_entries(record, [replace(again, book="other")], actor)
    assert (elsewhere.kind, elsewhere.case_id) == ("recorded", again.case_id)


async def test_one_row_twice_in_one_commit_leaves_the_first(record: Record, actor: Actor) -> None:
    first = make_entry(record, 1)
    (twin,) = make_persons_entries(record, first.person_id, 1)
    found = await commit_entries(record, [first, replace(twin, natural_key=first.natural_key)], actor)
    assert [(one.kind, one.case_id) for one in found] == [("recorded", first.case_id), ("existing", first.case_id)]


async def test_racing_commits_of_one_row_leave_one_case(record: Record, actor: Actor) -> None:
    first = make_entry(record, 1)
    same = [replace(entry, natural_key=first.natural_key) for entry in make_persons_entries(record, first.person_id, 5)]
    found = await asyncio.gather(*(commit_entries(record, [entry], actor) for entry in (first, *same)))
    (case,) = await read_book(record)
    assert sorted(one.kind for (one,) in found) == ["existing"] * 5 + ["recorded"]
    assert {one.case_id for (one,) in found} == {case.case_id}


async def test_one_key_of_two_clients_is_two_keys(record: Record, actor: Actor) -> None:
    entries = [make_keyed(record, 1, "key", client_id="one"), make_keyed(record, 2, "key", client_id="other")]
    outcomes = await commit_entries(record, entries, actor)
    assert [committed.kind for committed in outcomes] == ["recorded", "recorded"]
    found = await find_answer(record, "other", "key")
    assert found is not None
    assert found.answer == entries[1].answer


async def test_many_at_once_equal_many_one_by_one(record: Record, actor: Actor) -> None:
    together = [make_entry(record, number, book="together") for number in range(50)]
    await commit_entries(record, together, actor)
    for number in range(50):
        await commit_entries(record, [make_entry(record, number, book="alone")], actor)

    def content(cases: list[StoredCase]) -> list[tuple[object, ...]]:
        return sorted((case.natural_key, case.case, case.decision, len(case.events)) for case in cases)

    assert content(await read_book(record, "together")) == content(await read_book(record, "alone"))


async def test_an_entry_without_decision_is_a_case_alone(record: Record, actor: Actor) -> None:
    entry = make_entry(
        record, 1, decision=None, decision_id=None, release_hash=None, outcome=None, answer=None, events=()
    )
    (committed,) = await commit_entries(record, [entry], actor)
    assert (committed.kind, committed.answer, committed.decision_id) == ("recorded", None, None)
    (case,) = await read_book(record)
    assert (case.case, case.decision, case.events) == (entry.case, None, ())
    (again,) = await commit_entries(record, [entry], actor)
    assert (again.kind, again.answer) == ("existing", None)


async def test_one_person_keeps_one_key_over_many_cases(record: Record, actor: Actor, superuser_url: str) -> None:
    first = make_entry(record, 1)
    second, third, fourth = make_persons_entries(record, first.person_id, 3)
    await commit_entries(record, [first, second], actor)
    await commit_entries(record, [third, fourth], actor)
    assert (await count_rows(superuser_url))["person_keys"] == 1
    assert {case.case for case in await read_book(record)} == {first.case, second.case, third.case, fourth.case}


async def test_racing_first_cases_of_one_person_are_sealed_under_the_key_that_is_stored(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    first = make_entry(record, 1)
    same = make_persons_entries(record, first.person_id, 6)
    await asyncio.gather(*(commit_entries(record, [entry], actor) for entry in (first, *same)))
    assert (await count_rows(superuser_url))["person_keys"] == 1
    assert {case.case for case in await read_book(record)} == {first.case, *(entry.case for entry in same)}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=8))
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_concurrent_retries_record_one_decision_a_key(
    record: Record, actor: Actor, tries: list[tuple[int, int]]
) -> None:
    client_id = uuid4().hex
    entries = [
        make_keyed(record, uuid4().int, f"key {key}", body=bytes([body]), client_id=client_id) for key, body in tries
    ]
    found = await asyncio.gather(*(commit_entries(record, [entry], actor) for entry in entries))
    by_key: dict[str | None, list[tuple[Entry, str, bytes | None]]] = {}
    for entry, (committed,) in zip(entries, found, strict=True):
        by_key.setdefault(entry.idempotency_key, []).append((entry, committed.kind, committed.answer))
    for group in by_key.values():
        winners = [entry for entry, kind, _ in group if kind == "recorded"]
        assert len(winners) == 1
        assert {answer for _, _, answer in group} == {winners[0].answer}


async def test_overlapping_batches_in_opposite_order_both_end(record: Record, actor: Actor) -> None:
    entries = [make_entry(record, number) for number in range(300)]
    found = await asyncio.gather(
        commit_entries(record, entries, actor), commit_entries(record, entries[::-1], actor), return_exceptions=False
    )
    kinds = [committed.kind for outcomes in found for committed in outcomes]
    assert sorted(kinds) == ["existing"] * 300 + ["recorded"] * 300
    assert len(await read_book(record)) == 300


async def test_a_book_reads_the_same_in_any_chunks(record: Record, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, number) for number in range(37)], actor)
    whole = await read_book(record)
    assert len(whole) == 37
    assert all(len(case.events) == 2 for case in whole)
    for chunk in (1, 5, 37, 38):
        assert await read_book(record, chunk=chunk) == whole


async def test_books_are_counted(record: Record, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, number, book="one") for number in range(3)], actor)
    await commit_entries(record, [make_entry(record, 9, book="other")], actor)
    assert [(row.book, row.product, row.cases, row.decisions) for row in await list_books(record)] == [
        ("one", "personal_loan", 3, 3),
        ("other", "personal_loan", 1, 1),
    ]


async def test_an_erased_person_reads_as_erased_and_leaves_the_others(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    gone, stays = make_keyed(record, 1, "key"), make_entry(record, 2)
    await commit_entries(record, [gone, stays], actor)
    await erase(superuser_url, gone.person_id)
    assert gone.decision_id is not None
    stored = await read_decision(record, gone.decision_id)
    assert stored is not None
    assert (stored.is_erased, stored.case, stored.decision, stored.answer) == (True, None, None, None)
    assert {(case.is_erased, case.case) for case in await read_book(record)} == {(True, None), (False, stays.case)}
    found = await find_answer(record, "client", "key")
    assert found is not None
    assert found.answer is None
    assert await read_identity(record, gone.case_id, READING) is None
    (again,) = await commit_entries(record, [gone], actor)
    assert (again.kind, again.answer) == ("existing", None)


async def test_what_a_person_sends_after_an_erasure_is_read_and_what_they_sent_before_stays_erased(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    old = make_keyed(record, 1, "key")
    await commit_entries(record, [old], actor)
    await erase(superuser_url, old.person_id)
    new, twin = make_persons_entries(record, old.person_id, 2)
    assert {committed.kind for committed in await commit_entries(record, [new, twin], actor)} == {"recorded"}
    assert (await count_rows(superuser_url))["person_keys"] == 1
    assert old.decision_id is not None
    assert new.decision_id is not None
    before, after = await read_decision(record, old.decision_id), await read_decision(record, new.decision_id)
    assert before is not None
    assert after is not None
    assert (before.is_erased, before.case, before.decision, before.answer) == (True, None, None, None)
    assert (after.is_erased, after.case, after.decision, after.answer) == (False, new.case, new.decision, new.answer)
    cases = {case.case_id: (case.is_erased, case.case) for case in await read_book(record)}
    assert cases == {old.case_id: (True, None), new.case_id: (False, new.case), twin.case_id: (False, twin.case)}
    assert await read_identity(record, old.case_id, READING) is None
    assert await read_monitoring(record, old.case_id) is None
    assert await read_identity(record, new.case_id, READING) == new.identity
    assert await read_monitoring(record, new.case_id) == new.monitoring
    found = await find_answer(record, "client", "key")
    assert found is not None
    assert (found.answer, found.body_mac) == (None, old.body_mac)
    (again,) = await commit_entries(record, [old], actor)
    assert (again.kind, again.answer, again.body_mac) == ("existing", None, old.body_mac)


async def test_a_retry_in_the_commit_of_a_new_application_does_not_meet_the_new_key(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    old = make_keyed(record, 1, "key")
    await commit_entries(record, [old], actor)
    await erase(superuser_url, old.person_id)
    (new,) = make_persons_entries(record, old.person_id, 1)
    found = await commit_entries(record, [new, old, new], actor)
    assert [(one.kind, one.answer) for one in found] == [
        ("recorded", new.answer),
        ("existing", None),
        ("existing", new.answer),
    ]


async def test_racing_first_cases_after_an_erasure_share_one_new_key(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    old = make_entry(record, 1)
    await commit_entries(record, [old], actor)
    await erase(superuser_url, old.person_id)
    same = make_persons_entries(record, old.person_id, 6)
    await asyncio.gather(*(commit_entries(record, [entry], actor) for entry in same))
    assert (await count_rows(superuser_url))["person_keys"] == 1
    assert {case.case for case in await read_book(record)} == {None, *(entry.case for entry in same)}


async def test_a_case_whose_person_is_erased_while_it_is_written_is_sealed_under_a_new_key(
    record: Record, actor: Actor, superuser_url: str
) -> None:
    first = make_entry(record, 1)
    second, third = make_persons_entries(record, first.person_id, 2)
    await commit_entries(record, [first], actor)
    draw, erasures = record.entropy, [erase(superuser_url, first.person_id)]

    def draw_after_erasure(count: int) -> bytes:
        while erasures:
            run_apart(erasures.pop())
        return draw(count)

    record.entropy = draw_after_erasure
    await commit_entries(record, [second], actor)
    await commit_entries(record, [third], actor)
    cases = {case.case_id: case.case for case in await read_book(record)}
    assert cases == {first.case_id: None, second.case_id: second.case, third.case_id: third.case}


async def test_events_are_added_once(record: Record, actor: Actor) -> None:
    entry = make_entry(record, 1, events=())
    await commit_entries(record, [entry], actor)
    events = {entry.case_id: make_entry(record, 1).events}
    assert await commit_events(record, events, actor, record.clock.now()) == 2
    assert await commit_events(record, events, actor, record.clock.now()) == 0
    (case,) = await read_book(record)
    assert set(case.events) == set(events[entry.case_id])


async def test_an_event_of_an_unknown_case_is_a_conflict(record: Record, actor: Actor) -> None:
    entry = make_entry(record, 1)
    with pytest.raises(Conflict, match="not recorded"):
        await commit_events(record, {entry.case_id: entry.events}, actor, record.clock.now())


async def test_one_bad_row_undoes_the_whole_commit(record: Record, actor: Actor, superuser_url: str) -> None:
    early = replace(make_entry(record, 2).events[0], known_on=date(2011, 1, 1))
    entries = [make_entry(record, 1), make_entry(record, 2, events=(early,))]
    with pytest.raises(BrokenInvariant, match="repayment_events_check"):
        await commit_entries(record, entries, actor)
    assert set((await count_rows(superuser_url)).values()) == {0}


async def test_two_rows_that_claim_one_id_are_our_bug(record: Record, actor: Actor) -> None:
    first, second = make_entry(record, 1), make_entry(record, 1, book="other")
    second = replace(
        second, decision_id=first.decision_id, person_id=first.person_id, case_id=UUID(int=first.case_id.int + 1)
    )
    with pytest.raises(BrokenInvariant, match="one id"):
        await commit_entries(record, [first, second], actor)


@pytest.mark.parametrize(
    "changes",
    [
        {"decision": None},
        {"release_hash": None},
        {"outcome": None},
        {"idempotency_key": "key"},
        {"idempotency_key": "key", "body_mac": b"m" * 32},
        {"body_mac": b"m" * 32},
        {"person_id": b"\0" * 31},
        {"case_id": UUID(int=0)},
        {"decision_id": UUID(int=0)},
        {"decision": None, "decision_id": None, "release_hash": None, "outcome": None},
    ],
)
async def test_an_entry_that_contradicts_itself_is_our_bug(
    record: Record, actor: Actor, changes: dict[str, object]
) -> None:
    number = next(n for n in range(100) if make_entry(record, n).person_id[0] != 0)
    with pytest.raises(BrokenInvariant):
        await commit_entries(record, [make_entry(record, number, **changes)], actor)
