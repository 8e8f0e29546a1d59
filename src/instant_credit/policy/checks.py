"""Checks of a whole policy, run before anything is decided by it and again when a release is composed.

All that is wrong is named at once. The checks prove what the rooms above rely on: every exit has a reason, the grid has a price for
every pd that may be approved, no better fact meets a harder answer, the worked examples come out as written.
"""

from collections import Counter

from msgspec import UNSET

from instant_credit.application.product import AttributeType, Better, Product
from instant_credit.errors import Refused
from instant_credit.policy.conditions import check_rules
from instant_credit.policy.document import Amounts, Band, Policy, ReasonText, read_policy
from instant_credit.policy.examples import check_examples
from instant_credit.policy.losses import LOSS_TRACE, check_losses
from instant_credit.policy.operands import Catalogue
from instant_credit.policy.program import EXITS, MEANS_EXITS, PRICE_EXITS, compile_policy
from instant_credit.units import PPM

# Exits that show no value of the applicant's.
_EXITS_WITHOUT_VALUE = ("score_unavailable", "evidence_missing", "referred_by_score")
_NOT_PRICED = "the product has no roles amount and term, so an approval carries no terms"
_NO_INCOME = "the product has no roles amount, term and income_annual, so no instalment can be held against income"


def load_policy(text: str, product: Product) -> Policy:
    """The policy written in TOML `text`, checked for `product`.

    Raises
    ------
    Refused : names everything that is wrong with it.
    """
    policy = read_policy(text)
    check_policy(policy, product)
    return policy


def check_policy(policy: Policy, product: Product) -> None:
    """Raise Refused naming everything wrong with `policy` as a policy for `product`."""
    problems = find_problems(policy, product)
    if problems:
        raise Refused("\n".join([f"policy {policy.name} is refused:", *(f"- {text}" for text in problems)]))


def find_problems(policy: Policy, product: Product) -> list[str]:
    """Everything wrong with `policy`; examples run only when the rest is right."""
    catalogue = Catalogue(product)
    problems = [
        *_check_names(policy, product),
        *_check_reasons(policy, product),
        *_check_sections(policy, product),
        *_check_exits(policy, product),
        *_check_cut_offs(policy),
        *_check_amounts(policy, catalogue),
        *_check_grid(policy),
        *check_losses(policy),
        *_check_debt(policy, catalogue),
        *check_rules(policy, catalogue),
        *_check_guards(policy),
    ]
    return problems or check_examples(policy, compile_policy(policy, product), product)


def _repeated(values: list[str] | list[int]) -> list[str]:
    return [str(value) for value, count in Counter(values).items() if count > 1]


def _check_names(policy: Policy, product: Product) -> list[str]:
    problems = []
    if policy.product != product.name:
        problems.append(f"it is written for product {policy.product}, not {product.name}")
    problems.extend(f"rule {name}: the id is used twice" for name in _repeated([r.id for r in policy.rules]))
    problems.extend(f"rule {r.id}: the id is the name of an exit" for r in policy.rules if r.id in EXITS)
    if policy.losses is not UNSET:
        taken = [*(r.id for r in policy.rules), *(() if policy.guards is UNSET else (g.id for g in policy.guards))]
        problems.extend(f"rule {name}: the id is taken where losses are priced" for name in taken if name == LOSS_TRACE)
    problems.extend(f"example {name!r} stands twice" for name in _repeated([e.name for e in policy.examples]))
    return problems


