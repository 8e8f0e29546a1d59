-- Purpose: rows of natural_keys and of person_applications that do not go with their Case, and Cases whose natural key has no row.
-- Reads the whole of natural_keys, person_applications and cases.
SELECT 'natural_keys' AS stray_table, coalesce(natural_keys.case_id, named.case_id) AS case_id
FROM natural_keys
FULL JOIN (
    SELECT cases.bucket, cases.book, cases.natural_key, cases.case_id FROM cases WHERE cases.natural_key IS NOT NULL
) AS named
    ON named.bucket = natural_keys.bucket AND named.book = natural_keys.book AND named.natural_key = natural_keys.natural_key
    AND named.case_id = natural_keys.case_id
WHERE natural_keys.case_id IS NULL OR named.case_id IS NULL
UNION ALL
SELECT 'person_applications', person_applications.case_id
FROM person_applications
WHERE NOT EXISTS (
    SELECT FROM cases
    WHERE cases.bucket = person_applications.bucket AND cases.case_id = person_applications.case_id
        AND cases.person_id = person_applications.person_id AND cases.book = person_applications.book
)
ORDER BY stray_table, case_id
