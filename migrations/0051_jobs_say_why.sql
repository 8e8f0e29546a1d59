-- Which trigger asked for a job, and why it was asked for, in words; both are left open where a person asked.
ALTER TABLE instant_credit.jobs
    ADD COLUMN trigger_name text CHECK (char_length(trigger_name) BETWEEN 1 AND 63),
    ADD COLUMN reasons text CHECK (char_length(reasons) BETWEEN 1 AND 1000);

CREATE INDEX jobs_by_trigger ON instant_credit.jobs (trigger_name, kind, recorded_at DESC) WHERE trigger_name IS NOT NULL;
