"""The memo of an experiment as a page: what was planned, what came, and what follows, with every number's source. Edge."""
