-- Purpose: write down that a master key became current; a second time changes nothing.
-- $1 text: master key id; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at
-- Relies on the primary key of master_key_events.
INSERT INTO instant_credit.master_key_events (master_key_id, kind, actor_kind, actor_id, recorded_at)
VALUES ($1, 'made_current', $2, $3, $4)
ON CONFLICT (master_key_id, kind) DO NOTHING
