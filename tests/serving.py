"""Runs the command line as installed, and writes down at the end which modules the process had loaded."""

import json
import sys
from pathlib import Path

from instant_credit.commands import cli

if __name__ == "__main__":
    modules = Path(sys.argv[1])
    try:
        cli(sys.argv[2:])
    finally:
        modules.write_text(json.dumps(sorted(sys.modules)))
