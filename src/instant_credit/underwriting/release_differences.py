"""What differs between two releases, in words: engine, product, variables, policy, cut-offs, losses, model, calibration, reference.

Every sentence begins with the part that it is about. Parts are compared by what they say, not by their bytes; that two releases differ by
nothing but their hash is told as well.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import UNSET, Struct
from msgspec.structs import asdict

from instant_credit.application.product import Product
from instant_credit.canonical import encode_canonical
from instant_credit.decision.release import Composed, Reference
from instant_credit.outcome.losses import LossTable
from instant_credit.policy.document import Band, Policy
from instant_credit.score.bundle import Bundle
from instant_credit.score.calibration import Calibration
from instant_credit.units import PPM

DIFFERENCES_MAX: Final = 500
_VALUE_MAX: Final = 160
_NONE: Final = "none"
# What a policy is told by, besides its rules, guards, reasons, bands and cut-offs.
_POLICY_FIELDS: Final = (
    "name",
    "title",
    "apr_ppm_max",
    "model_variables_known_min",
    "amounts",
    "affordability",
    "exits",
    "offer_days",
    "losses",
)


def tell_differences(before: Composed, after: Composed) -> tuple[str, ...]:
    """One sentence a difference, the first `DIFFERENCES_MAX`; empty for a release and itself."""
    if before.release.hash == after.release.hash:
        return ()
    first, second = before.release, after.release
    found = [
        *_tell_engine(first.manifest.engine_version, second.manifest.engine_version),
        *_tell_product(first.product, second.product),
        *_tell_policy(first.policy.policy, second.policy.policy),
        *_tell_losses(first.losses, second.losses),
        *_tell_model(before.bundle, after.bundle, is_same=first.manifest.model_hash == second.manifest.model_hash),
        *_tell_reference(before.reference, after.reference),
    ]
    return tuple(found[:DIFFERENCES_MAX]) or ("nothing but the hash of a document: its bytes differ, not what it says",)


def _tell_engine(first: int, second: int) -> Iterable[str]:
    if first != second:
        yield f"engine: {first} -> {second}"


def _tell_product(first: Product, second: Product) -> Iterable[str]:
    yield from _tell_fields("product", first, second, ("name", "title", "currency", "roles"))
    for kind in ("attributes", "variables"):
        named = [{one.name: one for one in getattr(product, kind)} for product in (first, second)]
        yield from _tell_named(f"product: {kind.removesuffix('s')}", *named)
    order = [tuple(variable.name for variable in product.model_variables) for product in (first, second)]
    if order[0] != order[1] and set(order[0]) == set(order[1]):
        yield "product: the model variables stand in another order"


def _tell_policy(first: Policy, second: Policy) -> Iterable[str]:
    yield from _tell_fields("policy", first, second, _POLICY_FIELDS)
    for name in ("approve_below_ppm", "decline_from_ppm"):
        cuts = [getattr(policy.cut_offs, name) for policy in (first, second)]
        if cuts[0] != cuts[1]:
            yield f"cut-offs: {name} {_percent(cuts[0])} -> {_percent(cuts[1])}"
    rules = [{rule.id: rule for rule in policy.rules} for policy in (first, second)]
    yield from _tell_named("policy: rule", *rules)
    kept = [[rule for rule in one if rule in other] for one, other in zip(rules, reversed(rules), strict=True)]
    if kept[0] != kept[1]:
        yield "policy: the rules stand in another order of precedence"
    guards = [{guard.id: guard for guard in _known(policy.guards)} for policy in (first, second)]
    yield from _tell_named("policy: guard", *guards)
    reasons = [{reason.code: reason for reason in policy.reasons} for policy in (first, second)]
    yield from _tell_named("policy: reason", *reasons)
    yield from _tell_grid(first.grid, second.grid)


def _tell_grid(first: tuple[Band, ...], second: tuple[Band, ...]) -> Iterable[str]:
    if first == second:
        return
    yield f"prices: {_describe_grid(first)} -> {_describe_grid(second)}"
    bands = [
        {f"{_percent(band.pd_from_ppm)} to {_percent(band.pd_below_ppm)}": band for band in one}
        for one in (first, second)
    ]
    yield from _tell_named("prices: band of pd", *bands)


def _tell_losses(first: LossTable | None, second: LossTable | None) -> Iterable[str]:
    """What loans lose when they go bad, over all and by segment."""
    if first == second:
        return
    told = [
        _NONE if table is None else f"of book {table.book} as known on {table.known_on}" for table in (first, second)
    ]
    if told[0] != told[1]:
        yield f"losses: table {told[0]} -> {told[1]}"
    rows = [_share_by_segment(table) for table in (first, second)]
    for name in dict.fromkeys((*rows[0], *rows[1])):
        shares = [one.get(name, _NONE) for one in rows]
        if shares[0] != shares[1]:
            yield f"losses: {name}, of the amount lent {shares[0]} -> {shares[1]}"


def _share_by_segment(table: LossTable | None) -> dict[str, str]:
    """By all loans and by each segment with figures of its own, what is lost of the amount lent."""
    if table is None:
        return {}
    own = {f"{table.attribute} {row.segment}": row for row in table.segments if row.is_own}
    return {
        name: _NONE if row.lost_share is None else f"{row.lost_share:.1%}"
        for name, row in {"all loans": table.total, **own}.items()
    }


def _describe_grid(grid: tuple[Band, ...]) -> str:
    if not grid:
        return _NONE
    prices = [band.apr_ppm for band in grid]
    return f"{len(grid)} bands from {_percent(min(prices))} to {_percent(max(prices))}"


def _tell_model(first: Bundle, second: Bundle, *, is_same: bool) -> Iterable[str]:
    if is_same:
        return
    counts = [bundle.tables.tree_count for bundle in (first, second)]
    digests = [None if bundle.proof is None else bundle.proof.tables_digest for bundle in (first, second)]
    if digests[0] is None or digests[0] != digests[1]:
        yield f"model: other trees, {counts[0]:,} -> {counts[1]:,}"
    gone, come = (
        sorted(set(one.variables) - set(other.variables)) for one, other in ((first, second), (second, first))
    )
    yield from (f"model: no longer sees {name}" for name in gone)
    yield from (f"model: sees {name} now" for name in come)
    yield from _tell_calibration("overall", first.calibration, second.calibration)
    if first.segment_variable != second.segment_variable:
        yield f"calibration: segments by {first.segment_variable or _NONE} -> {second.segment_variable or _NONE}"
    else:
        named = [_segments_of(bundle) for bundle in (first, second)]
        for code in sorted(named[0].keys() | named[1].keys()):
            yield from _tell_calibration(
                code, named[0].get(code, first.calibration), named[1].get(code, second.calibration)
            )
    yield from _tell_fields("points", first.scale, second.scale, first.scale.__struct_fields__)


def _segments_of(bundle: Bundle) -> dict[str, Calibration]:
    """The calibrations that segments have of their own, by the segment's name."""
    if bundle.segment_variable is None:
        return {}
    names = bundle.categories[bundle.segment_position]
    return {name: own for name, own in zip(names, bundle.segment_calibrations, strict=False) if own is not None}


