-- Sketches: what monitoring keeps of the Cases that one release decided on one day, as counts by bin of its reference; nobody can be told
-- from them. A day whose Cases grew in number (a tape imported later) is sketched again under the next revision; the greatest one counts.
CREATE TABLE instant_credit.sketches (
    book text NOT NULL CHECK (char_length(book) BETWEEN 1 AND 64),
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    release_hash text NOT NULL CHECK (char_length(release_hash) = 64),
    reference_hash text NOT NULL CHECK (char_length(reference_hash) = 64),
    day_on date NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    cases bigint NOT NULL CHECK (cases >= 0),
    erased bigint NOT NULL CHECK (erased >= 0),
    variable_counts bigint[] NOT NULL,
    score_counts bigint[] NOT NULL,
    outcome_counts bigint[] NOT NULL,
    reason_codes text[] NOT NULL,
    reason_counts bigint[] NOT NULL,
    grid_counts bigint[] NOT NULL,
    grid_pd_ppm_sums bigint[] NOT NULL,
    offered_counts bigint[] NOT NULL,
    offered_pd_ppm_sums bigint[] NOT NULL,
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (book, day_on, release_hash, reference_hash, revision)
);

CREATE TRIGGER sketches_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.sketches
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.sketches TO instant_credit_app;
GRANT SELECT ON instant_credit.sketches TO instant_credit_reader;
