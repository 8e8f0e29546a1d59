-- A job that succeeded may name the document that it left in the record: a judgement its report.
ALTER TABLE instant_credit.job_events
    ADD COLUMN document_hash text REFERENCES instant_credit.documents (content_hash),
    ADD CHECK (document_hash IS NULL OR kind = 'succeeded');
