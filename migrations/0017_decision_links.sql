-- Where a Decision's leaf is, and a salted commitment to the Decision, which its receipt opens. Decisions recorded before have neither.
ALTER TABLE instant_credit.decisions
    ADD COLUMN commitment bytea CHECK (octet_length(commitment) = 32),
    ADD COLUMN writer_id uuid,
    ADD COLUMN link_seq bigint;
