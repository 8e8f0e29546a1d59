"""Edge. The decision transaction: Case, Decision, answer, idempotency key and events of many entries, all or nothing.

The law: an entry is written whole or not at all; the first one to be written stands for ever; whoever comes second gets the
first one's answer. It holds for one entry and for five thousand, for concurrent callers and for connections that break.

Three things make an entry the second one, in this order: its client's idempotency key, its natural key in its book and bucket, its
case id. A natural key therefore holds as long as its row is of the same person: a row whose person is named otherwise falls into
another bucket, where no index can see the first one (ADR 0003). The first two are unique in tables of their own, because the tables of
Cases and Decisions lie in partitions by month (ADR 0013).

Two round trips, however many entries, and a third where something stands; one where few entries come together and nothing stands, since
these are inserted at once and looked up only when that fails:

1. ``look_up_entries`` reads, per entry, the person's present data key and the ids of what stands already for one of the first two. A Case
   is looked for by its own id, with ``find_cases``, once an insert after a look-up failed: that it stands is seldom, and the insert finds it out.
2. ``read_standing`` reads what stands and its answer.
3. ``insert_entries`` writes everything that is new in one statement, which is one transaction. It has no ON CONFLICT: losing a race
   is a unique violation that undoes the whole statement, and the round begins again with what now stands.

So data are sealed under the key that really is stored, and no row points to a sibling that lost. Each Case names that key, and what
stands is opened with the key that its own Case names: after an erasure there is none, whatever key the person has now. A connection that breaks leaves
open whether the statement was committed; the round that follows finds out.

An entry that was decided on its person's history carries a number, which stands once as well. Whoever finds it taken is `outrun`: nothing of it is
written, and it must be decided again on the history as it stands then.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant, Conflict, Unavailable, require
from instant_credit.record.chain import leaf_of
from instant_credit.record.columns import ANSWER_PLACE, Columns, event_arguments, event_row, open_data_key
from instant_credit.record.ids import bucket_of, span_of
from instant_credit.record.pool import Record
from instant_credit.record.rows import SAMPLING_WEIGHT_MAX, Committed, Entry, EventRow, FirstAnswer
from instant_credit.record.sealing import bucket_of_person, unseal
from instant_credit.record.shipped import read_sql

ENTRIES_MAX: Final = 10_000
# Each lost race means that somebody else's entry was committed, so rounds end; more than this is a bug.
_ROUNDS_MAX: Final = 16
_LOST_RACES: Final = (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError)
# So few entries are inserted at first without a look: most persons are new, and one of them would wait for two round trips.
_HOPEFUL_MAX: Final = 4
_NOTHING: Final = dict.fromkeys(
    ("key_id", "first_decision_id", "row_case_id", "number_case_id", "standing_body_mac"), None
)
# Cut connections; the statement may have been committed.
_CUTS_MAX: Final = 2

# Where something stands: its bucket, and the id of its Decision or of its Case.
_Name = tuple[int, UUID | None, UUID | None]


async def commit_entries(record: Record, entries: Sequence[Entry], actor: Actor) -> list[Committed]:
    """`commit_group` of entries that one actor writes."""
    return await commit_group(record, [(entry, actor) for entry in entries])


async def commit_group(record: Record, group: Sequence[tuple[Entry, Actor]]) -> list[Committed]:
    """Record entries, each with who writes it, in one transaction; returns what became of each, in order, after the commit.

    Parameters
    ----------
    group : 0 to 10,000. An entry whose Case, (client, idempotency key) or (bucket, book, natural key) is recorded already is left
        out and answered with what stands; the same holds for a later twin inside `group`.

    Raises
    ------
    Unavailable : the database did not answer; the same call may be made again.
    BrokenInvariant : two different rows claim one id.
    """
    require(len(group) <= ENTRIES_MAX, f"at most {ENTRIES_MAX} entries in one commit")
    for entry, _ in group:
        _check_entry(entry)
    outcomes: dict[int, Committed] = {}
    waiting = list(range(len(group)))
    is_hopeful = len(group) <= _HOPEFUL_MAX
    was_cut = False
    cuts = 0
    for turn in range(_ROUNDS_MAX):
        if not waiting:
            return [outcomes[place] for place in range(len(group))]
        leading = _lead(group, waiting)
        try:
            chosen = [group[place] for place in leading]
            found = await _run_round(record, chosen, was_cut=was_cut, turn=turn, is_hopeful=is_hopeful)
        except Unavailable:
            cuts += 1
            if cuts > _CUTS_MAX:
                raise
            was_cut = True
            continue
        if found is None:
            continue
        outcomes.update(zip(leading, found, strict=True))
        waiting = [place for place in waiting if place not in outcomes]
    raise BrokenInvariant("entries keep losing races against nobody: two different rows claim one id")


async def commit_events(
    record: Record, events: Mapping[UUID, Sequence[EventRow]], actor: Actor, recorded_at: datetime
) -> int:
    """Add events to recorded Cases, by case id; returns how many were new. An event id that is recorded already is left out.

    Raises
    ------
    Conflict : a Case is not recorded; nothing is written.
    """
    rows: dict[tuple[UUID, UUID], tuple[Any, ...]] = {}
    for case_id, found in events.items():
        for event in found:
            row = event_row(case_id, event, (recorded_at, actor.kind.value, actor.id))
            rows.setdefault((case_id, event.event_id), row)
    for _ in range(_ROUNDS_MAX):
        count = await _insert_events(record, rows, recorded_at)
        if count is not None:
            return count
    raise BrokenInvariant("events keep losing races against nobody")


async def _insert_events(
    record: Record, rows: Mapping[tuple[UUID, UUID], tuple[Any, ...]], recorded_at: datetime
) -> int | None:
    """Write the events that are not recorded yet; how many, None when the insert lost a race."""
    async with record.writer() as writer, record.connection() as connection:
        found = await connection.fetch(
            read_sql("find_events"),
            [row[0] for row in rows.values()],
            [case_id for case_id, _ in rows],
            [event_id for _, event_id in rows],
            *span_of(case_id for case_id, _ in rows),
        )
        standing = {(row["case_id"], row["event_id"]) for row in found}
        # In order of their keys, so that two callers lock alike.
        fresh = sorted(row for key, row in rows.items() if key not in standing)
        if not fresh:
            return 0
        leaves = [leaf_of("repayment_events", row) for row in fresh]
        try:
            await writer.append(connection, read_sql("insert_events"), event_arguments(fresh), leaves, recorded_at)
        except asyncpg.ForeignKeyViolationError:
            raise Conflict("an event names a Case that is not recorded") from None
        except _LOST_RACES:
            return None
    return len(fresh)


async def find_answer(record: Record, client_id: str, key: str) -> FirstAnswer | None:
    """The first answer to an idempotency key of one client, or None when the key is new."""
    async with record.connection() as connection:
        first = await connection.fetchrow(read_sql("find_first_key"), client_id, key)
        if first is None:
            return None
        (row,) = await _read_standing(connection, [(bucket_of(first["decision_id"]), first["decision_id"], None)])
    return FirstAnswer(
        decision_id=_uuid(first["decision_id"]), body_mac=first["body_mac"], answer=_open_answer(record, row)
    )


def _uuid(value: Any) -> UUID:
    """A plain UUID: asyncpg's own subclass equals it, but msgspec does not encode it."""
    return UUID(int=value.int)


