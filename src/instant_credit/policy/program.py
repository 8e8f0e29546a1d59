"""Compiles a checked policy into functions over facts and variables, once per release.

The steps: each condition becomes one function `(facts, variables) -> True | False | None` (None = unknown), each rule carries its
three possible trace entries and its reason ready made, the grid becomes parallel tuples for one bisection. What is compiled here
serves one Case and a million with the same result.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec import UNSET

from instant_credit.application.facts import Facts
from instant_credit.application.product import Product
from instant_credit.application.wording import format_value
from instant_credit.errors import require
from instant_credit.policy.document import Band, Comparison, Condition, DebtToIncome, Policy, ReasonText, Rule
from instant_credit.policy.guards import Guard, window_days
from instant_credit.policy.losses import LossShares, PricesByLosses, compile_prices
from instant_credit.policy.operands import Catalogue, Number, Operand, OperandKind, Read, compile_read
from instant_credit.policy.verdict import Reason, RuleResult, RuleTrace
from instant_credit.units import Cents, Ppm, money_text

Test = Callable[[Facts, Sequence[float]], bool | None]
Show = Callable[[Facts, Sequence[float]], str | None]

# Texts show no value beyond this; no fact that passes the door comes near it.
SHOWN_MAX = 1e15
# Debt service beyond a thousand times income is not told apart.
DEBT_PPM_MAX = 1e9

SCORE_EXITS = ("score_unavailable", "pd_in_decline_range", "pd_in_referral_range")
PRICE_EXITS = ("evidence_missing", "amount_above_limit", "term_above_limit", "term_not_offered")
MEANS_EXITS = ("instalment_above_affordable", "debt_above_affordable")
EXITS = (*SCORE_EXITS, *PRICE_EXITS, *MEANS_EXITS)


@dataclass(frozen=True, slots=True)
class Traces:
    """The three things a rule can say, made once."""

    hit: RuleTrace
    clear: RuleTrace
    unknown: RuleTrace


@dataclass(frozen=True, slots=True)
class CompiledReason:
    """A reason whose text is filled with a value when it is given."""

    reason: ReasonText
    constant: Reason

    def fill(self, value: str | None) -> Reason:
        """The reason with `value` in its text; None stands for a missing value."""
        reason = self.reason
        if "{value}" not in reason.text:
            return self.constant
        if value is None:
            return Reason(
                number=reason.number, code=reason.code, family=reason.family, text=reason.text_missing or reason.text
            )
        text = reason.text.replace("{value}", value)
        return Reason(number=reason.number, code=reason.code, family=reason.family, text=text)


@dataclass(frozen=True, slots=True)
class CompiledRule:
    """One rule, ready to run."""

    test: Test
    declines: bool
    unknown_refers: bool
    traces: Traces
    reason: CompiledReason
    show: Show

    def reason_for(self, facts: Facts, variables: Sequence[float]) -> Reason:
        """The rule's reason with the applicant's own value."""
        return self.reason.fill(self.show(facts, variables))


@dataclass(frozen=True, slots=True)
class CompiledGuard:
    """One guard, ready to count."""

    guard: Guard
    declines: bool
    traces: Traces
    reason: CompiledReason


@dataclass(frozen=True, slots=True)
class Means:
    """What holds an instalment against income. `read_debt` is None where no debt to income is judged."""

    read_income: Read
    read_debt: Callable[[Facts], Ppm | None] | None
    instalment_share: Ppm
    debt_share: Ppm
    instalment_above_affordable: CompiledReason
    debt_above_affordable: CompiledReason


@dataclass(frozen=True, slots=True)
class Pricing:
    """What makes terms. `band_ends` are the bands' upper bounds in pd ppm, ascending, all but the last.

    `by_losses` prices the same bands by segment; None where the grid's own prices stand. `means` is None where income is not known: then nothing but the bands bounds an offer.
    """

    bands: tuple[Band, ...]
    band_ends: tuple[int, ...]
    offer_min: Cents
    offer_step: Cents
    terms_months: tuple[int, ...]
    read_amount: Read
    read_term: Read
    evidence_missing: CompiledReason
    amount_above_limit: CompiledReason
    term_above_limit: CompiledReason
    term_not_offered: CompiledReason
    means: Means | None
    by_losses: PricesByLosses | None = None


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """Everything `evaluate` reads. `pricing` is None where an approval carries no terms."""

    policy: Policy
    currency: str
    rules: tuple[CompiledRule, ...]
    exit_traces: tuple[Traces, ...]
    approve_below: Ppm
    decline_from: Ppm
    score_unavailable: CompiledReason
    referred_by_score: CompiledReason
    pricing: Pricing | None
    guards: tuple[CompiledGuard, ...] = ()

    @property
    def history_days(self) -> int | None:
        """How many days of a person's history the guards read; None = no guard asks for any."""
        return window_days([one.guard for one in self.guards]) if self.guards else None

    @property
    def model_variables_known_min(self) -> int:
        """How many model variables must be known before a score counts."""
        return self.policy.model_variables_known_min


