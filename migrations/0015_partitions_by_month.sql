-- Cases and all that hangs on them lie in partitions by month, told by the time inside case_id (ADR 0013).
--   *_earlier   what was recorded before, and the tapes of years ago: below the first month that is made
--   *_YYYY_MM   one month (UTC), made ahead by make_next_months
--   *_default   what no month was made for; empty as long as months are made ahead
-- The tables that were there become *_earlier as they are: no row is moved.

-- The least UUIDv7 of a month.
CREATE FUNCTION instant_credit.first_id_of_month(month date) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT
RETURN (lpad(to_hex((extract(epoch FROM month::timestamp) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid;

-- The month inside a UUIDv7.
CREATE FUNCTION instant_credit.month_of_id(id uuid) RETURNS date
LANGUAGE sql IMMUTABLE STRICT
RETURN date_trunc(
    'month', to_timestamp((('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000)::float8) AT TIME ZONE 'UTC'
)::date;

-- Adds one partition to each of the four tables: append-only by a trigger of its own (the parent's is not asked when a partition is
-- named), its rows' Cases in the partition of cases beside it. CHECKs, NOT NULL, primary key and indexes come from the parent; nobody is
-- granted anything on a partition by itself.
CREATE FUNCTION instant_credit.add_partitions(suffix text, bound text) RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    parents text[] := ARRAY['cases', 'identities', 'decisions', 'repayment_events'];
    parent text;
    child text;
BEGIN
    FOREACH parent IN ARRAY parents LOOP
        child := parent || '_' || suffix;
        EXECUTE format(
            'CREATE TABLE instant_credit.%I (LIKE instant_credit.%I INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING STORAGE)',
            child, parent
        );
        EXECUTE format(
            'CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change()',
            child || '_append_only', child
        );
        IF parent = 'cases' THEN
            EXECUTE format('ALTER TABLE instant_credit.%I ADD PRIMARY KEY (bucket, case_id)', child);
        ELSE
            EXECUTE format(
                'ALTER TABLE instant_credit.%I ADD FOREIGN KEY (bucket, case_id) REFERENCES instant_credit.%I (bucket, case_id)',
                child, 'cases_' || suffix
            );
        END IF;
        -- A Decision's id is unique within its partition, and its partition follows from its id.
        IF parent = 'decisions' THEN
            EXECUTE format('CREATE UNIQUE INDEX %I ON instant_credit.%I (bucket, decision_id)', child || '_by_id', child);
        END IF;
    END LOOP;
    FOREACH parent IN ARRAY parents LOOP
        EXECUTE format(
            'ALTER TABLE instant_credit.%I ATTACH PARTITION instant_credit.%I %s', parent, parent || '_' || suffix, bound
        );
    END LOOP;
END
$$;

-- Whether a month's partitions are wanted and not there. A month that begins below the bound of the *_earlier needs none.
CREATE FUNCTION instant_credit.is_month_missing(month date) RETURNS boolean
LANGUAGE sql STABLE STRICT
RETURN to_regclass('instant_credit.cases_' || to_char(month, 'YYYY_MM')) IS NULL
    AND instant_credit.first_id_of_month(month) >= (
        SELECT substring(pg_get_expr(relpartbound, oid) FROM $re$TO \('([0-9a-f-]{36})'\)$re$)::uuid
        FROM pg_catalog.pg_class
        WHERE oid = to_regclass('instant_credit.cases_earlier')
    );

-- Makes a month's partitions, all four or none.
CREATE FUNCTION instant_credit.make_month(month date) RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(475983105);
    IF instant_credit.is_month_missing(month) THEN
        PERFORM instant_credit.add_partitions(
            to_char(month, 'YYYY_MM'),
            format(
                'FOR VALUES FROM (%L) TO (%L)', instant_credit.first_id_of_month(month),
                instant_credit.first_id_of_month((month + interval '1 month')::date)
            )
        );
    END IF;
END
$$;

-- Makes this month and the three after it; returns how many of them are missing still. It takes no argument, so that the app, which may
-- not make a table, may call it. It gives up a lock that it does not get at once: the next call makes what is missing, and until then the
-- default partitions take the rows. A month whose rows they have taken stays there, and is told as missing.
CREATE FUNCTION instant_credit.make_next_months() RETURNS bigint
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $$
DECLARE
    this_month date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    months date[] := ARRAY(SELECT (this_month + make_interval(months => ahead))::date FROM generate_series(0, 3) AS ahead);
    month date;
BEGIN
    FOREACH month IN ARRAY months LOOP
        IF instant_credit.is_month_missing(month) THEN
            BEGIN
                PERFORM instant_credit.make_month(month);
            EXCEPTION
                WHEN check_violation THEN NULL;
                WHEN lock_not_available OR deadlock_detected THEN EXIT;
            END;
        END IF;
    END LOOP;
    RETURN (SELECT count(*) FROM unnest(months) AS wanted (month) WHERE instant_credit.is_month_missing(wanted.month));
END
$$;

REVOKE ALL ON FUNCTION instant_credit.first_id_of_month(date), instant_credit.month_of_id(uuid), instant_credit.is_month_missing(date),
    instant_credit.add_partitions(text, text), instant_credit.make_month(date), instant_credit.make_next_months() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION instant_credit.make_next_months() TO instant_credit_app;

-- What was recorded until now.
DROP INDEX instant_credit.cases_by_natural_key;

ALTER TABLE instant_credit.decisions
    DROP CONSTRAINT decisions_bucket_case_id_key,
    DROP CONSTRAINT decisions_pkey;

-- A Decision is made in the millisecond of its Case: so its id alone tells its partition, and what is unique there is unique.
ALTER TABLE instant_credit.decisions
    ADD CONSTRAINT decisions_same_millisecond
        CHECK (substring(uuid_send(decision_id) FROM 1 FOR 6) = substring(uuid_send(case_id) FROM 1 FOR 6)),
    ADD CONSTRAINT decisions_earlier_pkey PRIMARY KEY (bucket, case_id);

ALTER INDEX instant_credit.cases_pkey RENAME TO cases_earlier_pkey;
ALTER INDEX instant_credit.cases_by_book RENAME TO cases_earlier_by_book;
ALTER INDEX instant_credit.identities_pkey RENAME TO identities_earlier_pkey;
ALTER INDEX instant_credit.repayment_events_pkey RENAME TO repayment_events_earlier_pkey;
CREATE UNIQUE INDEX decisions_earlier_by_id ON instant_credit.decisions (bucket, decision_id);

ALTER TRIGGER cases_append_only ON instant_credit.cases RENAME TO cases_earlier_append_only;
ALTER TRIGGER identities_append_only ON instant_credit.identities RENAME TO identities_earlier_append_only;
ALTER TRIGGER decisions_append_only ON instant_credit.decisions RENAME TO decisions_earlier_append_only;
ALTER TRIGGER repayment_events_append_only ON instant_credit.repayment_events RENAME TO repayment_events_earlier_append_only;

REVOKE ALL ON instant_credit.cases, instant_credit.identities, instant_credit.decisions, instant_credit.repayment_events
    FROM instant_credit_app, instant_credit_reader;

ALTER TABLE instant_credit.cases RENAME TO cases_earlier;
ALTER TABLE instant_credit.identities RENAME TO identities_earlier;
ALTER TABLE instant_credit.decisions RENAME TO decisions_earlier;
ALTER TABLE instant_credit.repayment_events RENAME TO repayment_events_earlier;

CREATE TABLE instant_credit.cases (
    LIKE instant_credit.cases_earlier INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING STORAGE,
    PRIMARY KEY (bucket, case_id)
) PARTITION BY RANGE (case_id);

CREATE TABLE instant_credit.identities (
    LIKE instant_credit.identities_earlier INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING STORAGE,
    PRIMARY KEY (bucket, case_id)
) PARTITION BY RANGE (case_id);

-- The key says that a Case is decided once.
CREATE TABLE instant_credit.decisions (
    LIKE instant_credit.decisions_earlier INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING STORAGE,
    PRIMARY KEY (bucket, case_id)
) PARTITION BY RANGE (case_id);

CREATE TABLE instant_credit.repayment_events (
    LIKE instant_credit.repayment_events_earlier INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING STORAGE,
    PRIMARY KEY (bucket, case_id, event_id)
) PARTITION BY RANGE (case_id);

CREATE INDEX cases_by_book ON instant_credit.cases (book, bucket, case_id);

-- The bound is this month's beginning, or the month after the last one that holds a row.
DO $$
DECLARE
    parents text[] := ARRAY['cases', 'identities', 'decisions', 'repayment_events'];
    bound uuid := instant_credit.first_id_of_month(
        greatest(
            date_trunc('month', now() AT TIME ZONE 'UTC')::date,
            (
                SELECT (instant_credit.month_of_id(case_id) + interval '1 month')::date
                FROM instant_credit.cases_earlier
                ORDER BY case_id DESC
                LIMIT 1
            )
        )
    );
    parent text;
BEGIN
    FOREACH parent IN ARRAY parents LOOP
        EXECUTE format(
            'ALTER TABLE instant_credit.%I ATTACH PARTITION instant_credit.%I FOR VALUES FROM (MINVALUE) TO (%L)',
            parent, parent || '_earlier', bound
        );
        EXECUTE format(
            'CREATE TRIGGER %I BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.%I'
            ' FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change()',
            parent || '_append_only', parent
        );
    END LOOP;
    PERFORM instant_credit.add_partitions('default', 'DEFAULT');
END
$$;

GRANT SELECT, INSERT ON instant_credit.cases, instant_credit.identities, instant_credit.decisions, instant_credit.repayment_events
    TO instant_credit_app;
GRANT SELECT ON instant_credit.cases, instant_credit.decisions, instant_credit.repayment_events TO instant_credit_reader;
