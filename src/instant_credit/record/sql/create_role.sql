-- Purpose: make one of our roles unless it is there; two databases of one server may do so at the same instant.
-- The word role_name is replaced by one of three constants of record/migrate.py.
-- Reads the whole of pg_roles.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'role_name') THEN
        CREATE ROLE role_name NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$
