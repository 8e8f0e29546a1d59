"""Edge. The system of record: Postgres (embedded or given), migrations, sealing, ids, commits and reads.

`pool.open_record` gives the `Record` that every other function here takes. Facts are inserted, never changed; evidence and
identity are sealed under a key of the person they belong to.
"""
