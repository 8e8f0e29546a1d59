"""A process that uses the embedded Postgres of a home until its standard input ends."""

import sys
from pathlib import Path

from instant_credit.record.embedded import use_cluster

if __name__ == "__main__":
    with use_cluster(Path(sys.argv[1])):
        print("running", flush=True)
        sys.stdin.read()
