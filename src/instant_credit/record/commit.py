"""Edge. The decision transaction: Case, Decision, answer, idempotency key and events of many entries, all or nothing.

The law: an entry is written whole or not at all; the first one to be written stands for ever; whoever comes second gets the
first one's answer. It holds for one entry and for five thousand, for concurrent callers and for connections that break.

Three things make an entry the second one, in this order: its client's idempotency key, its natural key in its book and bucket, its
case id. A natural key therefore holds as long as its row is of the same person: a row whose person is named otherwise falls into
another bucket, where no index can see the first one (ADR 0003).

Two round trips, however many entries:

1. ``look_up_entries`` reads, per entry, the person's present data key, what stands already for one of the three, and its answer.
2. ``insert_entries`` writes everything that is new in one statement, which is one transaction. It has no ON CONFLICT: losing a race
   is a unique violation that undoes the whole statement, and the round begins again with what now stands.

So data are sealed under the key that really is stored, and no row points to a sibling that lost. Each Case names that key, and what
stands is opened with the key that its own Case names: after an erasure there is none, whatever key the person has now. A connection that breaks leaves
open whether the statement was committed; the round that follows finds out.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from instant_credit.access.actors import Actor
from instant_credit.errors import BrokenInvariant, Conflict, Unavailable, require
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.pool import Record
from instant_credit.record.rows import SAMPLING_WEIGHT_MAX, Committed, Entry, EventRow, FirstAnswer
from instant_credit.record.sealing import KEY_BYTES, WrappedKey, bucket_of_person, seal, unseal
from instant_credit.record.shipped import read_sql

CASE_PLACE: Final = "cases.case"
MONITORING_PLACE: Final = "cases.monitoring"
IDENTITY_PLACE: Final = "identities.identity"
DECISION_PLACE: Final = "decisions.decision"
ANSWER_PLACE: Final = "decisions.answer"

ENTRIES_MAX: Final = 10_000
# Each lost race means that somebody else's entry was committed, so rounds end; more than this is a bug.
_ROUNDS_MAX: Final = 16
_LOST_RACES: Final = (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError)
# Cut connections; the statement may have been committed.
_CUTS_MAX: Final = 2


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
    was_cut = False
    cuts = 0
    for _ in range(_ROUNDS_MAX):
        if not waiting:
            return [outcomes[place] for place in range(len(group))]
        leading = _lead(group, waiting)
        try:
            found = await _run_round(record, [group[place] for place in leading], was_cut=was_cut)
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
    pairs = sorted(
        ((case_id, event) for case_id, rows in events.items() for event in rows), key=lambda pair: pair[1].event_id
    )
    arguments = (
        [bucket_of(case_id) for case_id, _ in pairs],
        [case_id for case_id, _ in pairs],
        [event.event_id for _, event in pairs],
        [event.kind for _, event in pairs],
        [event.amount_cents for _, event in pairs],
        [event.event_on for _, event in pairs],
        [event.known_on for _, event in pairs],
        actor.kind.value,
        actor.id,
        recorded_at,
    )
    async with record.connection() as connection:
        try:
            return int(await connection.fetchval(read_sql("insert_events"), *arguments))
        except asyncpg.ForeignKeyViolationError:
            raise Conflict("an event names a Case that is not recorded") from None


async def find_answer(record: Record, client_id: str, key: str) -> FirstAnswer | None:
    """The first answer to an idempotency key of one client, or None when the key is new."""
    async with record.connection() as connection:
        row = await connection.fetchrow(read_sql("find_answer"), client_id, key)
    if row is None:
        return None
    answer = None
    if row["wrapped_key"] is not None and row["sealed_answer"] is not None:
        cipher = open_data_key(record, row)
        answer = unseal(cipher, row["sealed_answer"], place=ANSWER_PLACE, row_id=row["decision_id"].bytes)
    return FirstAnswer(decision_id=_uuid(row["decision_id"]), body_mac=row["body_mac"], answer=answer)


def open_data_key(record: Record, row: Any) -> AESGCM:
    """The data key's cipher from a row that carries ``key_id``, ``person_id``, ``master_key_id`` and ``wrapped_key``."""
    wrapped = WrappedKey(master_key_id=row["master_key_id"], wrapped=row["wrapped_key"])
    return AESGCM(record.key_ring.unwrap_key(row["key_id"], row["person_id"], wrapped))


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
    require(0 < entry.sampling_weight <= SAMPLING_WEIGHT_MAX, "a sampling weight is above 0 and bounded")


