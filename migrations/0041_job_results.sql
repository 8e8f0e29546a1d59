-- What finished steps of a job came to, by content hash, for as long as the job may go on with them; and how far the present step is.
-- Neither is a fact: an event names the hash of every result, and what a job is for is recorded as documents of its own.
CREATE TABLE instant_credit.job_results (
    job_id uuid NOT NULL REFERENCES instant_credit.jobs,
    content_hash text NOT NULL CHECK (char_length(content_hash) = 64),
    body bytea NOT NULL CHECK (octet_length(body) <= 268435456),
    PRIMARY KEY (job_id, content_hash)
);

CREATE TABLE instant_credit.job_progress (
    job_id uuid PRIMARY KEY REFERENCES instant_credit.jobs,
    stage text NOT NULL CHECK (char_length(stage) BETWEEN 1 AND 64),
    done bigint NOT NULL CHECK (done >= 0),
    total bigint CHECK (total >= 0),
    told_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, DELETE ON instant_credit.job_results TO instant_credit_app;
GRANT SELECT, INSERT, UPDATE ON instant_credit.job_progress TO instant_credit_app;
GRANT SELECT ON instant_credit.job_progress TO instant_credit_reader;
