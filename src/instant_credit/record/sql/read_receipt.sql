-- Purpose: a Decision as a leaf covers it (the columns of scan_decisions, in their order), its link and the person's data key.
-- $1 smallint: bucket; $2 uuid: decision id; $3 uuid: least and $4 uuid: greatest id of its millisecond, which is its Case's
-- Relies on the primary keys of cases, links and person_keys and on the unique (bucket, decision_id) of every partition of decisions; $3
--   and $4 choose the partitions.
SELECT
    decisions.bucket,
    decisions.decision_id,
    decisions.commitment,
    decisions.case_id,
    decisions.release_hash,
    decisions.client_id,
    decisions.outcome,
    decisions.sealed_decision,
    decisions.sealed_answer,
    decisions.stage_ns::text,
    decisions.recorded_at,
    decisions.actor_kind,
    decisions.actor_id,
    decisions.writer_id,
    decisions.link_seq,
    links.leaves,
    links.recorded_at AS linked_at,
    former.link AS previous,
    cases.person_id,
    cases.key_id,
    person_keys.master_key_id,
    person_keys.wrapped_key
FROM decisions
INNER JOIN cases ON cases.bucket = decisions.bucket AND cases.case_id = decisions.case_id
INNER JOIN links ON links.writer_id = decisions.writer_id AND links.seq = decisions.link_seq
LEFT JOIN links AS former ON former.writer_id = decisions.writer_id AND former.seq = decisions.link_seq - 1
LEFT JOIN sealed_keys.person_keys ON person_keys.bucket = cases.bucket AND person_keys.key_id = cases.key_id
WHERE decisions.bucket = $1 AND decisions.decision_id = $2
    AND decisions.case_id BETWEEN $3 AND $4 AND cases.case_id BETWEEN $3 AND $4
