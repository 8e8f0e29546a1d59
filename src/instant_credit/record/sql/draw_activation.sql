-- Purpose: draw the number of the next activation.
-- Relies on the sequence of release_activations.
SELECT nextval(pg_get_serial_sequence('release_activations', 'activation')) AS activation
