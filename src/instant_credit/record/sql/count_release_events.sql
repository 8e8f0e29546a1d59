-- Purpose: the number of each product's last event.
-- Relies on the primary key of release_events.
SELECT product, max(number) AS number FROM release_events GROUP BY product
