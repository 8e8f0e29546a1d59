"""Checks of a plan and of layers against their product, run before anything is assigned. Pure.

All that is wrong is named at once, with the field and what to do.
"""

from itertools import pairwise

from msgspec import UNSET

from instant_credit.application.product import AttributeType, Product, Source
from instant_credit.errors import Refused
from instant_credit.experiment.boundaries import GROWTH_MIN
from instant_credit.experiment.eligibility import check_eligible
from instant_credit.experiment.layers import Layers
from instant_credit.experiment.plan import (
    Direction,
    Guardrail,
    GuardrailKind,
    MetricKind,
    Part,
    Plan,
)
from instant_credit.policy.operands import Catalogue

_HARMS = (MetricKind.EARLY_DELINQUENCY, MetricKind.DEFAULT, MetricKind.LOSS)
_LENDING_PARTS = (Part.MODEL, Part.POLICY, Part.PRICES)


def check_plan(plan: Plan, product: Product, layers: Layers) -> None:
    """Raise Refused naming everything wrong with `plan` as an experiment on `product` in `layers`."""
    catalogue = Catalogue(product)
    problems = [
        *_check_product(plan.product, product),
        *_check_layer(plan, layers),
        *check_eligible(plan, catalogue),
        *_check_metrics(plan),
        *_check_effect(plan),
        *_check_looks(plan),
        *_check_guardrails(plan, product),
        *_check_segments(plan, product),
    ]
    if problems:
        raise Refused("\n".join([f"plan {plan.name} is refused:", *(f"- {text}" for text in problems)]))


def check_layers(layers: Layers, product: Product) -> None:
    """Raise Refused naming everything wrong with `layers` as those of `product`."""
    problems = _check_product(layers.product, product)
    if not product.is_priced:
        problems.extend(
            f"layer {layer.name}: take prices out of its parts; the product has no roles amount and term"
            for layer in layers.layers
            if Part.PRICES in layer.parts
        )
    if problems:
        raise Refused("\n".join([f"layers of {layers.product} are refused:", *(f"- {text}" for text in problems)]))


def _check_product(named: str, product: Product) -> list[str]:
    return [] if named == product.name else [f"product: it is written for {named}, not for {product.name}"]


def _check_layer(plan: Plan, layers: Layers) -> list[str]:
    """The layer is there, draws by the plan's unit, and owns whatever the arms replace."""
    if layers.product != plan.product:
        return [f"layer: the layers are those of product {layers.product}, not of {plan.product}"]
    names = [layer.name for layer in layers.layers]
    if plan.layer not in names:
        return [f"layer: {plan.layer} is not among {', '.join(names)}"]
    layer = layers.layer(plan.layer)
    problems = [
        f"arm {arm.name}: part {part} does not belong to layer {layer.name}, which owns {', '.join(layer.parts)}"
        for arm in plan.arms
        for part in arm.overlay
        if part not in layer.parts
    ]
    if plan.unit is not layer.unit:
        problems.append(f"unit: layer {layer.name} is drawn by {layer.unit}, so the plan is too")
    return problems


def _check_metrics(plan: Plan) -> list[str]:
    """Harm is better when lower; what stands for the primary is known before it."""
    problems = []
    for metric in plan.metrics:
        if metric.kind in _HARMS and metric.direction is not Direction.LOWER:
            problems.append(f"metric {metric.name}: {metric.kind} is better when lower; say direction = lower")
        if metric.kind is MetricKind.PROFIT and metric.direction is not Direction.HIGHER:
            problems.append(f"metric {metric.name}: profit is better when higher; say direction = higher")
    primary = plan.primary_metric
    if plan.early is not UNSET and plan.metric(plan.early).ripe_days >= primary.ripe_days:
        problems.append(
            f"early: {plan.early} is ripe after {plan.metric(plan.early).ripe_days} days, {primary.name} after "
            f"{primary.ripe_days}; name a metric that is ripe earlier, or leave it out"
        )
    return problems