def _check_entry(entry: Entry) -> None:
    bucket = bucket_of_person(entry.person_id)
    require(len(entry.person_id) == 32, "a person_id is 32 bytes")
    require(bucket_of(entry.case_id) == bucket, "a case_id carries its person's bucket")
    decided = entry.decision is not None
    for part in (entry.decision_id, entry.release_hash, entry.outcome):
        require((part is not None) == decided, "decision, decision_id, release_hash and outcome come together")
    require(
        entry.decision_id is None or bucket_of(entry.decision_id) == bucket, "a decision_id carries its person's bucket"
    )
    keyed = entry.idempotency_key is not None
    require((entry.body_mac is not None) == keyed, "idempotency_key and body_mac come together")
    require(
        not keyed or (entry.client_id is not None and entry.answer is not None),
        "an idempotency key needs client and answer",
    )
    require(entry.answer is None or decided, "an answer needs a decision")
    require(entry.person_number is None or decided, "what is numbered was decided")
    require(0 < entry.sampling_weight <= SAMPLING_WEIGHT_MAX, "a sampling weight is above 0 and bounded")


def _lead(group: Sequence[tuple[Entry, Actor]], waiting: Sequence[int]) -> list[int]:
    """Places to write now: of twins (same Case, same client and key, same row of a book, or same number of a person) only the first."""
    taken: set[object] = set()
    leading = []
    for place in waiting:
        names = _name_entry(group[place][0])
        if taken.isdisjoint(names):
            taken.update(names)
            leading.append(place)
    return leading


def _name_entry(entry: Entry) -> list[object]:
    """All that must stand once in the record, of one entry."""
    names: list[object] = [entry.case_id]
    if entry.idempotency_key is not None:
        names.append((entry.client_id, entry.idempotency_key))
    if entry.natural_key is not None:
        names.append((bucket_of(entry.case_id), entry.book, entry.natural_key))
    if entry.person_number is not None:
        names.append((entry.person_id, entry.book, entry.person_number))
    return names