def _lead(group: Sequence[tuple[Entry, Actor]], waiting: Sequence[int]) -> list[int]:
    """Places to write now: of twins (same Case, same client and key, or same row of a book) only the first."""
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
    return names


async def _run_round(record: Record, group: Sequence[tuple[Entry, Actor]], *, was_cut: bool) -> list[Committed] | None:
    """Look up, seal, insert; None when the insert lost a race.

    After a cut, a row that stands and equals ours to the id and the instant is the one that we wrote before the cut.
    """
    entries = [entry for entry, _ in group]
    async with record.connection() as connection:
        rows = await connection.fetch(
            read_sql("look_up_entries"),
            [bucket_of_person(entry.person_id) for entry in entries],
            [entry.person_id for entry in entries],
            [entry.case_id for entry in entries],
            [entry.client_id for entry in entries],
            [entry.idempotency_key for entry in entries],
            [entry.book for entry in entries],
            [entry.natural_key for entry in entries],
        )
        outcomes: list[Committed] = []
        fresh: list[tuple[Entry, Actor, Any]] = []
        for (entry, actor), row in zip(group, rows, strict=True):
            if row["standing_case_id"] is None:
                fresh.append((entry, actor, row))
                kind = "recorded"
                outcomes.append(
                    Committed(
                        kind=kind,
                        case_id=entry.case_id,
                        decision_id=entry.decision_id,
                        answer=entry.answer,
                        body_mac=entry.body_mac,
                    )
                )
            else:
                ours = (
                    was_cut
                    and row["standing_recorded_at"] == entry.recorded_at
                    and row["standing_case_id"] == entry.case_id
                )
                outcomes.append(_read_standing(record, row, "recorded" if ours else "existing"))
        if fresh:
            arguments = _Columns(record).fill(fresh)
            try:
                await connection.execute(read_sql("insert_entries"), *arguments)
            except _LOST_RACES:
                return None
    return outcomes


def _read_standing(record: Record, row: Any, kind: str) -> Committed:
    """What stands for an entry, its answer opened; an erased person's answer is None."""
    answer = None
    if row["standing_sealed_answer"] is not None and row["standing_wrapped_key"] is not None:
        wrapped = WrappedKey(master_key_id=row["standing_master_key_id"], wrapped=row["standing_wrapped_key"])
        cipher = AESGCM(record.key_ring.unwrap_key(row["standing_key_id"], row["standing_person_id"], wrapped))
        answer = unseal(
            cipher, row["standing_sealed_answer"], place=ANSWER_PLACE, row_id=row["standing_decision_id"].bytes
        )
    decision_id = row["standing_decision_id"]
    return Committed(
        kind=kind,
        case_id=_uuid(row["standing_case_id"]),
        decision_id=None if decision_id is None else _uuid(decision_id),
        answer=answer,
        body_mac=row["standing_body_mac"],
    )


