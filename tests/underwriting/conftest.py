"""The release that these tests decide with."""

from tests.lender import documents

__all__ = ["documents"]
