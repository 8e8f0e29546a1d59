-- Purpose: write down an applied migration.
-- $1 integer: number; $2 text: name; $3 text: checksum; $4 timestamptz: applied at
-- Relies on the primary key of schema_migrations.
INSERT INTO instant_credit.schema_migrations (number, name, checksum, applied_at)
VALUES ($1, $2, $3, $4)
