"""Edge. The home: the folder of the embedded database, the key ring, tapes, rejects and reports. Nobody else reads it."""

import os
from pathlib import Path


def make_home(home: Path) -> None:
    """Make the home unless it is there. Others may pass through one that root makes, because Postgres runs as another user;
    they cannot list it.
    """
    if not home.exists():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner alone, unless it is there; a home below which others pass does not protect what lies in it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
