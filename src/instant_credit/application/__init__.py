"""Pure. What we are told: the product document, the facts of an application, checks at the door."""
