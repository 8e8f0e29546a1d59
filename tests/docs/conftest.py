"""The lender that the examples talk to."""

from tests.lender import documents, house

__all__ = ["documents", "house"]
