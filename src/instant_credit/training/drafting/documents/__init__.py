"""Edge. The draft as product and mapping, with what a person must check."""