async def _run_round(
    record: Record, group: Sequence[tuple[Entry, Actor]], *, was_cut: bool, turn: int, is_hopeful: bool
) -> list[Committed] | None:
    """Look up, seal, insert; None when the insert lost a race.

    After a cut, a row that stands and equals ours to the id and the instant is the one that we wrote before the cut.
    """
    entries = [entry for entry, _ in group]
    async with record.writer() as writer, record.connection() as connection:
        is_looked_up = turn > 0 or not is_hopeful
        rows = await _look_up(connection, entries) if is_looked_up else [_NOTHING] * len(group)
        # An insert that failed after a look-up met something else than a key: the Case itself.
        may_stand = was_cut or turn > (1 if is_hopeful else 0)
        recorded = await _find_cases(connection, entries) if may_stand else frozenset()
        named = [_name_standing(entry, row, recorded) for entry, row in zip(entries, rows, strict=True)]
        standing = iter(await _read_standing(connection, [name for name in named if name is not None]))
        outcomes: list[Committed] = []
        fresh: list[tuple[Entry, Actor, Any]] = []
        for (entry, actor), row, name in zip(group, rows, named, strict=True):
            if name is None and row["number_case_id"] is not None:
                outcomes.append(Committed(kind="outrun", case_id=entry.case_id))
            elif name is None:
                fresh.append((entry, actor, row))
                outcomes.append(_tell_recorded(entry))
            else:
                stands = next(standing)
                ours = was_cut and stands["recorded_at"] == entry.recorded_at and stands["case_id"] == entry.case_id
                kind = "recorded" if ours else "existing"
                outcomes.append(_tell_standing(record, stands, row["standing_body_mac"], kind))
        if fresh:
            columns = Columns(record, writer)
            columns.fill(fresh)
            statement, now = read_sql("insert_entries"), record.clock.now()
            try:
                await writer.append(connection, statement, columns.arguments(), columns.leaves(), now)
            except _LOST_RACES:
                writer.withdraw()
                return None
    return outcomes


async def _look_up(connection: Any, entries: Sequence[Entry]) -> Sequence[Any]:
    """Per entry, in order, its person's data key and what stands already."""
    found: Sequence[Any] = await connection.fetch(
        read_sql("look_up_entries"),
        [bucket_of_person(entry.person_id) for entry in entries],
        [entry.person_id for entry in entries],
        [entry.client_id for entry in entries],
        [entry.idempotency_key for entry in entries],
        [entry.book for entry in entries],
        [entry.natural_key for entry in entries],
        [entry.person_number for entry in entries],
    )
    return found


async def _find_cases(connection: Any, entries: Sequence[Entry]) -> frozenset[UUID]:
    """Case ids, of those of `entries`, that are recorded."""
    case_ids = [entry.case_id for entry in entries]
    rows = await connection.fetch(
        read_sql("find_cases"), [bucket_of(case_id) for case_id in case_ids], case_ids, *span_of(case_ids)
    )
    return frozenset(_uuid(row["case_id"]) for row in rows)


def _name_standing(entry: Entry, row: Any, recorded: frozenset[UUID]) -> _Name | None:
    """Where what stands for an entry is found, None when nothing does."""
    if row["first_decision_id"] is not None:
        return row["first_bucket"], row["first_decision_id"], None
    if row["row_case_id"] is not None:
        return bucket_of(entry.case_id), None, row["row_case_id"]
    if entry.case_id in recorded or row["number_case_id"] == entry.case_id:
        return bucket_of(entry.case_id), None, entry.case_id
    return None


async def _read_standing(connection: Any, names: Sequence[_Name]) -> list[Any]:
    """Case, Decision, sealed answer and data key of what stands, in order."""
    if not names:
        return []
    found: list[Any] = await connection.fetch(
        read_sql("read_standing"),
        [bucket for bucket, _, _ in names],
        [decision_id for _, decision_id, _ in names],
        [case_id for _, _, case_id in names],
        *span_of(row_id for _, *either in names for row_id in either if row_id is not None),
    )
    require(len(found) == len(names), "what an idempotency key or a natural key names is recorded")
    return found


def _tell_recorded(entry: Entry) -> Committed:
    return Committed(
        kind="recorded",
        case_id=entry.case_id,
        decision_id=entry.decision_id,
        answer=entry.answer,
        body_mac=entry.body_mac,
    )


def _tell_standing(record: Record, row: Any, body_mac: bytes | None, kind: str) -> Committed:
    decision_id = row["decision_id"]
    return Committed(
        kind=kind,
        case_id=_uuid(row["case_id"]),
        decision_id=None if decision_id is None else _uuid(decision_id),
        answer=_open_answer(record, row),
        body_mac=body_mac,
    )


def _open_answer(record: Record, row: Any) -> bytes | None:
    """The answer of what stands; None for an erased person's, and where there is none."""
    if row["sealed_answer"] is None or row["wrapped_key"] is None:
        return None
    cipher = open_data_key(record, row)
    return unseal(cipher, row["sealed_answer"], place=ANSWER_PLACE, row_id=row["decision_id"].bytes)
