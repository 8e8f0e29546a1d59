"""A first policy for a lender who has none: cut-offs, prices and limits out of a book's own risk, with every assumption told."""