class _Columns:
    """Entries as the column arrays of ``insert_entries``, sealed on the way."""

    def __init__(self, record: Record) -> None:
        self._record = record
        self._data_keys: dict[bytes, tuple[UUID, AESGCM]] = {}
        self._persons: list[tuple[Any, ...]] = []
        self._cases: list[tuple[Any, ...]] = []
        self._identities: list[tuple[Any, ...]] = []
        self._decisions: list[tuple[Any, ...]] = []
        self._keys: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []

    def fill(self, fresh: Sequence[tuple[Entry, Actor, Any]]) -> list[Any]:
        """Arguments of ``insert_entries`` in its order. Rows are in order of their keys, so that two commits lock alike."""
        for entry, actor, row in sorted(fresh, key=lambda one: (bucket_of(one[0].case_id), one[0].case_id)):
            self._add(entry, (entry.recorded_at, actor.kind.value, actor.id), *self._find_data_key(entry, actor, row))
        self._persons.sort(key=lambda person: (person[0], person[2]))
        return [
            *_transpose(self._persons, 8),
            *_transpose(self._cases, 15),
            *_transpose(self._identities, 7),
            *_transpose(self._decisions, 12),
            *_transpose(self._keys, 8),
            *_transpose(self._events, 10),
        ]

    def _find_data_key(self, entry: Entry, actor: Actor, row: Any) -> tuple[UUID, AESGCM]:
        """Id and cipher of the person's key: the stored one, or a new one that is stored by the same statement."""
        found = self._data_keys.get(entry.person_id)
        if found is None:
            found = (
                self._make_data_key(entry, actor)
                if row["key_id"] is None
                else (row["key_id"], open_data_key(self._record, row))
            )
            self._data_keys[entry.person_id] = found
        return found

    def _make_data_key(self, entry: Entry, actor: Actor) -> tuple[UUID, AESGCM]:
        person_id, at, entropy = entry.person_id, entry.recorded_at, self._record.entropy
        bucket = bucket_of_person(person_id)
        key_id, data_key = new_id(bucket, at, entropy), entropy(KEY_BYTES)
        wrapped = self._record.key_ring.wrap_key(key_id, person_id, data_key, entropy)
        self._persons.append(
            (bucket, key_id, person_id, wrapped.master_key_id, wrapped.wrapped, at, actor.kind.value, actor.id)
        )
        return key_id, AESGCM(data_key)

    def _add(self, entry: Entry, written: tuple[Any, ...], key_id: UUID, cipher: AESGCM) -> None:
        """`written` is when and by whom, the last three columns of every row."""
        bucket, case_id = bucket_of(entry.case_id), entry.case_id

        def sealed(plaintext: bytes | None, place: str, row_id: UUID) -> bytes | None:
            if plaintext is None:
                return None
            return seal(cipher, plaintext, place=place, row_id=row_id.bytes, entropy=self._record.entropy)

        self._cases.append(
            (
                bucket,
                case_id,
                entry.person_id,
                key_id,
                entry.book,
                entry.product,
                entry.product_hash,
                entry.as_of,
                entry.natural_key,
                sealed(entry.case, CASE_PLACE, case_id),
                sealed(entry.monitoring, MONITORING_PLACE, case_id),
                entry.sampling_weight,
                *written,
            )
        )
        if entry.identity is not None:
            self._identities.append(
                (bucket, case_id, entry.person_id, sealed(entry.identity, IDENTITY_PLACE, case_id), *written)
            )
        if entry.decision_id is not None:
            self._decisions.append(
                (
                    bucket,
                    entry.decision_id,
                    case_id,
                    entry.release_hash,
                    entry.client_id,
                    entry.outcome,
                    sealed(entry.decision, DECISION_PLACE, entry.decision_id),
                    sealed(entry.answer, ANSWER_PLACE, entry.decision_id),
                    "{" + ",".join(map(str, entry.stage_ns)) + "}",
                    *written,
                )
            )
        if entry.idempotency_key is not None:
            self._keys.append(
                (entry.client_id, entry.idempotency_key, entry.body_mac, bucket, entry.decision_id, *written)
            )
        for event in entry.events:
            self._events.append(
                (
                    bucket,
                    case_id,
                    event.event_id,
                    event.kind,
                    event.amount_cents,
                    event.event_on,
                    event.known_on,
                    *written,
                )
            )


def _transpose(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