def compile_policy(policy: Policy, product: Product, shares: LossShares | None = None) -> CompiledPolicy:
    """The program of `policy`, which must have passed `checks.check_policy` for `product`.

    Parameters
    ----------
    shares : what loans lose, by segment, for a policy that prices it; None = the grid's own prices stand.
    """
    catalogue = Catalogue(product)
    reasons = {r.code: _compile_reason(r) for r in policy.reasons}
    return CompiledPolicy(
        policy=policy,
        currency=product.currency,
        rules=tuple(_compile_rule(rule, catalogue, reasons) for rule in policy.rules),
        exit_traces=tuple(_traces(name) for name in exits_of(product)),
        approve_below=Ppm(policy.cut_offs.approve_below_ppm),
        decline_from=Ppm(policy.cut_offs.decline_from_ppm),
        score_unavailable=reasons[policy.exits.score_unavailable],
        referred_by_score=reasons[policy.exits.referred_by_score],
        pricing=_compile_pricing(policy, catalogue, reasons, shares),
        guards=tuple(
            CompiledGuard(
                guard=guard,
                declines=guard.outcome == "decline",
                traces=_traces(guard.id),
                reason=reasons[guard.reason],
            )
            for guard in (() if policy.guards is UNSET else policy.guards)
        ),
    )


def exits_of(product: Product) -> tuple[str, ...]:
    """The exits that a decision on `product` can take, in the order of the trace."""
    return (
        *SCORE_EXITS,
        *(PRICE_EXITS if product.is_priced else ()),
        *(MEANS_EXITS if product.has_affordability else ()),
    )


def _compile_pricing(
    policy: Policy, catalogue: Catalogue, reasons: dict[str, CompiledReason], shares: LossShares | None
) -> Pricing | None:
    """None where the product knows no amount and term; the checks have seen to it that the policy then has no section for them."""
    roles, exits, amounts = catalogue.product.roles, policy.exits, policy.amounts
    if roles.amount is None or roles.term is None or amounts is None:
        return None
    return Pricing(
        bands=policy.grid,
        band_ends=tuple(band.pd_below_ppm for band in policy.grid[:-1]),
        offer_min=Cents(amounts.offer_cents_min),
        offer_step=Cents(amounts.offer_cents_step),
        terms_months=tuple(sorted(amounts.terms_months)),
        read_amount=compile_read(catalogue.attribute_operand(roles.amount)),
        read_term=compile_read(catalogue.attribute_operand(roles.term)),
        evidence_missing=_due(exits.evidence_missing, reasons),
        amount_above_limit=_due(exits.amount_above_limit, reasons),
        term_above_limit=_due(exits.term_above_limit, reasons),
        term_not_offered=_due(exits.term_not_offered, reasons),
        means=_compile_means(policy, catalogue, reasons),
        by_losses=compile_prices(policy, catalogue, shares),
    )


def _compile_means(policy: Policy, catalogue: Catalogue, reasons: dict[str, CompiledReason]) -> Means | None:
    affordability = policy.affordability
    if affordability is None:
        return None
    debt, exits = affordability.debt_to_income, policy.exits
    return Means(
        read_income=compile_read(catalogue.total_operand(catalogue.income)),
        read_debt=None if debt is None else _compile_debt(debt, catalogue),
        instalment_share=Ppm(affordability.instalment_to_income_ppm_max),
        debt_share=Ppm(0 if debt is None else debt.ppm_max),
        instalment_above_affordable=_due(exits.instalment_above_affordable, reasons),
        debt_above_affordable=_due(exits.debt_above_affordable or exits.instalment_above_affordable, reasons),
    )


def _due(code: str | None, reasons: dict[str, CompiledReason]) -> CompiledReason:
    require(code is not None, "every exit that can happen has its reason")
    assert code is not None
    return reasons[code]


def _traces(name: str) -> Traces:
    return Traces(
        hit=RuleTrace(rule=name, result=RuleResult.HIT),
        clear=RuleTrace(rule=name, result=RuleResult.CLEAR),
        unknown=RuleTrace(rule=name, result=RuleResult.UNKNOWN),
    )


def _compile_reason(reason: ReasonText) -> CompiledReason:
    constant = Reason(number=reason.number, code=reason.code, family=reason.family, text=reason.text)
    return CompiledReason(reason=reason, constant=constant)


def _compile_rule(rule: Rule, catalogue: Catalogue, reasons: dict[str, CompiledReason]) -> CompiledRule:
    return CompiledRule(
        test=compile_condition(rule.when, catalogue),
        declines=rule.outcome == "decline",
        unknown_refers=rule.unknown == "refer",
        traces=_traces(rule.id),
        reason=reasons[rule.reason],
        show=_compile_show(shown_operand(rule, catalogue), catalogue),
    )


