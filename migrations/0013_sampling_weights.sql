-- How many loans of the population a Case stands for: a book that was drawn from a larger one, or drawn by outcome, is weighed back by it.
-- Like all of a Case it never changes. NaN and infinity are above the bound.
ALTER TABLE instant_credit.cases
    ADD COLUMN sampling_weight double precision NOT NULL DEFAULT 1 CHECK (sampling_weight > 0 AND sampling_weight <= 1e9);
