-- Purpose: a person's latest decided applications since an instant, the latest first, and the number of the last one that was decided on a
--   history.
-- $1 smallint: bucket; $2 bytea: person id; $3 text: book; $4 uuid: least case id; $5 bigint: most applications
-- Relies on cases_by_person, on the primary keys of decisions and person_applications and on that of application_events; $4 chooses the
--   partitions of cases and decisions.
WITH priors AS (
    SELECT cases.bucket, cases.case_id, decisions.recorded_at, decisions.outcome
    FROM cases
    INNER JOIN decisions ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id AND decisions.case_id >= $4
    WHERE cases.bucket = $1 AND cases.person_id = $2 AND cases.book = $3 AND cases.case_id >= $4
    ORDER BY cases.case_id DESC
    LIMIT $5
)
SELECT
    (
        SELECT coalesce(max(person_applications.number), 0)
        FROM person_applications
        WHERE person_applications.bucket = $1 AND person_applications.person_id = $2 AND person_applications.book = $3
    ) AS last_number,
    coalesce(array_agg(priors.recorded_at ORDER BY priors.case_id DESC), '{}') AS recorded_ats,
    coalesce(array_agg(priors.outcome ORDER BY priors.case_id DESC), '{}') AS outcomes,
    coalesce(
        array_agg(
            EXISTS (
                SELECT 1 FROM application_events
                WHERE application_events.bucket = priors.bucket AND application_events.case_id = priors.case_id
                    AND application_events.kind = 'accepted'
            )
            ORDER BY priors.case_id DESC
        ),
        '{}'
    ) AS are_accepted
FROM priors
