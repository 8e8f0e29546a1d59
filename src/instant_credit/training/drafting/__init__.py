"""Edge. A first product and mapping for a tape that was never seen: what each column seems to be, and how sure that is."""
