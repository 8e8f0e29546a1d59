-- More of a loan's life: days past due, and events that stand in the place of others. What was recorded before has neither.
-- The number decides races: of two events that were judged on the same history of a Case one is written, and the other one is judged again.
-- Events that come with a tape have none.
ALTER TABLE instant_credit.repayment_events
    ADD COLUMN days_past_due integer,
    ADD COLUMN corrects uuid,
    ADD COLUMN number integer CONSTRAINT repayment_events_number_check CHECK (number >= 1),
    DROP CONSTRAINT repayment_events_kind_check,
    ADD CONSTRAINT repayment_events_kind_check CHECK (
        kind IN (
            'paid', 'charged_off', 'recovered', 'current', 'delinquent', 'disbursed', 'instalment_due', 'payment', 'missed',
            'days_past_due', 'restructured', 'prepaid', 'fraud', 'deceased', 'dispute', 'void'
        )
    ),
    ADD CONSTRAINT repayment_events_days_past_due_check CHECK (
        (kind = 'days_past_due') = (days_past_due IS NOT NULL) AND days_past_due BETWEEN 0 AND 10000
    ),
    ADD CONSTRAINT repayment_events_corrects_check CHECK (corrects <> event_id AND (kind <> 'void' OR corrects IS NOT NULL));

CREATE UNIQUE INDEX repayment_events_by_number ON instant_credit.repayment_events (bucket, case_id, number);
