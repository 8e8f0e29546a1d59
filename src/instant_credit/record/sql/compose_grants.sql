-- Purpose: the GRANT statements that still are missing before the first migration, or NULL.
-- $1 text: login of the server (session_user of DATABASE_URL)
-- Since Postgres 16 being a member is less than being allowed to become the role.
-- Relies on the indexes of pg_authid and pg_database.
SELECT string_agg(missing.statement, '; ')
FROM (
    SELECT
        CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END AS privilege
) AS needed,
LATERAL (
    SELECT format('GRANT instant_credit_owner TO %I', current_user) AS statement
    WHERE NOT pg_has_role(current_user, 'instant_credit_owner', needed.privilege)
    UNION ALL
    SELECT format('GRANT instant_credit_app TO %I', $1::text)
    WHERE NOT pg_has_role($1::text, 'instant_credit_app', needed.privilege)
    UNION ALL
    SELECT format('GRANT CREATE ON DATABASE %I TO instant_credit_owner', current_database())
    WHERE NOT has_database_privilege('instant_credit_owner', current_database(), 'CREATE')
) AS missing