def _check_reasons(policy: Policy, product: Product) -> list[str]:
    """Codes and numbers name one reason each, here and in the product's variables."""
    problems = [f"reason {code} stands twice" for code in _repeated([r.code for r in policy.reasons])]
    problems += [f"reason number {number} stands twice" for number in _repeated([r.number for r in policy.reasons])]
    theirs = {v.reason: (v.reason_number, v.family) for v in product.variables if v.reason is not None}
    codes_by_number = {number: code for code, (number, _) in theirs.items()}
    for reason in policy.reasons:
        if reason.code in theirs and theirs[reason.code] != (reason.number, reason.family):
            problems.append(f"reason {reason.code} has another number or family in product {product.name}")
        if codes_by_number.get(reason.number, reason.code) != reason.code:
            problems.append(
                f"reason {reason.code}: number {reason.number} is {codes_by_number[reason.number]} in the product"
            )
        problems.extend(_check_placeholders(reason))
    return problems


def _check_placeholders(reason: ReasonText) -> list[str]:
    rest = reason.text.replace("{value}", "") + (reason.text_missing or "")
    if "{" in rest or "}" in rest:
        return [f"reason {reason.code}: {{value}} in text is the only placeholder"]
    return []


def _check_sections(policy: Policy, product: Product) -> list[str]:
    """A section stands exactly where the product's roles give it something to say."""
    priced = (product.is_priced, "is due, because the product has the roles amount and term", _NOT_PRICED)
    judged = (product.has_affordability, "is due, because the product has the role income_annual", _NO_INCOME)
    problems = []
    for name, is_told, (is_due, why_due, why_not) in (
        ("apr_ppm_max", policy.apr_ppm_max is not None, priced),
        ("amounts", policy.amounts is not None, priced),
        ("grid", bool(policy.grid), priced),
        ("affordability", policy.affordability is not None, judged),
    ):
        if is_due and not is_told:
            problems.append(f"{name}: {why_due}")
        elif is_told and not is_due:
            problems.append(f"{name}: leave it out; {why_not}")
    if policy.offer_days is not UNSET and not product.is_priced:
        problems.append(f"offer_days: leave it out; {_NOT_PRICED}")
    return problems


def _check_guards(policy: Policy) -> list[str]:
    """A guard has a name of its own in the trace, and a reason."""
    guards = () if policy.guards is UNSET else policy.guards
    codes = {reason.code for reason in policy.reasons}
    taken = {*EXITS, *(rule.id for rule in policy.rules)}
    problems = [f"guard {name}: the id is used twice" for name in _repeated([guard.id for guard in guards])]
    problems.extend(f"guard {one.id}: the id is that of a rule or an exit" for one in guards if one.id in taken)
    problems.extend(
        f"guard {one.id}: reason {one.reason} is not among the reasons" for one in guards if one.reason not in codes
    )
    return problems


def _check_exits(policy: Policy, product: Product) -> list[str]:
    texts = {r.code: r.text for r in policy.reasons}
    exits = policy.exits
    codes = {name: getattr(exits, name) for name in exits.__struct_fields__}
    problems = [
        f"exit {name}: reason {code} is not among the reasons"
        for name, code in codes.items()
        if code is not None and code not in texts
    ]
    problems.extend(
        f"exit {name}: no value is shown, so the text of {codes[name]} may not ask for one"
        for name in _EXITS_WITHOUT_VALUE
        if "{value}" in texts.get(codes[name] or "", "")
    )
    for names, is_due, why_not in (
        (PRICE_EXITS, product.is_priced, _NOT_PRICED),
        (MEANS_EXITS[:1], product.has_affordability, _NO_INCOME),
    ):
        for name in names:
            if is_due and codes[name] is None:
                problems.append(f"exit {name}: needs a reason")
            elif codes[name] is not None and not is_due:
                problems.append(f"exit {name}: leave it out; {why_not}")
    debt = None if policy.affordability is None else policy.affordability.debt_to_income
    if (debt is None) != (exits.debt_above_affordable is None):
        problems.append("exit debt_above_affordable: is due exactly when affordability has debt_to_income")
    return problems


def _check_cut_offs(policy: Policy) -> list[str]:
    cut_offs = policy.cut_offs
    if not 1 <= cut_offs.approve_below_ppm <= cut_offs.decline_from_ppm:
        return ["cut_offs: approve_below_ppm must lie between 1 and decline_from_ppm"]
    if not 2 <= cut_offs.decline_from_ppm < PPM:
        return ["cut_offs: decline_from_ppm must lie between 2 and 999999"]
    return []


