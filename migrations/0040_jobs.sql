-- Jobs: who asked for what, and what became of it. A job's state follows from its events; the queue beside them only says who is next.
CREATE TABLE instant_credit.jobs (
    job_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (char_length(kind) BETWEEN 1 AND 64),
    weight text NOT NULL CHECK (weight IN ('heavy', 'light')),
    arguments bytea NOT NULL CHECK (octet_length(arguments) BETWEEN 2 AND 16384),
    natural_key text UNIQUE CHECK (char_length(natural_key) BETWEEN 1 AND 128),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL
);

CREATE INDEX jobs_by_time ON instant_credit.jobs (recorded_at DESC, job_id DESC);

CREATE TRIGGER jobs_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.jobs
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

-- Numbered one by one: of two workers that hold a job at once, the second to write a number learns that it has lost the job.
CREATE TABLE instant_credit.job_events (
    job_id uuid NOT NULL REFERENCES instant_credit.jobs,
    number integer NOT NULL CHECK (number BETWEEN 1 AND 100000),
    kind text NOT NULL CHECK (
        kind IN ('begun', 'step_begun', 'step_finished', 'given_back', 'cancel_asked', 'retried', 'succeeded', 'failed', 'cancelled')
    ),
    step text CHECK (char_length(step) BETWEEN 1 AND 64),
    result_hash text CHECK (char_length(result_hash) = 64),
    words text CHECK (char_length(words) BETWEEN 1 AND 1000),
    worker_id uuid,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (job_id, number),
    CHECK ((kind IN ('step_begun', 'step_finished')) = (step IS NOT NULL)),
    CHECK ((kind = 'step_finished') = (result_hash IS NOT NULL))
);

CREATE TRIGGER job_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.job_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.jobs, instant_credit.job_events TO instant_credit_app;
GRANT SELECT ON instant_credit.jobs, instant_credit.job_events TO instant_credit_reader;
