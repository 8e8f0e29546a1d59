"""The lender that these tests talk to."""

from tests.lender import documents, house

__all__ = ["documents", "house"]
