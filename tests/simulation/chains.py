"""The hash chain of a simulated database: whatever crashed, every row has its leaf, once, and every writer's links follow each other."""

from collections import Counter
from itertools import groupby
from typing import Any

from instant_credit.record.chain import compose_link, leaf_of, split_leaves
from instant_credit.verify_receipt import begin_chain

COVERED = ("cases", "identities", "decisions", "idempotency_keys", "repayment_events")


def check_chain(tables: dict[str, list[dict[str, Any]]]) -> None:
    links = sorted(tables["instant_credit.links"], key=lambda link: (link["writer_id"], link["seq"]))
    for writer, own in groupby(links, key=lambda link: link["writer_id"]):
        previous = begin_chain(writer.bytes)
        for seq, link in enumerate(own):
            assert link["seq"] == seq, "a writer's links have a gap"
            leaves = split_leaves(link["leaves"])
            assert compose_link(writer, seq, previous, leaves, link["recorded_at"]).link == link["link"]
            previous = link["link"]
    leaves_of_rows = Counter(
        leaf_of(table, _as_stored(row)) for table in COVERED for row in tables[f"instant_credit.{table}"]
    )
    assert leaves_of_rows == Counter(leaf for link in links for leaf in split_leaves(link["leaves"]))


def _as_stored(row: dict[str, Any]) -> tuple[Any, ...]:
    """The row as its scan tells it: lists as the texts of their arrays."""
    return tuple("{" + ",".join(map(str, one)) + "}" if isinstance(one, list) else one for one in row.values())
