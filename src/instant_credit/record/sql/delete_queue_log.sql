-- Purpose: throw old rows of the queue library's log away, the oldest first.
-- $1 timestamptz: before; $2 bigint: most rows
-- Relies on pgqueuer_log_created.
DELETE FROM pgqueuer_log
WHERE pgqueuer_log.id IN (
    SELECT oldest.id FROM pgqueuer_log AS oldest WHERE oldest.created < $1 ORDER BY oldest.created LIMIT $2
)
