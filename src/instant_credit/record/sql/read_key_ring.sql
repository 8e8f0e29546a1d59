-- Purpose: the fingerprint of the key ring that this record was made with.
-- Relies on the primary key of key_rings.
SELECT fingerprint FROM key_rings WHERE ring = 1