def comparisons_of(condition: Condition) -> tuple[Condition, ...]:
    """Every comparison inside `condition`, in the order written."""
    if condition.compare is not None:
        return (condition,)
    parts = (*condition.all, *condition.any, *(() if condition.not_ is None else (condition.not_,)))
    return tuple(leaf for part in parts for leaf in comparisons_of(part))


def operand_of(comparison: Condition, catalogue: Catalogue) -> Operand:
    """The operand a comparison reads. Raises KeyError for an unknown name."""
    if comparison.attribute is not None:
        return catalogue.attribute_operand(comparison.attribute)
    if comparison.variable is not None:
        return catalogue.variable_operand(comparison.variable)
    return catalogue.total_operand(comparison.total)


def shown_operand(rule: Rule, catalogue: Catalogue) -> Operand | None:
    """The operand whose value a rule's reason shows: the one named by `shows`, else the only one read, else none."""
    operands = {o.names: o for o in (operand_of(leaf, catalogue) for leaf in comparisons_of(rule.when))}
    if rule.shows is not None:
        return next((o for names, o in operands.items() if rule.shows in names), None)
    return next(iter(operands.values())) if len(operands) == 1 else None


def _compile_show(operand: Operand | None, catalogue: Catalogue) -> Show:
    if operand is None:
        return lambda facts, variables: None
    read = compile_read(operand)
    currency = catalogue.product.currency

    def show(facts: Facts, variables: Sequence[float]) -> str | None:
        value = read(facts, variables)
        return None if value is None else _text_of(operand, value, currency)

    return show


def _text_of(operand: Operand, value: Number, currency: str) -> str:
    """`value` for people: exact for money and categories."""
    if operand.kind in (OperandKind.CENTS, OperandKind.TOTAL):
        return money_text(Cents(int(value)), currency)
    if operand.kind is OperandKind.CATEGORY:
        return operand.categories[int(value)].replace("_", " ")
    return format_value(operand.unit, min(max(float(value), -SHOWN_MAX), SHOWN_MAX), currency)


def _compile_debt(debt: DebtToIncome, catalogue: Catalogue) -> Callable[[Facts], Ppm | None]:
    """Reads debt to income as ppm, half to even, at most `DEBT_PPM_MAX`; None when missing and due."""
    operand = catalogue.attribute_operand(debt.attribute)
    when_unknown = Ppm(0) if debt.unknown == "pass" else None
    position = operand.positions[0]
    scale = 10_000 if operand.unit == "percent" else 1_000_000

    def read_debt(facts: Facts) -> Ppm | None:
        value = facts.reals[position]
        if value is None or math.isnan(value):
            return when_unknown
        return Ppm(round(min(max(value * scale, 0.0), DEBT_PPM_MAX)))

    return read_debt


def compile_condition(condition: Condition, catalogue: Catalogue) -> Test:
    """One function of facts and variables: True, False, or None when a missing value leaves it open (Kleene's logic)."""
    if condition.compare is not None:
        operand = operand_of(condition, catalogue)
        return _compile_comparison(operand, compile_read(operand), condition)
    if condition.not_ is not None:
        inner = compile_condition(condition.not_, catalogue)

        def test_not(facts: Facts, variables: Sequence[float]) -> bool | None:
            result = inner(facts, variables)
            return None if result is None else not result

        return test_not
    absorbing = bool(condition.any)
    tests = tuple(compile_condition(part, catalogue) for part in (condition.any or condition.all))

    def test_many(facts: Facts, variables: Sequence[float]) -> bool | None:
        is_open = False
        for test in tests:
            result = test(facts, variables)
            if result is absorbing:
                return absorbing
            is_open = is_open or result is None
        return None if is_open else not absorbing

    return test_many


def _compile_comparison(operand: Operand, read: Read, comparison: Condition) -> Test:
    if operand.kind is OperandKind.CATEGORY:
        codes = codes_of(operand, comparison)

        def test_code(facts: Facts, variables: Sequence[float]) -> bool | None:
            code = read(facts, variables)
            return None if code is None else code in codes

        return test_code
    value = comparison.value if isinstance(comparison.value, (int, float)) else math.nan
    match comparison.compare:
        case Comparison.ABOVE:
            return lambda facts, variables: None if (x := read(facts, variables)) is None else x > value
        case Comparison.AT_LEAST:
            return lambda facts, variables: None if (x := read(facts, variables)) is None else x >= value
        case Comparison.BELOW:
            return lambda facts, variables: None if (x := read(facts, variables)) is None else x < value
        case Comparison.AT_MOST:
            return lambda facts, variables: None if (x := read(facts, variables)) is None else x <= value
        case _:
            return lambda facts, variables: None if (x := read(facts, variables)) is None else x == value


def codes_of(operand: Operand, comparison: Condition) -> frozenset[int]:
    """Positions of the categories a comparison names. Raises ValueError for an unknown name."""
    value = comparison.value
    names = value if isinstance(value, tuple) else (value,)
    return frozenset(operand.categories.index(str(name)) for name in names)
