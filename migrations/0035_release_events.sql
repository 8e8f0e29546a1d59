-- What happens to the releases of a product, from proposal to retirement. Nothing is ever changed: every state follows from these events
-- and the clock. The number decides races: of two events of a product that both follow the same ones, one is written and the other one is
-- judged again. An activation or a rollback puts `release_hash` live from `active_at` on; a rollback names what it takes back.
CREATE TABLE instant_credit.release_events (
    product text NOT NULL CHECK (char_length(product) BETWEEN 1 AND 64),
    number integer NOT NULL CHECK (number >= 1),
    kind text NOT NULL CHECK (
        kind IN ('proposed', 'approved', 'rejected', 'staged', 'activated', 'rolled_back', 'retired')
    ),
    release_hash text NOT NULL REFERENCES instant_credit.documents (content_hash),
    stage text CHECK (stage IN ('shadow', 'challenger')),
    active_at timestamptz,
    former_hash text REFERENCES instant_credit.documents (content_hash),
    owner text CHECK (char_length(owner) BETWEEN 1 AND 64),
    tier text CHECK (tier IN ('high', 'medium', 'low')),
    review_on date,
    expires_on date,
    allowed_use text CHECK (char_length(allowed_use) BETWEEN 1 AND 400),
    reason text CHECK (char_length(reason) BETWEEN 1 AND 400),
    is_single_person boolean NOT NULL,
    client_id text CHECK (char_length(client_id) BETWEEN 1 AND 64),
    actor_kind text NOT NULL CHECK (actor_kind IN ('api_key', 'person', 'job')),
    actor_id text NOT NULL CHECK (char_length(actor_id) BETWEEN 1 AND 64),
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (product, number),
    CHECK ((kind = 'staged') = (stage IS NOT NULL)),
    CHECK ((kind IN ('activated', 'rolled_back')) = (active_at IS NOT NULL)),
    CHECK ((kind = 'rolled_back') = (former_hash IS NOT NULL)),
    CHECK ((kind = 'proposed') = (num_nonnulls(owner, tier, review_on, expires_on, allowed_use) = 5)),
    CHECK (kind = 'proposed' OR num_nonnulls(owner, tier, review_on, expires_on, allowed_use) = 0)
);

CREATE TRIGGER release_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON instant_credit.release_events
    FOR EACH STATEMENT EXECUTE FUNCTION instant_credit.refuse_change();

GRANT SELECT, INSERT ON instant_credit.release_events TO instant_credit_app;
GRANT SELECT ON instant_credit.release_events TO instant_credit_reader;