def _check_amounts(policy: Policy, catalogue: Catalogue) -> list[str]:
    amounts, role = policy.amounts, catalogue.product.roles.term
    if amounts is None:
        return []
    problems = []
    if amounts.offer_cents_min < 1 or amounts.offer_cents_min % amounts.offer_cents_step:
        problems.append("amounts: offer_cents_min must be a positive multiple of offer_cents_step")
    if len(set(amounts.terms_months)) != len(amounts.terms_months):
        problems.append("amounts: terms_months must differ")
    if role is None:
        return problems
    term, _ = catalogue.attributes[role]
    low = 1 if term.minimum is None else term.minimum
    high = max(amounts.terms_months) if term.maximum is None else term.maximum
    problems.extend(
        f"amounts: a term of {months} months is outside the product's {low:g} to {high:g}"
        for months in amounts.terms_months
        if not low <= months <= high
    )
    return problems


def _check_grid(policy: Policy) -> list[str]:
    """Bands follow each other from 0 to the approval cut-off; a higher pd never gets a better price or limit."""
    problems = []
    expected = 0
    for number, band in enumerate(policy.grid, start=1):
        place = f"grid band {number}"
        if band.pd_from_ppm != expected:
            kind = "gap" if band.pd_from_ppm > expected else "overlap"
            problems.append(f"{place}: {kind}, it must start at pd_from_ppm = {expected}")
        if band.pd_below_ppm <= band.pd_from_ppm:
            problems.append(f"{place}: is empty")
        if policy.apr_ppm_max is not None and band.apr_ppm > policy.apr_ppm_max:
            problems.append(f"{place}: apr_ppm is above apr_ppm_max = {policy.apr_ppm_max}")
        if policy.amounts is not None:
            problems.extend(f"{place}: {text}" for text in _check_limits(band, policy.amounts))
        expected = band.pd_below_ppm
    if policy.grid and expected != policy.cut_offs.approve_below_ppm:
        problems.append(f"grid: ends at {expected}, it must end at approve_below_ppm")
    for number, (better, worse) in enumerate(zip(policy.grid, policy.grid[1:], strict=False), start=2):
        if worse.apr_ppm < better.apr_ppm:
            problems.append(f"grid band {number}: apr_ppm falls while pd rises")
        if worse.amount_cents_max > better.amount_cents_max:
            problems.append(f"grid band {number}: amount_cents_max rises with pd")
        if worse.term_months_max > better.term_months_max:
            problems.append(f"grid band {number}: term_months_max rises with pd")
    return problems


def _check_limits(band: Band, amounts: Amounts) -> list[str]:
    problems = []
    if band.amount_cents_max < amounts.offer_cents_min:
        problems.append("amount_cents_max is below offer_cents_min")
    if band.amount_cents_max % amounts.offer_cents_step:
        problems.append("amount_cents_max must be a multiple of offer_cents_step")
    if band.term_months_max not in amounts.terms_months:
        problems.append("term_months_max must be one of terms_months")
    return problems


def _check_debt(policy: Policy, catalogue: Catalogue) -> list[str]:
    debt = None if policy.affordability is None else policy.affordability.debt_to_income
    if debt is None:
        return []
    if debt.attribute not in catalogue.attributes:
        return [f"affordability: attribute {debt.attribute} is not among the product's case attributes"]
    attribute, _ = catalogue.attributes[debt.attribute]
    if attribute.type is not AttributeType.REAL or attribute.unit not in ("percent", "ratio"):
        return [f"affordability: {debt.attribute} must be a real in percent or ratio"]
    if attribute.better is not Better.LOWER:
        return [f"affordability: {debt.attribute} must be better when lower"]
    return []
