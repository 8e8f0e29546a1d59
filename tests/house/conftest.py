"""The documents that these tests bend."""

from tests.lender import documents

__all__ = ["documents"]
