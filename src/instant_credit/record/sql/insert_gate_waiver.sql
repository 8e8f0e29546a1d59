-- Purpose: keep the proposal to waive a gate of a report, with its link.
-- $1 uuid: waiver id; $2 text: content hash of the report; $3 text: gate; $4 text: reason; $5 date: last day; $6 text: actor kind;
-- $7 text: actor id; $8 timestamptz: recorded at; $9 text: client id of a key, or NULL
-- $10..$14 link: writer_id uuid, seq bigint, link bytea, leaves bytea, recorded_at timestamptz
-- Relies on the primary keys of documents and links.
WITH appended AS (
    INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
    VALUES ($10, $11, $12, $13, $14)
)
INSERT INTO gate_waivers (waiver_id, report_hash, gate, reason, until_on, actor_kind, actor_id, recorded_at, client_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
