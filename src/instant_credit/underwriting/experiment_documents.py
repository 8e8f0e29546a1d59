"""Edge. What a plan is judged by: its product as the live release knows it, its layers, and the releases that its arms are made of.

    plan ─► live release ─► product, layers ─► checks of the plan ─► releases of the arms: may they decide? ─► laid over the live one: do they fit?

A plan is judged when it is planned and again when it is started. The layers of a product are the document recorded last; where none was, the
shipped one is recorded, so that whoever assigns and whoever reads later find the same.
"""

import asyncio
from collections.abc import Iterable

from instant_credit.access.actors import Actor
from instant_credit.application.document import decode_product
from instant_credit.application.product import Product
from instant_credit.canonical import hash_content
from instant_credit.decision.overlay import Parts, overlay
from instant_credit.decision.release import compose_release
from instant_credit.errors import NotFound, Refused
from instant_credit.experiment.assignment import Table
from instant_credit.experiment.checks import check_layers, check_plan
from instant_credit.experiment.layers import Layers, decode_layers, encode_layers, read_layers
from instant_credit.experiment.plan import Part, Plan
from instant_credit.experiment.planner import plan_duration
from instant_credit.record.documents import DocumentKind, get_document, list_documents, put_document
from instant_credit.record.pool import Record
from instant_credit.record.shipped import list_starters, read_starter
from instant_credit.underwriting.experiment_moves import ExperimentConflict, refuse
from instant_credit.underwriting.experiment_states import ExperimentLife
from instant_credit.underwriting.programmes import read_programmes
from instant_credit.underwriting.release_life import ReleaseDesk
from instant_credit.underwriting.releases import live_releases, read_parts


async def find_layers(record: Record, product: str) -> tuple[str, Layers]:
    """Hash of the product's layers and the layers: those recorded last, else the shipped ones.

    Raises
    ------
    NotFound : neither are there.
    """
    for row in reversed(await list_documents(record, DocumentKind.LAYERS)):
        layers = decode_layers(await get_document(record, row.content_hash))
        if layers.product == product:
            return row.content_hash, layers
    if product not in list_starters("layers"):
        raise NotFound("layers of product", product)
    layers = read_layers(read_starter("layers", product))
    return hash_content(encode_layers(layers)), layers


async def put_layers(record: Record, layers: Layers, running: Iterable[ExperimentLife], actor: Actor) -> str:
    """Record the layers of a product, which hold from then on; their hash. Those that hold already change nothing.

    Parameters
    ----------
    running : every running experiment; those of the product must keep their buckets.

    Raises
    ------
    ExperimentConflict : a running experiment would lose its layer, parts, unit or buckets, or a running exploration programme its salt, or
        others were recorded after these.
    Refused : they don't fit the product.
    NotFound : no release of the product is live.
    """
    product, _ = await _read_live(record, layers.product)
    check_layers(layers, product)
    content_hash = hash_content(encode_layers(layers))
    try:
        held_hash, held = await find_layers(record, layers.product)
    except NotFound:
        pass
    else:
        await _require_salt(record, layers, held)
        _require_kept(layers, held, [life for life in running if life.planned.product == layers.product])
        recorded = {row.content_hash for row in await list_documents(record, DocumentKind.LAYERS)}
        if content_hash in recorded and content_hash != held_hash:
            raise ExperimentConflict(
                "these layers were recorded before, and others after them: a document counts from when it was recorded first, so "
                "change something in it, such as the salt while no experiment runs"
            )
    await put_document(record, DocumentKind.LAYERS, encode_layers(layers), actor)
    return content_hash


async def require_plan(record: Record, plan: Plan, releases: ReleaseDesk, actor: Actor) -> Layers:
    """The layers that the plan is of, which are in the record then.

    Raises
    ------
    ExperimentRefused : the plan doesn't fit its product or layers, looks for an effect too small for anyone, or an arm can't be made of the releases that it names.
    """
    try:
        product, live = await _read_live(record, plan.product)
        _, layers = await find_layers(record, plan.product)
    except NotFound as absent:
        what = (
            "put its layers first (`instant-credit layers put`)"
            if absent.kind.startswith("layers")
            else "activate one first"
        )
        refuse([f"product: {absent}: {what}"])
    try:
        check_plan(plan, product, layers)
        await asyncio.to_thread(plan_duration, plan)
    except Refused as error:
        first, *lines = str(error).splitlines()
        refuse([line.removeprefix("- ") for line in lines] or [first])
    obstacles = await _find_obstacles(record, plan, live, releases)
    if obstacles:
        refuse(obstacles)
    await put_document(record, DocumentKind.LAYERS, encode_layers(layers), actor)
    return layers


async def _require_salt(record: Record, layers: Layers, held: Layers) -> None:
    """Raise `ExperimentConflict` where the salt changes under an exploration programme that has not ended."""
    recorded = (await read_programmes(record)).get(layers.product) if layers.salt != held.salt else None
    if recorded is not None and recorded.end is None and recorded.programme.ends_on >= record.clock.now().date():
        raise ExperimentConflict(
            f"the exploration programme {recorded.programme.name} of {layers.product} runs, so the salt stays {held.salt}: stop it first"
        )


def _require_kept(layers: Layers, held: Layers, running: list[ExperimentLife]) -> None:
    """Running experiments keep salt, layer, parts, unit and buckets."""
    if not running:
        return
    if layers.salt != held.salt:
        raise ExperimentConflict(f"experiments of {layers.product} run, so the salt stays {held.salt}: stop them first")
    try:
        Table(layers, [one.running for one in running if one.running is not None])
    except Refused as error:
        raise ExperimentConflict(f"{error}; it runs, so keep that or stop it first") from error
    for one in running:
        owned = layers.layer(one.plan.layer).parts
        for part in sorted({part for arm in one.plan.arms for part in arm.overlay} - set(owned)):
            raise ExperimentConflict(
                f"experiment {one.plan.name} runs and replaces part {part}, so layer {one.plan.layer} keeps it: stop it first"
            )


async def _read_live(record: Record, product: str) -> tuple[Product, Parts]:
    """The product as its live release knows it, and that release."""
    live = (await live_releases(record)).get(product)
    if live is None:
        raise NotFound("live release of product", product)
    parts = await _read(record, live)
    return decode_product(parts.documents[parts.manifest.product_hash]), parts


async def _read(record: Record, release_hash: str) -> Parts:
    manifest, documents = await read_parts(record, release_hash)
    return Parts(manifest=manifest, documents=documents)


async def _find_obstacles(record: Record, plan: Plan, live: Parts, releases: ReleaseDesk) -> list[str]:
    """Why arms can't be made of the releases that they name, a line each; empty where they can."""
    found: list[str] = []
    sources: dict[str, Parts] = {}
    for arm in plan.arms:
        laid: dict[Part, Parts] = {}
        for part, release_hash in sorted(arm.overlay.items()):
            obstacle = await releases.find_obstacle(release_hash, plan.product)
            if obstacle is not None:
                found.append(f"arm {arm.name}: {part} of release {release_hash}: {obstacle}")
                continue
            if release_hash not in sources:
                sources[release_hash] = await _read(record, release_hash)
            laid[part] = sources[release_hash]
        if laid and len(laid) == len(arm.overlay):
            try:
                await asyncio.to_thread(_prove, live, laid)
            except Refused as error:
                found.append(f"arm {arm.name}: does not fit the live release: {error}")
    return found


def _prove(live: Parts, laid: dict[Part, Parts]) -> None:
    """Raise Refused unless the parts make a release that decides."""
    made = overlay(live, laid)
    compose_release(made.manifest, made.documents)
