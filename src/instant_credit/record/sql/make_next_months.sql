-- Purpose: make the partitions of this month and the three after it; returns how many of them are missing still.
-- Relies on no index: it reads the catalogue.
SELECT instant_credit.make_next_months()
