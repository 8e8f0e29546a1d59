"""Edge. Entries as the column arrays that are written, sealed on the way: each value under its person's data key, bound to the place and the
id of its row.
"""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from instant_credit.access.actors import Actor
from instant_credit.record.ids import bucket_of, new_id
from instant_credit.record.pool import Record
from instant_credit.record.rows import Entry
from instant_credit.record.sealing import KEY_BYTES, WrappedKey, bucket_of_person, seal

CASE_PLACE: Final = "cases.case"
MONITORING_PLACE: Final = "cases.monitoring"
IDENTITY_PLACE: Final = "identities.identity"
DECISION_PLACE: Final = "decisions.decision"
ANSWER_PLACE: Final = "decisions.answer"


def open_data_key(record: Record, row: Any) -> AESGCM:
    """The data key's cipher from a row that carries ``key_id``, ``person_id``, ``master_key_id`` and ``wrapped_key``."""
    wrapped = WrappedKey(master_key_id=row["master_key_id"], wrapped=row["wrapped_key"])
    return AESGCM(record.key_ring.unwrap_key(row["key_id"], row["person_id"], wrapped))


class Columns:
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
        self._numbers: list[int | None] = []

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
            self._numbers,
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
        self._events += [
            (bucket, case_id, one.event_id, one.kind, one.amount_cents, one.event_on, one.known_on, *written)
            for one in entry.events
        ]


def _transpose(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
