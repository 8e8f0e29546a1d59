"""Edge. The worker: takes jobs off the queue, runs them, and ends well when it is told to."""
