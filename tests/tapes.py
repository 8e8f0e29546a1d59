"""Finds the real tapes beside the repository. Without them the tests that need one are skipped loudly; under REQUIRE_TAPES=1 they fail."""

import os
from pathlib import Path

import pytest

TAPES = Path(__file__).resolve().parents[2] / "shared" / "data"
LENDING_CLUB_2007_2011 = "lending_club_2007_2011.parquet"
LENDING_CLUB_2016Q1 = "lending_club_2016q1.parquet"
UCI_CREDIT_CARD_DEFAULT = "uci_credit_card_default.parquet"
SBA_NATIONAL_BALANCED = "sba_national_balanced.parquet"
CREDIT_DATA_ES = "credit_data_es.parquet"


def require_tape(name: str) -> Path:
    """Path of a real tape; skips the calling test, or fails it under REQUIRE_TAPES=1, when the tape isn't there."""
    path = TAPES / name
    if path.is_file():
        return path
    message = f"the real tape {name} is not at {TAPES}"
    if os.environ.get("REQUIRE_TAPES") == "1":
        pytest.fail(f"{message}, and REQUIRE_TAPES=1 is set")
    pytest.skip(f"LEFT OUT: {message}")
