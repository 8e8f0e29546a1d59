-- Purpose: what was applied.
SELECT number, checksum FROM instant_credit.schema_migrations ORDER BY number
