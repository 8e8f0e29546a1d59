-- Purpose: the schema and the table of applied migrations, before the first migration.
-- Relies on no index.
CREATE SCHEMA IF NOT EXISTS instant_credit;

CREATE TABLE IF NOT EXISTS instant_credit.schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL CHECK (char_length(checksum) = 64),
    applied_at timestamptz NOT NULL
);

GRANT USAGE ON SCHEMA instant_credit TO instant_credit_app;
GRANT SELECT ON instant_credit.schema_migrations TO instant_credit_app;
