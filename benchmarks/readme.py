"""Writes the tables of README.md from the benchmarks' JSON, between their markers."""

import json
import re
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def table_of(suite: str) -> str:
    """Markdown of one suite's object."""
    body = json.loads((RESULTS / f"{suite}.json").read_text())
    rows = ["| case | who | p50 | p99 | p99.9 | n |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for case in body["cases"]:
        for who, found in {"ours": case["ours"], **case["peers"]}.items():
            rows.append(
                f"| {case['case']} | {who} | {found['p50']:,.1f} {case['unit']} | {found['p99']:,.1f} {case['unit']} "
                f"| {found['p99_9']:,.1f} {case['unit']} | {found['n']:,} |"
            )
    seen = f"Measured on {body['machine']['cpu']}, {body['machine']['cores']} cores, commit {body['commit']}."
    return "\n".join([*rows, "", seen])


def rewrite(path: Path) -> list[str]:
    """Replace what stands between `<!-- benchmark: SUITE -->` and `<!-- end -->`; return the suites written."""
    written: list[str] = []

    def fill(match: re.Match[str]) -> str:
        written.append(match[1])
        return f"<!-- benchmark: {match[1]} -->\n{table_of(match[1])}\n<!-- end -->"

    path.write_text(re.sub(r"<!-- benchmark: ([a-z-]+) -->\n.*?<!-- end -->", fill, path.read_text(), flags=re.DOTALL))
    return written
