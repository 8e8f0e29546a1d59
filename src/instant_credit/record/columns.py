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
from instant_credit.record.rows import Entry, EventRow, ExposureRow
from instant_credit.record.sealing import KEY_BYTES, WrappedKey, bucket_of_person, seal
from instant_credit.record.writers import Writer
from instant_credit.verify_receipt import commit_decision

CASE_PLACE: Final = "cases.case"
MONITORING_PLACE: Final = "cases.monitoring"
IDENTITY_PLACE: Final = "identities.identity"
DECISION_PLACE: Final = "decisions.decision"
ANSWER_PLACE: Final = "decisions.answer"
EVENT_COLUMNS: Final = 13
_EXPOSURE_COLUMNS: Final = 15

_DECISION_COLUMNS: Final = 8
_ENTRY_COLUMNS: Final = 29


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
        self._entropy = record.entropy
        self._record = record
        self._writer = writer
        self._data_keys: dict[bytes, tuple[UUID, bytes]] = {}
        self._entries: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []
        self._exposures: list[tuple[Any, ...]] = []
        self._leaves: list[bytes] = []

    def fill(self, fresh: Sequence[tuple[Entry, Actor, Any]]) -> None:
        """Take entries, each with who writes it and its row of ``look_up_entries``; rows are kept in order of their keys."""
        self._record.key_ring.follow()
        # A Case's id is led by its time, and behind that by its bucket.
        for entry, actor, row in sorted(fresh, key=lambda one: (bucket_of(one[0].case_id), one[0].case_id.int)):
            self._add(entry, (entry.recorded_at, actor.kind.value, actor.id), row)

    def arguments(self) -> list[Any]:
        """Arguments of ``insert_entries`` in its order, without its link. Rows are in order, so that two commits lock alike."""
        return [
            *transpose(self._entries, _ENTRY_COLUMNS),
            *transpose(self._events, EVENT_COLUMNS),
            *transpose(self._exposures, _EXPOSURE_COLUMNS),
        ]

    def leaves(self) -> list[bytes]:
        """The leaf of every row but those of persons' keys, which are wrapped anew and destroyed, and of what only decides races
        about Cases: natural keys and numbers.
        """
        return self._leaves

    def _find_data_key(self, entry: Entry, row: Any) -> tuple[UUID, bytes, WrappedKey | None]:
        """Id and bytes of the person's key, the stored one or a new one; and how a new one is stored, by the same statement."""
        found = self._data_keys.get(entry.person_id)
        if found is not None:
            return (*found, None)
        wrapped = None
        if row["key_id"] is not None:
            found = row["key_id"], unwrap_data_key(self._record, row)
        else:
            found = (
                new_id(bucket_of_person(entry.person_id), entry.recorded_at, self._entropy),
                self._entropy(KEY_BYTES),
            )
            wrapped = self._record.key_ring.wrap_key(found[0], entry.person_id, found[1], self._entropy)
        self._data_keys[entry.person_id] = found
        return (*found, wrapped)

    def _add(self, entry: Entry, written: tuple[Any, ...], row: Any) -> None:
        """`written` is when and by whom."""
        key_id, data_key, wrapped = self._find_data_key(entry, row)
        bucket, case_id, cipher = bucket_of(entry.case_id), entry.case_id, AESGCM(data_key)
        case = (
            bucket,
            case_id,
            entry.person_id,
            key_id,
            entry.book,
            entry.product,
            entry.product_hash,
            entry.as_of,
            entry.natural_key,
            self._seal(cipher, entry.case, CASE_PLACE, case_id),
            self._seal(cipher, entry.monitoring, MONITORING_PLACE, case_id),
            float(entry.sampling_weight),
            *written,
        )
        add = self._leaves.append
        add(leaf_of("cases", case))
        sealed_identity = self._seal(cipher, entry.identity, IDENTITY_PLACE, case_id)
        if sealed_identity is not None:
            add(leaf_of("identities", (bucket, case_id, entry.person_id, sealed_identity, *written)))
        decision: tuple[Any, ...] = (None,) * _DECISION_COLUMNS
        if entry.decision_id is not None:
            decision = self._seal_decision(entry, cipher, data_key)
            decision_id, commitment, *rest = decision
            place = (self._writer.id, self._writer.seq)
            add(leaf_of("decisions", (bucket, decision_id, commitment, case_id, *rest, *written, *place)))
        if entry.idempotency_key is not None:
            key = (entry.client_id, entry.idempotency_key, entry.body_mac, bucket, entry.decision_id, *written)
            add(leaf_of("idempotency_keys", key))
        new_key = (None, None) if wrapped is None else (wrapped.master_key_id, wrapped.wrapped)
        told_key = (entry.idempotency_key, entry.body_mac)
        self._entries.append((*case, *new_key, entry.person_number, sealed_identity, *decision, *told_key))
        events = [event_row(case_id, event, written) for event in entry.events]
        self._events += events
        self._leaves += [leaf_of("repayment_events", event) for event in events]
        if entry.exposures:
            exposures = [_exposure_row(entry, exposure) for exposure in entry.exposures]
            self._exposures += exposures
            self._leaves += [leaf_of("exposures", exposure) for exposure in exposures]

    def _seal_decision(self, entry: Entry, cipher: AESGCM, data_key: bytes) -> tuple[Any, ...]:
        """What a row of decisions holds of its own: from its id to its stages."""
        assert entry.decision_id is not None
        return (
            entry.decision_id,
            _commit(entry, data_key),
            entry.release_hash,
            entry.client_id,
            entry.outcome,
            self._seal(cipher, entry.decision, DECISION_PLACE, entry.decision_id),
            self._seal(cipher, entry.answer, ANSWER_PLACE, entry.decision_id),
            "{" + ",".join(map(str, entry.stage_ns)) + "}",
        )

    def _seal(self, cipher: AESGCM, plaintext: bytes | None, place: str, row_id: UUID) -> bytes | None:
        if plaintext is None:
            return None
        return seal(cipher, plaintext, place=place, row_id=row_id.bytes, entropy=self._entropy)


def _exposure_row(entry: Entry, exposure: ExposureRow) -> tuple[Any, ...]:
    """An exposure as it is stored; its segments as an array literal."""
    return (
        bucket_of(entry.case_id),
        entry.case_id,
        exposure.experiment,
        exposure.arm,
        exposure.unit_id,
        entry.as_of,
        exposure.propensity_ppm,
        exposure.reach_ppm,
        exposure.baseline_pd_ppm,
        exposure.baseline_is_offer,
        exposure.is_offer,
        exposure.offered_cents,
        exposure.reserved_cents,
        "{" + ",".join(map(str, exposure.segments)) + "}",
        entry.recorded_at,
    )


def event_row(case_id: UUID, event: EventRow, written: tuple[Any, ...]) -> tuple[Any, ...]:
    """An event as it is stored; `written` is when and by whom."""
    told = (event.event_id, event.kind, event.amount_cents, event.event_on, event.known_on)
    return bucket_of(case_id), case_id, *told, *written, event.days_past_due, event.corrects, event.number


def event_arguments(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Arguments of ``insert_events`` without its link, out of rows (at least one) that are written at once by one actor."""
    columns = transpose(rows, EVENT_COLUMNS)
    return [*columns[:7], *rows[0][7:10], *columns[10:]]


def transpose(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows of one width as that many columns."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
