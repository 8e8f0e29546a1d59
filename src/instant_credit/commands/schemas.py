"""`instant-credit schemas`: what callers may send and what is recorded, as JSON Schema and OpenAPI."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from instant_credit.api.openapi import OfferedProduct, build_openapi
from instant_credit.application.document import load_product
from instant_credit.application.door import Door
from instant_credit.application.product import Product
from instant_credit.decision.case import Case
from instant_credit.decision.decision import Decision
from instant_credit.decision.gate_report import GateReport
from instant_credit.decision.release import Manifest
from instant_credit.experiment.caps import Caps
from instant_credit.experiment.exploration import Programme
from instant_credit.experiment.layers import Layers
from instant_credit.experiment.plan import Plan
from instant_credit.outcome.alerts import AlertRules
from instant_credit.outcome.definition import LabelDefinition
from instant_credit.outcome.losses import LossTable
from instant_credit.policy.document import Policy
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.training.gates.thresholds import Thresholds
from instant_credit.training.tapes.parts import TapeMapping

STRUCTS: Final = {
    "product": Product,
    "policy": Policy,
    "tape_mapping": TapeMapping,
    "case": Case,
    "decision": Decision,
    "release": Manifest,
    "gate_thresholds": Thresholds,
    "gate_report": GateReport,
    "labels": LabelDefinition,
    "losses": LossTable,
    "alert_rules": AlertRules,
    "plan": Plan,
    "layers": Layers,
    "exploration": Programme,
    "caps": Caps,
}


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; end with status 1 when a file differs.")
def schemas(directory: Path, check: bool) -> None:
    """Write the shipped products' and the records' schemas into DIRECTORY."""
    stale = []
    for name, document in sorted(_documents().items()):
        path = directory / name
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        if path.exists() and path.read_text() == text:
            continue
        stale.append(str(path))
        if not check:
            directory.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            click.echo(f"written: {path}")
    if check and stale:
        click.echo(f"these differ from the code; run `make schemas`: {', '.join(stale)}", err=True)
        sys.exit(1)


def _documents() -> dict[str, Any]:
    """Every exported document by file name."""
    products = [load_product(read_starter("products", name)) for name in list_starters("products")]
    offered = [
        OfferedProduct(name=p.name, title=p.title, body=Door(p).json_schema(), is_priced=p.is_priced) for p in products
    ]
    found: dict[str, Any] = {f"application.{product.name}.json": product.body for product in offered}
    found |= {f"{name}.json": msgspec.json.schema(struct) for name, struct in STRUCTS.items()}
    found["openapi.json"] = build_openapi(offered)
    return found
