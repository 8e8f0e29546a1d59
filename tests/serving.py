"""Runs the command line as installed, and writes down at the end which modules the process had loaded.

Packages named in TESTS_ABSENT are kept from being imported, as if they were not installed.
"""

import json
import os
import sys
from pathlib import Path

for package in os.environ.get("TESTS_ABSENT", "").split():
    sys.modules[package] = None  # type: ignore[assignment] # None makes it unimportable

from instant_credit.commands import cli  # noqa: E402 after the packages are barred

if __name__ == "__main__":
    modules = Path(sys.argv[1])
    try:
        cli(sys.argv[2:])
    finally:
        modules.write_text(json.dumps(sorted(name for name, module in sys.modules.items() if module is not None)))
