-- A client's reads of its own applications are written down, too: what it reads them for is its service to the applicant.
ALTER TABLE instant_credit.personal_data_reads
    DROP CONSTRAINT personal_data_reads_purpose_check,
    ADD CONSTRAINT personal_data_reads_purpose_check
        CHECK (purpose IN ('review', 'audit', 'complaint', 'legal', 'person_request', 'support', 'service'));
