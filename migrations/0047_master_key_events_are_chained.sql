-- Who made a master key current, or retired one, leaves a link like every other fact.
-- What was written down before is linked here, one row a link, by a writer of its own, as record/chain.py would: a row is five values in
-- MessagePack. A record without any link is adopted as a whole when it is opened next.
DO $$
DECLARE
    writer CONSTANT uuid := '00000000-0000-0000-0000-000000000001';
    place bigint := 0;
    previous bytea := sha256('\x696e7374616e742d63726564697420636861696e203100'::bytea || uuid_send(writer));
    event record;
    packed bytea;
    word text;
    size integer;
    microseconds bigint;
BEGIN
    IF NOT EXISTS (SELECT FROM instant_credit.links) THEN
        RETURN;
    END IF;
    FOR event IN
        SELECT master_key_id, kind, actor_kind, actor_id, recorded_at
        FROM instant_credit.master_key_events
        ORDER BY recorded_at, master_key_id, kind
    LOOP
        packed := '\x95';
        FOREACH word IN ARRAY ARRAY[event.master_key_id, event.kind, event.actor_kind, event.actor_id] LOOP
            size := octet_length(convert_to(word, 'UTF8'));
            packed := packed || CASE
                WHEN size < 32 THEN substr(int2send((160 + size)::smallint), 2)
                WHEN size < 256 THEN '\xd9'::bytea || substr(int2send(size::smallint), 2)
                ELSE '\xda'::bytea || int2send(size::smallint)
            END || convert_to(word, 'UTF8');
        END LOOP;
        microseconds := (extract(epoch FROM event.recorded_at) * 1000000)::bigint;
        packed := packed || CASE
            WHEN microseconds % 1000000 = 0 THEN '\xd6ff'::bytea || substr(int8send(microseconds / 1000000), 5)
            ELSE '\xd7ff'::bytea || int8send(((microseconds % 1000000 * 1000) << 34) | (microseconds / 1000000))
        END;
        packed := sha256('\x00'::bytea || convert_to('master_key_events', 'UTF8') || '\x00'::bytea || packed);
        previous := sha256(
            '\x02'::bytea || uuid_send(writer) || int8send(place) || previous || packed || int8send(microseconds)
        );
        INSERT INTO instant_credit.links (writer_id, seq, link, leaves, recorded_at)
        VALUES (writer, place, previous, packed, event.recorded_at);
        place := place + 1;
    END LOOP;
END
$$;

-- Says whether this call wrote it down, for the link. It has another name than before: a command of a former version must not read its answer.
DROP FUNCTION instant_credit.retire_master_key;

CREATE FUNCTION instant_credit.end_master_key(
    ended_key_id text, ended_actor_kind text, ended_actor_id text, ended_at timestamptz
) RETURNS TABLE (is_retired boolean, is_new boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    LOCK TABLE sealed_keys.person_keys IN SHARE MODE;
    is_retired := NOT EXISTS (SELECT FROM sealed_keys.person_keys WHERE person_keys.master_key_id = ended_key_id);
    is_new := false;
    IF is_retired THEN
        INSERT INTO instant_credit.master_key_events (master_key_id, kind, actor_kind, actor_id, recorded_at)
        VALUES (ended_key_id, 'retired', ended_actor_kind, ended_actor_id, ended_at)
        ON CONFLICT (master_key_id, kind) DO NOTHING;
        is_new := FOUND;
    END IF;
    RETURN NEXT;
END
$$;

REVOKE EXECUTE ON FUNCTION instant_credit.end_master_key FROM PUBLIC;
