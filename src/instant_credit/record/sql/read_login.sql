-- Purpose: whether the login behind this connection may undo what the role of the connection may not.
-- Relies on the index on rolname of pg_authid.
SELECT
    pg_roles.rolsuper AS is_superuser,
    pg_has_role(session_user, 'instant_credit_owner', 'MEMBER') AS may_own
FROM pg_roles
WHERE pg_roles.rolname = session_user
