"""Keeping a package from being imported where it's looked for and not needed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def barred(package: str) -> Iterator[None]:
    """Keep a package that is not loaded yet from being imported, as if it were not installed."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # None makes it unimportable
    try:
        yield
    finally:
        del sys.modules[package]
