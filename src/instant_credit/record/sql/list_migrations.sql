-- Purpose: what was applied.
-- Reads the whole of schema_migrations.
SELECT number, checksum FROM instant_credit.schema_migrations ORDER BY number
