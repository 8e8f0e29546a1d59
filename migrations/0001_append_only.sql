-- Facts are inserted and never changed: every table of facts carries this trigger.
CREATE FUNCTION instant_credit.refuse_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'facts are append-only: % on % is refused', tg_op, tg_table_name
        USING ERRCODE = 'insufficient_privilege';
END
$$;

GRANT USAGE ON SCHEMA instant_credit TO instant_credit_app, instant_credit_reader;
