"""`instant-credit layers put`, `show`: which parts of a release experiments may replace together, and what of them is claimed."""

import asyncio
import os
from typing import Final

import click
import msgspec
from rich.table import Table

from instant_credit.access.actors import Actor
from instant_credit.commands.documents import read_document
from instant_credit.commands.operators import by_option
from instant_credit.commands.tables import print_table
from instant_credit.errors import NotFound, Refused
from instant_credit.experiment.layers import Layers, read_layers
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.experiment_life import ExperimentDesk
from instant_credit.underwriting.experiment_states import ExperimentLife

_NO_RELEASE: Final = "make one live first (`instant-credit release activate`)"
_NO_LAYERS: Final = "put some (`instant-credit layers put`); shipped ones hold without being put"


@click.group("layers")
def layers_group() -> None:
    """Say which parts of a release experiments may replace together (docs/experiments.md)."""


@layers_group.command("put")
@click.argument("document", metavar="FILE")
@by_option
def put_command(*, document: str, actor: Actor) -> None:
    """Record the layers in FILE (TOML, or shipped ones by their product's name), which hold for their product from then on.

    Running experiments keep what they claim: a document that takes a layer, part, unit, bucket or the salt from one is refused. Layers that
    hold already change nothing.
    """
    layers = read_layers(read_document("layers", document))

    async def put() -> str:
        async with open_record(read_settings(os.environ)) as record:
            return await ExperimentDesk(record).put_layers(layers, actor)

    try:
        content_hash = asyncio.run(put())
    except NotFound as absent:
        raise Refused(f"no release of {layers.product} is live, so its layers fit nothing: {_NO_RELEASE}") from absent
    click.echo(f"Layers of {layers.product}: {content_hash}")


@layers_group.command("show")
@click.argument("product")
@click.option("--json", "is_json", is_flag=True, help="Print the document as JSON.")
def show_command(*, product: str, is_json: bool) -> None:
    """Show the layers that hold for PRODUCT, and which of their 1,000,000 buckets running experiments claim."""
    content_hash, layers, running = asyncio.run(_read(product))
    if is_json:
        click.echo(msgspec.json.format(msgspec.json.encode(layers), indent=2).decode())
        return
    click.echo(f"{product}: {content_hash}, salt {layers.salt}")
    table = Table("layer", "parts", "drawn by", "holdout ppm", "claimed by running experiments")
    for layer in layers.layers:
        claims = [_tell_claim(life) for life in running if life.plan.layer == layer.name]
        table.add_row(layer.name, ", ".join(layer.parts), layer.unit, f"{layer.holdout_ppm:,}", "; ".join(claims))
    print_table(table)


async def _read(product: str) -> tuple[str, Layers, list[ExperimentLife]]:
    """Hash of the product's layers, the layers, and its running experiments by their first bucket."""
    async with open_record(read_settings(os.environ)) as record:
        desk = ExperimentDesk(record)
        try:
            content_hash, layers = await desk.read_layers(product)
        except NotFound as absent:
            raise Refused(f"product {product} has no layers: {_NO_LAYERS}") from absent
        running = [life for life in await desk.read_running() if life.planned.product == product]
    return content_hash, layers, sorted(running, key=lambda life: life.reach or (0, 0))


def _tell_claim(life: ExperimentLife) -> str:
    from_ppm, to_ppm = life.reach or (0, 0)
    return f"{life.planned.experiment} {life.planned.name}: {from_ppm:,} to {to_ppm:,}"
