"""Pure. Case, decide() and Decision: the one place where a credit decision is made."""
