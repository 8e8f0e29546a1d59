"""Edits that only a database superuser can make, of eleven kinds, each chosen by a number and taken back afterwards."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final
from uuid import UUID

from instant_credit.record.chain import compose_link, leaf_of, split_leaves
from instant_credit.record.scanning import COVERED
from instant_credit.record.shipped import read_sql
from instant_credit.verify_receipt import begin_chain
from tests.record.anchored import Place

# How each column can be changed within the checks of its table.
BY_TYPE: Final = {
    "bytea": "set_byte({0}, octet_length({0}) - 1, get_byte({0}, octet_length({0}) - 1) # 1)",
    "date": "{0} + 1",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
    "bigint": "{0} + 1",
    "boolean": "NOT {0}",
    "integer": "{0} + 1",
    "smallint": "({0} + 1) % 256",
    "double precision": "{0} * 2",
    "ARRAY": "array_append({0}, NULL)",
    "uuid": "gen_random_uuid()",
}
# A Case and its Decision are of one millisecond, the first 48 bits of their ids.
SAME_MILLISECOND: Final = "(left({0}::text, 14) || right(gen_random_uuid()::text, 22))::uuid"
OTHERWISE: Final = {
    "outcome": "CASE outcome WHEN 'approve' THEN 'decline' ELSE 'approve' END",
    "decisions.case_id": SAME_MILLISECOND,
    "actor_kind": "CASE actor_kind WHEN 'job' THEN 'person' ELSE 'job' END",
    "quarantined_outcomes.source": "CASE source WHEN 'api' THEN 'file' ELSE 'api' END",
    "quarantined_outcomes.format": "CASE format WHEN 'json' THEN 'csv' ELSE 'json' END",
    "quarantined_outcomes.code": "code || 'X'",
    "quarantine_ends.kind": "CASE kind WHEN 'recorded' THEN 'dismissed' ELSE 'recorded' END",
    "repayment_events.kind": "CASE kind WHEN 'paid' THEN 'current' ELSE 'paid' END, days_past_due = NULL",
    "repayment_events.number": "number + 1000",
    "repayment_events.known_on": "known_on + 1",
    "repayment_events.event_on": "event_on - 1",
    "application_events.kind": "CASE kind WHEN 'accepted' THEN 'withdrawn' ELSE kind END, offer_id = NULL",
    "person_holds.reason": "CASE reason WHEN 'AUDIT' THEN 'COMPLAINT' ELSE 'AUDIT' END",
    "person_hold_releases.reason": "CASE reason WHEN 'MATTER_CLOSED' THEN 'HELD_IN_ERROR' ELSE 'MATTER_CLOSED' END",
    "person_erasures.reason": "CASE reason WHEN 'PERSON_REQUEST' THEN 'RETENTION_ENDED' ELSE 'PERSON_REQUEST' END",
    "personal_data_reads.kind": "CASE kind WHEN 'decision' THEN 'identity' ELSE 'decision' END",
    "currency": "CASE currency WHEN 'USD' THEN 'EUR' ELSE 'USD' END",
    "quotes.term_months": "term_months + 1",
    "purpose": "CASE purpose WHEN 'audit' THEN 'legal' ELSE 'audit' END",
    "indication": "CASE indication WHEN 'none' THEN 'eligible' ELSE indication END, amount_cents = amount_cents + 1",
    "gate": "CASE gate WHEN 'cost' THEN 'profit' ELSE 'cost' END",
    "gate_waivers.actor_kind": "CASE actor_kind WHEN 'person' THEN 'api_key' ELSE 'person' END",
    "gate_waiver_approvals.actor_kind": "CASE actor_kind WHEN 'person' THEN 'api_key' ELSE 'person' END",
    "trigger_events.kind": "CASE kind WHEN 'put' THEN 'stopped' ELSE 'put' END, "
    "document_hash = CASE kind WHEN 'put' THEN NULL ELSE repeat('a', 64) END",
    "experiment_events.kind": "CASE kind WHEN 'concluded' THEN 'stopped' ELSE 'concluded' END, reach_from_ppm = NULL, reach_to_ppm = NULL, "
    "coverage_ppm = NULL, arm = NULL, guardrail = NULL, reason = 'why', "
    "verdict = CASE kind WHEN 'concluded' THEN NULL ELSE 'keep' END",
    "verdict": "CASE verdict WHEN 'keep' THEN 'extend' ELSE 'keep' END",
    "segments": "array_append(segments, 7::smallint)",
    "exposures.arm": "(arm + 1) % 8",
    "alert_events.kind": "CASE kind WHEN 'opened' THEN 'closed' ELSE 'opened' END",
    "draft_events.kind": "CASE kind WHEN 'completed' THEN 'withdrawn' ELSE 'completed' END",
    "release_events.kind": "'retired', "
    + ", ".join(
        f"{one} = NULL"
        for one in (
            "stage",
            "active_at",
            "former_hash",
            "owner",
            "tier",
            "review_on",
            "expires_on",
            "allowed_use",
        )
    ),
    "stage": "CASE stage WHEN 'shadow' THEN 'challenger' ELSE 'shadow' END",
    "tier": "CASE tier WHEN 'high' THEN 'low' ELSE 'high' END",
    "weight": "CASE weight WHEN 'heavy' THEN 'light' ELSE 'heavy' END",
    "job_events.kind": "CASE kind WHEN 'begun' THEN 'given_back' ELSE 'begun' END, step = NULL, result_hash = NULL, document_hash = NULL",
    "result_hash": "md5(result_hash) || md5(result_hash)",
    "plan_hash": "md5(plan_hash) || md5(plan_hash)",
    "product_hash": "md5(product_hash) || md5(product_hash)",
    "reference_hash": "md5(reference_hash) || md5(reference_hash)",
    "rules_hash": "md5(rules_hash) || md5(rules_hash)",
    "release_hash": "md5(release_hash) || md5(release_hash)",
}
KEYS: Final = {
    "cases": "case_id = gen_random_uuid(), natural_key = NULL",
    "identities": "case_id = gen_random_uuid()",
    "decisions": ", ".join(f"{one} = {SAME_MILLISECOND.format(one)}" for one in ("decision_id", "case_id")),
    "shadow_decisions": "case_id = gen_random_uuid()",
    "idempotency_keys": "idempotency_key = idempotency_key || 'x'",
    "repayment_events": "event_id = gen_random_uuid(), number = number + 1000",
    "quarantined_outcomes": "quarantine_id = gen_random_uuid(), line_mac = sha256(line_mac)",
    "quarantine_ends": "quarantine_id = gen_random_uuid()",
    "documents": "content_hash = md5(content_hash) || md5(content_hash)",
    "release_activations": "activation = activation + 1000",
    "release_events": "number = number + 1000",
    "api_keys": "key_id = left(md5(key_id), 16)",
    "api_key_revocations": "key_id = left(md5(key_id), 16)",
    "api_key_rotations": "key_id = left(md5(key_id), 16), successor_key_id = left(md5(successor_key_id), 16)",
    "application_events": "number = number + 50",
    "quotes": "quote_id = gen_random_uuid()",
    "draft_versions": "number = number + 50",
    "draft_events": "draft_id = gen_random_uuid()",
    "person_holds": "hold_id = gen_random_uuid()",
    "person_hold_releases": "hold_id = gen_random_uuid()",
    "person_erasures": "key_id = gen_random_uuid()",
    "personal_data_reads": "read_id = gen_random_uuid()",
    "book_reads": "read_id = gen_random_uuid()",
    "master_key_events": "master_key_id = left(md5(master_key_id), 16)",
    "gate_waivers": "waiver_id = gen_random_uuid()",
    "gate_waiver_approvals": "waiver_id = gen_random_uuid()",
    "sketches": "revision = revision + 50",
    "monitoring_windows": "last_on = last_on + 1000",
    "alert_events": "rule = rule || 'x'",
    "jobs": "job_id = gen_random_uuid(), natural_key = NULL",
    "job_events": "number = number + 50",
    "trigger_events": "number = number + 50",
    "experiments": "experiment = experiment + 1000, name = name || 'x', plan_hash = md5(plan_hash) || md5(plan_hash)",
    "experiment_events": "number = number + 50",
    "exposures": "case_id = gen_random_uuid()",
    "experiment_sums": "ripe_on = ripe_on + 1000",
    "experiment_hazards": "known_on = known_on + 1000",
    "experiment_counts": "day_on = day_on + 1000",
    "budget_leases": "number = number + 50",
    "arm_tallies": "number = number + 50",
}
TABLES: Final = tuple(COVERED)


class Tampering:
    """One superuser's connection and where every leaf was when the anchors were signed."""

    def __init__(self, connection: Any, places: dict[bytes, Place]) -> None:
        self._connection = connection
        self._places = places

    async def start(self) -> None:
        """Put the triggers to rest and keep a copy of every table."""
        await self._connection.execute(
            "SET session_replication_role = replica; SET search_path = instant_credit, pg_catalog"
        )
        for table in (*COVERED, "links"):
            await self._connection.execute(f"CREATE TEMP TABLE kept_{table} AS TABLE {table}")
        await self._connection.execute("CREATE TEMP TABLE kept_keys AS TABLE sealed_keys.person_keys")

    async def restore(self) -> None:
        """Take back whatever was edited."""
        statements = ["DELETE FROM sealed_keys.person_keys", "INSERT INTO sealed_keys.person_keys TABLE kept_keys"]
        for table in (*COVERED, "links"):
            statements += [f"DELETE FROM {table}", f"INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE kept_{table}"]  # noqa: S608 names of ours
        await self._connection.execute("; ".join(statements))

    async def edit(self, kind: str, number: int) -> Place | None:
        """Make one edit of a kind; the first link that is bad then, None for a row that no link names and for a key.

        Successive numbers go round all tables.
        """
        edits: dict[str, Callable[[Random, str], Any]] = {
            "column changed": self._change_column,
            "row removed": self._remove_row,
            "row inserted": self._insert_row,
            "rows swapped": self._swap_rows,
            "link removed": self._remove_link,
            "links reordered": self._reorder_links,
            "leaf rewritten": self._rewrite_leaf,
            "chain recomputed": self._recompute_chain,
            "row forged with a leaf": self._forge_row,
            "tail removed": self._remove_tail,
            "key removed": self._remove_key,
        }
        table = TABLES[(number + 4 * KINDS.index(kind)) % len(TABLES)]
        place: Place | None = await edits[kind](Random(f"{kind} {number}"), table)
        return place

    async def list_columns(self) -> list[tuple[str, str]]:
        """Every table and column of it that is not in its key and that some anchored row has a value in."""
        return [
            (table, column)
            for table in TABLES
            for column in {name: None for row, _ in await self._list_rows(table) for name in self._valued(table, row)}
        ]

    async def change_column(self, table: str, column: str) -> Place:
        """Change one column of an anchored row; the link that is bad then."""
        row, place = next(
            (row, place) for row, place in await self._list_rows(table) if column in self._valued(table, row)
        )
        await self._change(table, row, column)
        return place

    async def _list_rows(self, table: str) -> list[tuple[Any, Place]]:
        """Anchored rows of one table, each with the place of its leaf."""
        rows = await self._connection.fetch(read_sql(f"scan_{table}") + f" ORDER BY {table}::text")
        return [(row, self._places[leaf]) for row in rows if (leaf := leaf_of(table, tuple(row))) in self._places]

    async def _change_column(self, random: Random, table: str) -> Place:
        row, place = random.choice(await self._list_rows(table))
        await self._change(table, row, random.choice(self._valued(table, row)))
        return place

    def _valued(self, table: str, row: Any) -> list[str]:
        """The columns of a row that are not NULL and not in its key."""
        return [name for name, value in list(row.items())[COVERED[table] :] if value is not None]

    async def _change(self, table: str, row: Any, column: str) -> None:
        """Change one column of a row to another value that its table accepts."""
        types = {
            found["column_name"]: found["data_type"]
            for found in await self._connection.fetch(
                "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $1"
                " AND table_schema = 'instant_credit'",
                table,
            )
        }
        written = (
            OTHERWISE.get(f"{table}.{column}") or OTHERWISE.get(column) or BY_TYPE.get(types[column], "{0} || 'x'")
        )
        await self._execute(f"UPDATE {table} SET {column} = {written.format(column)} WHERE {self._key(table, row)}", 1)  # noqa: S608 names of ours

    async def _remove_row(self, random: Random, table: str) -> Place:
        row, place = random.choice(await self._list_rows(table))
        await self._execute(f"DELETE FROM {table} WHERE {self._key(table, row)}", 1)  # noqa: S608 names of ours
        return place

    async def _insert_row(self, random: Random, table: str) -> None:
        row, _ = random.choice(await self._list_rows(table))
        await self._insert_like(table, row)

    async def _insert_like(self, table: str, row: Any) -> None:
        """Insert a copy of a row under another key."""
        await self._connection.execute(
            f"CREATE TEMP TABLE forged AS SELECT {table}.* FROM {table} WHERE {self._key(table, row)};"  # noqa: S608 names of ours
            f"UPDATE forged SET {KEYS[table]}; INSERT INTO {table} OVERRIDING SYSTEM VALUE TABLE forged; DROP TABLE forged"
        )

    async def _swap_rows(self, random: Random, _: str) -> Place:
        """What two rows hold changes places, their keys do not."""
        table = random.choice(["cases", "identities", "decisions", "repayment_events"])
        column = {"cases": "sealed_case", "identities": "sealed_identity", "decisions": "sealed_decision"}.get(
            table, "amount_cents"
        )
        rows = await self._list_rows(table)
        (one, place), (other, other_place) = random.sample(rows, 2)
        while one[column] == other[column]:
            (one, place), (other, other_place) = random.sample(rows, 2)
        for row, value in ((one, other[column]), (other, one[column])):
            await self._execute(f"UPDATE {table} SET {column} = $1 WHERE {self._key(table, row)}", 1, value)  # noqa: S608 names of ours
        return min(place, other_place)

    async def _remove_link(self, random: Random, _: str) -> Place:
        place = random.choice(sorted(set(self._places.values())))
        await self._execute("DELETE FROM links WHERE writer_id = $1 AND seq = $2", 1, UUID(bytes=place[1]), place[2])
        return place

    async def _reorder_links(self, random: Random, _: str) -> Place:
        places = sorted(set(self._places.values()))
        one = random.choice([place for place in places if sum(other[1] == place[1] for other in places) > 1])
        other = random.choice([place for place in places if place[1] == one[1] and place != one])
        writer = UUID(bytes=one[1])
        for former, later in ((one[2], 1_000_000), (other[2], one[2]), (1_000_000, other[2])):
            await self._execute("UPDATE links SET seq = $3 WHERE writer_id = $1 AND seq = $2", 1, writer, former, later)
        return min(one, other)

    async def _rewrite_leaf(self, random: Random, table: str) -> Place:
        """A row is changed, and its leaf in the link with it."""
        row, place = random.choice(await self._list_rows(table))
        await self._change(table, row, random.choice(self._valued(table, row)))
        await self._replace_leaf(table, row, place)
        return place

    async def _recompute_chain(self, random: Random, table: str) -> Place:
        """A row is changed, its leaf with it, and every hash of its writer's chain from there on."""
        place = await self._rewrite_leaf(random, table)
        await self._compute_anew(place)
        return place

    async def _forge_row(self, random: Random, table: str) -> Place:
        """A row is inserted, an old link is given its leaf, and every hash of that writer's chain is computed anew from there on."""
        row, place = random.choice(await self._list_rows(table))
        scan = read_sql(f"scan_{table}")
        before = {leaf_of(table, tuple(one)) for one in await self._connection.fetch(scan)}
        await self._insert_like(table, row)
        (forged,) = {leaf_of(table, tuple(one)) for one in await self._connection.fetch(scan)} - before
        await self._execute(
            "UPDATE links SET leaves = leaves || $3 WHERE writer_id = $1 AND seq = $2",
            1,
            UUID(bytes=place[1]),
            place[2],
            forged,
        )
        await self._compute_anew(place)
        return place

    async def _remove_tail(self, random: Random, _: str) -> Place:
        """The last links of a writer are removed with every row that they cover."""
        place = random.choice(sorted(set(self._places.values())))
        links = await self._connection.fetch(
            "DELETE FROM links WHERE writer_id = $1 AND seq >= $2 RETURNING leaves", UUID(bytes=place[1]), place[2]
        )
        removed = {leaf for link in links for leaf in split_leaves(link["leaves"])}
        for table in TABLES:
            for row in await self._connection.fetch(read_sql(f"scan_{table}")):
                if leaf_of(table, tuple(row)) in removed:
                    await self._execute(f"DELETE FROM {table} WHERE {self._key(table, row)}", 1)  # noqa: S608 names of ours
        return place

    async def _remove_key(self, random: Random, _: str) -> None:
        """A data key that sealed a Case or a version of a draft is destroyed, and nothing says so."""
        keys = await self._connection.fetch(
            "SELECT key_id FROM sealed_keys.person_keys WHERE key_id IN ("
            "SELECT key_id FROM cases UNION SELECT key_id FROM draft_versions) ORDER BY key_id"
        )
        await self._execute("DELETE FROM sealed_keys.person_keys WHERE key_id = $1", 1, random.choice(keys)["key_id"])

    async def _compute_anew(self, place: Place) -> None:
        """Every hash of a writer's chain from one link on follows from the leaves as they stand."""
        writer = UUID(bytes=place[1])
        links = await self._connection.fetch(
            "SELECT seq, link, leaves, recorded_at FROM links WHERE writer_id = $1 ORDER BY seq", writer
        )
        previous = begin_chain(writer.bytes)
        for link in links:
            if link["seq"] >= place[2]:
                leaves = split_leaves(link["leaves"])
                previous = compose_link(writer, link["seq"], previous, leaves, link["recorded_at"]).link
                await self._execute(
                    "UPDATE links SET link = $3 WHERE writer_id = $1 AND seq = $2", 1, writer, link["seq"], previous
                )
            else:
                previous = link["link"]

    async def _replace_leaf(self, table: str, former: Any, place: Place) -> None:
        (now,) = await self._connection.fetch(f"{read_sql(f'scan_{table}')} WHERE {self._key(table, former)}")
        leaf, rewritten = leaf_of(table, tuple(former)), leaf_of(table, tuple(now))
        writer = UUID(bytes=place[1])
        leaves = await self._connection.fetchval(
            "SELECT leaves FROM links WHERE writer_id = $1 AND seq = $2", writer, place[2]
        )
        changed = b"".join(rewritten if one == leaf else one for one in split_leaves(leaves))
        await self._execute(
            "UPDATE links SET leaves = $3 WHERE writer_id = $1 AND seq = $2", 1, writer, place[2], changed
        )

    def _key(self, table: str, row: Any) -> str:
        names = list(row.keys())[: COVERED[table]]
        return " AND ".join(f"{name} = '{row[name]}'" for name in names)

    async def _execute(self, statement: str, rows: int, *arguments: Any) -> None:
        """Run a statement that changes so many rows."""
        done = await self._connection.execute(statement, *arguments)
        assert done.endswith(f" {rows}"), (statement, done)


KINDS: Final[Sequence[str]] = (
    "column changed",
    "row removed",
    "row inserted",
    "rows swapped",
    "link removed",
    "links reordered",
    "leaf rewritten",
    "chain recomputed",
    "row forged with a leaf",
    "tail removed",
    "key removed",
)