def _tell_calibration(name: str, first: Calibration, second: Calibration) -> Iterable[str]:
    if first != second:
        yield (
            f"calibration: {name}, slope {first.slope:.4g} -> {second.slope:.4g}, "
            f"intercept {first.intercept:.4g} -> {second.intercept:.4g}"
        )


def _tell_reference(first: Reference, second: Reference) -> Iterable[str]:
    if (first.definition, first.rows) != (second.definition, second.rows):
        yield f"reference: {_cut(first.definition)} -> {_cut(second.definition)}"
    elif first.model_hash == second.model_hash and first.counts != second.counts:
        yield "reference: other applicants, of the same number and described alike"


def _tell_named(kind: str, first: Mapping[str, Struct], second: Mapping[str, Struct]) -> Iterable[str]:
    """What was taken away, added and changed among things that have names."""
    yield from (f"{kind} {name} is gone" for name in first if name not in second)
    yield from (f"{kind} {name} is new" for name in second if name not in first)
    for name, one in first.items():
        if name in second and second[name] != one:
            yield from _tell_fields(f"{kind} {name}", one, second[name], one.__struct_fields__)


def _tell_fields(kind: str, first: Any, second: Any, fields: Iterable[str]) -> Iterable[str]:
    before, after = asdict(first), asdict(second)
    for name in fields:
        if before[name] != after[name]:
            yield f"{kind}: {name} {_value(before[name])} -> {_value(after[name])}"


def _value(value: Any) -> str:
    """A value as a reader knows it from the document, cut where it is long."""
    if value is None or value is UNSET:
        return _NONE
    return _cut(value if isinstance(value, str) else encode_canonical(value).decode())


def _known(value: Any) -> Iterable[Any]:
    return () if value is UNSET else value


def _cut(text: str) -> str:
    return text if len(text) <= _VALUE_MAX else text[: _VALUE_MAX - 1] + "…"


def _percent(ppm: int) -> str:
    return f"{100 * ppm / PPM:g}%"
