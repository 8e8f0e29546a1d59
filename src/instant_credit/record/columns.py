"""Edge. Entries as the column arrays that are written, sealed on the way: each value under its person's data key, bound to the place and the
id of its row.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from instant_credit.access.actors import Actor
from instant_credit.record.chain import leaf_of, salt_of
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.pool import Record
from instant_credit.record.rows import Entry, EventRow
from instant_credit.record.sealing import KEY_BYTES, WrappedKey, bucket_of_person, seal
from instant_credit.record.writers import Writer
from instant_credit.verify_receipt import commit_decision

CASE_PLACE: Final = "cases.case"
MONITORING_PLACE: Final = "cases.monitoring"
IDENTITY_PLACE: Final = "identities.identity"
DECISION_PLACE: Final = "decisions.decision"
ANSWER_PLACE: Final = "decisions.answer"


def open_data_key(record: Record, row: Any) -> AESGCM:
    """The data key's cipher from a row that carries ``key_id``, ``person_id``, ``master_key_id`` and ``wrapped_key``."""
    return AESGCM(unwrap_data_key(record, row))


def unwrap_data_key(record: Record, row: Any) -> bytes:
    """The data key itself, 32 bytes, from such a row."""
    wrapped = WrappedKey(master_key_id=row["master_key_id"], wrapped=row["wrapped_key"])
    return record.key_ring.unwrap_key(row["key_id"], row["person_id"], wrapped)


def _commit(entry: Entry, data_key: bytes) -> bytes:
    """The commitment to a Decision, which its receipt opens."""
    assert entry.decision_id is not None
    assert entry.release_hash is not None
    assert entry.decision is not None
    salt = salt_of(data_key, entry.decision_id)
    return commit_decision(salt, entry.decision_id, entry.release_hash, entry.decision)


class Columns:
    """Entries as the column arrays of ``insert_entries``, sealed on the way."""

    def __init__(self, record: Record, writer: Writer) -> None:
        self._record = record
        self._writer = writer
        self._data_keys: dict[bytes, tuple[UUID, bytes]] = {}
        self._persons: list[tuple[Any, ...]] = []
        self._cases: list[tuple[Any, ...]] = []
        self._identities: list[tuple[Any, ...]] = []
        self._decisions: list[tuple[Any, ...]] = []
        self._keys: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []
        self._numbers: list[int | None] = []

    def fill(self, fresh: Sequence[tuple[Entry, Actor, Any]]) -> None:
        """Take entries, each with who writes it and its row of ``look_up_entries``; rows are kept in order of their keys."""
        for entry, actor, row in sorted(fresh, key=lambda one: (bucket_of(one[0].case_id), one[0].case_id)):
            self._add(entry, (entry.recorded_at, actor.kind.value, actor.id), *self._find_data_key(entry, actor, row))
        self._persons.sort(key=lambda person: (person[0], person[2]))

    def arguments(self) -> list[Any]:
        """Arguments of ``insert_entries`` in its order, without its link. Rows are in order, so that two commits lock alike."""
        return [
            *transpose(self._persons, 8),
            *transpose(self._cases, 15),
            *transpose(self._identities, 7),
            *transpose(self._decisions, 15),
            *transpose(self._keys, 8),
            *transpose(self._events, 10),
            self._numbers,
        ]

    def leaves(self) -> list[bytes]:
        """The leaf of every row but those of persons' keys, which are wrapped anew and destroyed, and of what only decides races
        about Cases: natural keys and numbers.
        """
        tables = {
            "cases": self._cases,
            "identities": self._identities,
            "decisions": self._decisions,
            "idempotency_keys": self._keys,
            "repayment_events": self._events,
        }
        return [leaf_of(table, row) for table, rows in tables.items() for row in rows]

    def _find_data_key(self, entry: Entry, actor: Actor, row: Any) -> tuple[UUID, bytes]:
        """Id and bytes of the person's key: the stored one, or a new one that is stored by the same statement."""
        found = self._data_keys.get(entry.person_id)
        if found is None:
            found = (
                self._make_data_key(entry, actor)
                if row["key_id"] is None
                else (row["key_id"], unwrap_data_key(self._record, row))
            )
            self._data_keys[entry.person_id] = found
        return found

    def _make_data_key(self, entry: Entry, actor: Actor) -> tuple[UUID, bytes]:
        person_id, at, entropy = entry.person_id, entry.recorded_at, self._record.entropy
        bucket = bucket_of_person(person_id)
        key_id, data_key = new_id(bucket, at, entropy), entropy(KEY_BYTES)
        wrapped = self._record.key_ring.wrap_key(key_id, person_id, data_key, entropy)
        self._persons.append(
            (bucket, key_id, person_id, wrapped.master_key_id, wrapped.wrapped, at, actor.kind.value, actor.id)
        )
        return key_id, data_key

    def _add(self, entry: Entry, written: tuple[Any, ...], key_id: UUID, data_key: bytes) -> None:
        """`written` is when and by whom."""
        bucket, case_id, cipher = bucket_of(entry.case_id), entry.case_id, AESGCM(data_key)

        def sealed(plaintext: bytes | None, place: str, row_id: UUID) -> bytes | None:
            if plaintext is None:
                return None
            return seal(cipher, plaintext, place=place, row_id=row_id.bytes, entropy=self._record.entropy)

        self._numbers.append(entry.person_number)
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
                float(entry.sampling_weight),
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
                    _commit(entry, data_key),
                    case_id,
                    entry.release_hash,
                    entry.client_id,
                    entry.outcome,
                    sealed(entry.decision, DECISION_PLACE, entry.decision_id),
                    sealed(entry.answer, ANSWER_PLACE, entry.decision_id),
                    "{" + ",".join(map(str, entry.stage_ns)) + "}",
                    *written,
                    self._writer.id,
                    self._writer.seq,
                )
            )
        if entry.idempotency_key is not None:
            self._keys.append(
                (entry.client_id, entry.idempotency_key, entry.body_mac, bucket, entry.decision_id, *written)
            )
        self._events += [event_row(case_id, event, written) for event in entry.events]


def event_row(case_id: UUID, event: EventRow, written: tuple[Any, ...]) -> tuple[Any, ...]:
    """An event as it is stored; `written` is when and by whom."""
    told = (event.event_id, event.kind, event.amount_cents, event.event_on, event.known_on)
    return bucket_of(case_id), case_id, *told, *written


def transpose(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows of one width as that many columns."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
