-- Purpose: keep the approval of a waiver, with its link. A unique violation means that it was approved already, a check violation that
-- who approves proposed it.
-- $1 uuid: waiver id; $2 text: actor kind; $3 text: actor id; $4 timestamptz: recorded at; $5 text: client id of a key, or NULL
-- $6..$10 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of gate_waivers, gate_waiver_approvals and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($6, $7, $8, $9, $10)
)
INSERT INTO gate_waiver_approvals (waiver_id, actor_kind, actor_id, recorded_at, client_id)
VALUES ($1, $2, $3, $4, $5)
