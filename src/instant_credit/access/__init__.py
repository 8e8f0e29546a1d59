"""Pure. Who may do what: actors, scopes, keys."""
