-- A key for tests: what is applied for with it never counts.
ALTER TABLE instant_credit.api_keys ADD COLUMN is_test boolean NOT NULL DEFAULT false;
