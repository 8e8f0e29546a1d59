"""A home of the benchmark's own: an embedded database and keys below var/, deleted at the end with all that was recorded in them."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from instant_credit.record.embedded import destroy_cluster
from instant_credit.settings import CLIENT_RATE, DATABASE_OWNER_URL, DATABASE_URL, HOME, KEY_RING, Settings

VAR = Path(__file__).resolve().parents[1] / "var"


@contextmanager
def own_home() -> Iterator[Settings]:
    """Settings of a new home, for as long as the block runs."""
    VAR.mkdir(exist_ok=True)
    folder = Path(mkdtemp(prefix="bench-", dir=VAR))
    home = folder / "home"
    try:
        yield Settings(home=home, key_ring=home / "keys" / "ring.json")
    finally:
        destroy_cluster(home)
        shutil.rmtree(folder)


def environ_of(settings: Settings) -> dict[str, str]:
    """The environment that makes a process of ours use `settings`, whatever this one was told; a client may ask without limit."""
    unset = dict.fromkeys((DATABASE_URL, DATABASE_OWNER_URL, KEY_RING), "")
    return {**os.environ, **unset, HOME: str(settings.home), CLIENT_RATE: "0"}
