-- Purpose: write down the fingerprint of the key ring that this record is made with; the first one stays.
-- $1 bytea: fingerprint; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at
-- Relies on the primary key of key_rings.
INSERT INTO key_rings (ring, fingerprint, actor_kind, actor_id, recorded_at)
VALUES (1, $1, $2, $3, $4)
ON CONFLICT (ring) DO NOTHING
