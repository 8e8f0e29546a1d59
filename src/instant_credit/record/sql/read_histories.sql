-- Purpose: per person, in order, the latest decided applications since an instant, the latest first, and the number of the last one that was
--   decided on a history.
-- $1 smallint[]: buckets; $2 bytea[]: person ids; $3 text[]: books; $4 uuid[]: least case ids; $5 uuid: the least of them;
-- $6 bigint: most applications of a person
-- Relies on cases_by_person and on the primary keys of decisions, person_applications and application_events; $5 chooses the partitions of
--   cases and decisions.
SELECT
    (
        SELECT coalesce(max(person_applications.number), 0)
        FROM person_applications
        WHERE person_applications.bucket = asked.bucket AND person_applications.person_id = asked.person_id
            AND person_applications.book = asked.book
    ) AS last_number,
    priors.recorded_ats,
    priors.outcomes,
    priors.are_accepted
FROM unnest($1::smallint[], $2::bytea[], $3::text[], $4::uuid[])
    WITH ORDINALITY AS asked (bucket, person_id, book, least_id, place)
CROSS JOIN LATERAL (
    SELECT
        coalesce(array_agg(latest.recorded_at ORDER BY latest.case_id DESC), '{}') AS recorded_ats,
        coalesce(array_agg(latest.outcome ORDER BY latest.case_id DESC), '{}') AS outcomes,
        coalesce(array_agg(latest.is_accepted ORDER BY latest.case_id DESC), '{}') AS are_accepted
    FROM (
        SELECT
            cases.case_id,
            decisions.recorded_at,
            decisions.outcome,
            EXISTS (
                SELECT 1 FROM application_events
                WHERE application_events.bucket = cases.bucket AND application_events.case_id = cases.case_id
                    AND application_events.kind = 'accepted'
            ) AS is_accepted
        FROM cases
        INNER JOIN decisions
            ON decisions.bucket = cases.bucket AND decisions.case_id = cases.case_id AND decisions.case_id >= $5
        WHERE cases.bucket = asked.bucket AND cases.person_id = asked.person_id AND cases.book = asked.book
            AND cases.case_id >= $5 AND cases.case_id >= asked.least_id
        ORDER BY cases.case_id DESC
        LIMIT $6
    ) AS latest
) AS priors
ORDER BY asked.place