def _check_effect(plan: Plan) -> list[str]:
    """The effect that is looked for can happen, on the better side of what is expected."""
    metric, mean, effect = plan.primary_metric, plan.expect.mean, plan.effect_min
    if metric.cents_max is not UNSET:
        problems = []
        if abs(mean) > metric.cents_max:
            problems.append(f"expect: mean lies beyond cents_max of metric {metric.name}, {metric.cents_max}")
        if plan.expect.deviation is not UNSET and plan.expect.deviation > metric.cents_max:
            problems.append(f"expect: deviation lies beyond cents_max of metric {metric.name}, {metric.cents_max}")
        if effect > 2 * metric.cents_max:
            problems.append(f"effect_min: no two applications differ by more than twice cents_max of {metric.name}")
        return problems
    reached = mean + effect if metric.direction is Direction.HIGHER else mean - effect
    if 0 <= reached <= 1:
        return []
    return [f"effect_min: {metric.name} would go from {mean} to {reached:.6g}; a share stays between 0 and 1"]


def _check_looks(plan: Plan) -> list[str]:
    """Each look brings enough for its bound to be found."""
    looks = plan.stopping.looks_units
    if all(after >= before * (1 + GROWTH_MIN) for before, after in pairwise(looks)):
        return []
    return [f"stopping: from look to look looks_units grow by at least {GROWTH_MIN:.1%}; leave some looks out"]


def _check_guardrails(plan: Plan, product: Product) -> list[str]:
    """Each can be measured, and arms that lend otherwise have a bound on what they may lose."""
    problems = []
    kinds = {guardrail.kind for guardrail in plan.guardrails}
    lends = any(part in _LENDING_PARTS for arm in plan.arms for part in arm.overlay)
    if lends and product.is_priced and GuardrailKind.LOSS_BUDGET not in kinds:
        problems.append("guardrails: arms replace model, policy or prices, so add one of kind loss_budget")
    if GuardrailKind.LOSS_BUDGET in kinds and not product.is_priced:
        problems.append("guardrail loss_budget: leave it out; the product has no roles amount and term")
    if GuardrailKind.EARLY_DELINQUENCY in kinds and not any(
        metric.kind is MetricKind.EARLY_DELINQUENCY for metric in plan.metrics
    ):
        problems.append("guardrail early_delinquency: add a metric of this kind, whose window it is measured by")
    for guardrail in plan.guardrails:
        if guardrail.kind is GuardrailKind.IMPACT_RATIO:
            problems.extend(_check_impact(guardrail, product))
    return problems


def _check_impact(guardrail: Guardrail, product: Product) -> list[str]:
    """Its attribute is carried for monitoring, and the reference is one of its categories."""
    monitored = {attribute.name: attribute for attribute in product.monitoring_attributes}
    if guardrail.attribute not in monitored:
        known = ", ".join(monitored) or "none"
        return [f"guardrail impact_ratio: attribute {guardrail.attribute} is not carried for monitoring ({known})"]
    categories = monitored[guardrail.attribute].categories
    if guardrail.reference not in categories:
        return [f"guardrail impact_ratio: reference {guardrail.reference} is not among {', '.join(categories)}"]
    return []


def _check_segments(plan: Plan, product: Product) -> list[str]:
    """Segments are categories that applications tell, and that may be looked at."""
    attributes = {attribute.name: attribute for attribute in product.case_attributes}
    prohibited = {attribute.name for attribute in product.monitoring_attributes}
    problems = []
    for segment in plan.segments:
        name = segment.attribute
        if name in prohibited:
            problems.append(f"segment {name}: is prohibited (12 CFR 1002.4(a)); an impact_ratio guardrail watches it")
        elif name not in attributes:
            problems.append(f"segment {name}: is not an attribute of product {product.name}")
        elif attributes[name].type is not AttributeType.CATEGORY:
            problems.append(f"segment {name}: is no category; segments are the categories of an attribute")
        elif attributes[name].source is Source.TAPE:
            problems.append(f"segment {name}: is told by tapes only; name one that applications tell")
    return problems
