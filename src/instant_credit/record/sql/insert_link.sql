-- Purpose: append a link by itself.
-- $1 uuid: writer; $2 bigint: number; $3 bytea: hash; $4 bytea: leaves; $5 timestamptz: recorded at
-- Relies on the primary key of links.
INSERT INTO links (writer_id, seq, link, leaves, recorded_at)
VALUES ($1, $2, $3, $4, $5)
