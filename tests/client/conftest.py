"""The lender that the clients talk to."""

from tests.lender import documents, house

__all__ = ["documents", "house"]
