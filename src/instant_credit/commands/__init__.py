"""The command line: one module a subject, composed here."""
