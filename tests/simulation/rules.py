"""What a migrated database forbids, read from its catalogue, so that the twin forbids the same."""

from typing import Any

import asyncpg
from msgspec import Struct


class Rules(Struct, frozen=True, kw_only=True):
    """Of every table: its columns that need a value, and the column lists that are unique.

    `references` are foreign keys: table, its columns, the other table, its columns.
    """

    required: dict[str, tuple[str, ...]]
    unique: dict[str, tuple[tuple[str, ...], ...]]
    references: tuple[tuple[str, tuple[str, ...], str, tuple[str, ...]], ...]


_REQUIRED = """
SELECT n.nspname || '.' || c.relname AS name, array_agg(a.attname::text) AS columns
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND a.attnotnull AND NOT a.attisdropped AND NOT a.atthasdef
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname IN ('instant_credit', 'sealed_keys')
GROUP BY 1 ORDER BY 1
"""
# What every partition forbids by itself, its table forbids.
_UNIQUE = """
SELECT DISTINCT n.nspname || '.' || coalesce(whole.relname, c.relname) AS name,
    array(SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.place) AS columns
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits h ON h.inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = h.inhparent
WHERE i.indisunique AND n.nspname IN ('instant_credit', 'sealed_keys')
ORDER BY 1, 2
"""
_REFERENCES = """
SELECT DISTINCT n.nspname || '.' || coalesce(own.relname, c.relname) AS name,
    m.nspname || '.' || coalesce(their.relname, f.relname) AS other,
    array(SELECT a.attname::text FROM unnest(r.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number ORDER BY k.place) AS columns,
    array(SELECT a.attname::text FROM unnest(r.confkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = f.oid AND a.attnum = k.number ORDER BY k.place) AS others
FROM pg_constraint r JOIN pg_class c ON c.oid = r.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_class f ON f.oid = r.confrelid JOIN pg_namespace m ON m.oid = f.relnamespace
LEFT JOIN pg_inherits h ON h.inhrelid = c.oid LEFT JOIN pg_class own ON own.oid = h.inhparent
LEFT JOIN pg_inherits g ON g.inhrelid = f.oid LEFT JOIN pg_class their ON their.oid = g.inhparent
WHERE r.contype = 'f' AND n.nspname IN ('instant_credit', 'sealed_keys')
ORDER BY 1, 2
"""


async def read_rules(connection: Any) -> Rules:
    """The rules of the database behind `connection`."""
    unique: dict[str, tuple[tuple[str, ...], ...]] = {}
    for row in await connection.fetch(_UNIQUE):
        unique[row["name"]] = (*unique.get(row["name"], ()), tuple(row["columns"]))
    return Rules(
        required={row["name"]: tuple(row["columns"]) for row in await connection.fetch(_REQUIRED)},
        unique=unique,
        references=tuple(
            (row["name"], tuple(row["columns"]), row["other"], tuple(row["others"]))
            for row in await connection.fetch(_REFERENCES)
        ),
    )


async def read_rules_at(url: str) -> Rules:
    """`read_rules` on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        return await read_rules(connection)
    finally:
        await connection.close()
