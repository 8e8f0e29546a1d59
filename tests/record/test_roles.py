import asyncpg
import pytest

from instant_credit.access.actors import Actor
from instant_credit.record.commit import commit_entries
from instant_credit.record.embedded import OWNER, READER, Cluster
from instant_credit.record.pool import Record
from tests.record.entries import make_entry

pytestmark = pytest.mark.anyio

FACTS = [
    "cases",
    "identities",
    "decisions",
    "shadow_decisions",
    "idempotency_keys",
    "natural_keys",
    "repayment_events",
    "quarantined_outcomes",
    "quarantine_ends",
    "documents",
    "release_activations",
    "release_events",
    "api_keys",
    "api_key_revocations",
    "api_key_rotations",
    "key_rings",
    "application_events",
    "draft_versions",
    "draft_events",
    "quotes",
    "person_applications",
    "master_key_events",
    "person_holds",
    "person_hold_releases",
    "person_erasures",
    "personal_data_reads",
    "book_reads",
    "gate_waivers",
    "gate_waiver_approvals",
    "sketches",
    "monitoring_windows",
    "alert_events",
    "jobs",
    "job_events",
    "trigger_events",
    "experiments",
    "experiment_events",
    "exposures",
    "experiment_sums",
    "experiment_hazards",
    "experiment_counts",
    "budget_leases",
    "arm_tallies",
]
CHANGES = ["UPDATE {table} SET recorded_at = now()", "DELETE FROM {table}", "TRUNCATE {table} CASCADE"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("table", [*(f"instant_credit.{name}" for name in FACTS), "sealed_keys.person_keys"])
async def test_the_app_changes_no_fact(record: Record, table: str, change: str) -> None:
    async with record.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(change.format(table=table))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FACTS)
async def test_not_even_the_owner_changes_a_fact(cluster: Cluster, empty_database: str, name: str, change: str) -> None:
    connection = await asyncpg.connect(cluster.url(OWNER, empty_database))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await connection.execute(change.format(table=f"instant_credit.{name}"))
    await connection.close()


async def test_not_even_the_owner_changes_a_link(cluster: Cluster, empty_database: str) -> None:
    connection = await asyncpg.connect(cluster.url(OWNER, empty_database))
    for change in ("UPDATE {table} SET seq = 1", "DELETE FROM {table}", "TRUNCATE {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await connection.execute(change.format(table="instant_credit.links"))
    await connection.close()


async def test_the_app_changes_no_link(record: Record) -> None:
    async with record.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE links SET seq = 1")


async def test_every_table_of_facts_names_its_actor(record: Record) -> None:
    async with record.connection() as connection:
        rows = await connection.fetch(
            "SELECT table_name, count(*) AS found FROM information_schema.columns"
            " WHERE table_schema IN ('instant_credit', 'sealed_keys') AND table_name NOT IN ('schema_migrations', 'links')"
            " AND column_name IN ('actor_kind', 'actor_id', 'recorded_at') GROUP BY table_name"
        )
    # An exposure is written with its Case, which names who wrote both; there are many, so it does not say it again.
    assert {row["table_name"]: row["found"] for row in rows} == {
        **dict.fromkeys([*FACTS, "person_keys"], 3),
        "exposures": 1,
    }


async def test_the_app_is_no_superuser_and_owns_nothing(record: Record) -> None:
    async with record.connection() as connection:
        row = await connection.fetchrow(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolbypassrls,"
            " (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid) AS owned"
            " FROM pg_roles WHERE rolname = current_user"
        )
    assert tuple(row) == (False, False, False, False, 0)


async def test_the_app_makes_no_table(record: Record) -> None:
    async with record.connection() as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE instant_credit.mine (id integer)")


async def test_the_reader_sees_facts_but_no_keys(
    record: Record, actor: Actor, cluster: Cluster, empty_database: str
) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    connection = await asyncpg.connect(cluster.url(READER, empty_database))
    assert await connection.fetchval("SELECT count(*) FROM instant_credit.cases") == 1
    for hidden in ("sealed_keys.person_keys", "instant_credit.identities", "instant_credit.api_keys"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval(f"SELECT count(*) FROM {hidden}")  # noqa: S608 names out of the catalogue
    await connection.close()


async def test_a_login_without_its_password_is_refused(cluster: Cluster, empty_database: str) -> None:
    url = cluster.url(OWNER, empty_database).replace(cluster.passwords.owner, "guessed")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url)


async def test_every_statement_has_a_timeout(record: Record) -> None:
    async with record.connection() as connection:
        shown = [
            await connection.fetchval(f"SHOW {name}")
            for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        ]
    assert "0" not in shown


async def test_commits_are_durable_by_default(record: Record) -> None:
    assert record.warnings == ()
