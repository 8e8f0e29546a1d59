"""A drafted policy as TOML: every line with what it means and where its figure comes from."""

from collections.abc import Iterable, Mapping
from textwrap import wrap
from typing import Final

import msgspec
from msgspec import UNSET

from instant_credit.application.product import Attribute, AttributeType, Better, Product
from instant_credit.policy.document import (
    Amounts,
    Band,
    Condition,
    CutOffs,
    Example,
    Exits,
    LossPricing,
    Policy,
    ReasonText,
)
from instant_credit.policy.drafting.assumptions import Assumptions
from instant_credit.policy.drafting.book import BookRisk
from instant_credit.policy.drafting.grid import PricedBand
from instant_credit.units import Cents, Ppm, money_text, percent_text

_WIDTH: Final = 118
_EXIT_NOTES: Final = {
    "score_unavailable": "too few variables are known, or no score came out: referred",
    "referred_by_score": "a pd between the cut-offs, when no variable counts against the applicant: referred",
    "evidence_missing": "a fact that terms need is not known: referred",
    "amount_above_limit": "more than the band's amount_cents_max: counter-offer",
    "term_above_limit": "longer than the band's term_months_max: counter-offer",
    "term_not_offered": "a term between those of terms_months: counter-offer with the next shorter one",
    "instalment_above_affordable": "the instalment takes too much of income: counter-offer, or decline when nothing fits",
}

Line = tuple[str, str]


def write_policy(
    policy: Policy, product: Product, risk: BookRisk, assumptions: Assumptions, bands: Iterable[PricedBand]
) -> str:
    """The TOML text of `policy`."""
    sections = [
        _head(product, risk, assumptions),
        _lines(_top(policy, risk, assumptions)),
        _cut_offs(policy.cut_offs, risk),
        *([] if policy.amounts is None else [_amounts(policy.amounts)]),
        *([] if policy.affordability is None else [_affordability(policy)]),
        *([] if policy.losses is UNSET else [_losses(policy.losses, assumptions)]),
        _exits(policy.exits),
        *_grid(bands, product, assumptions),
        *_rules(policy, product),
        _REASONS_HEAD,
        *(_reason(reason) for reason in policy.reasons),
        _EXAMPLES_HEAD,
        *(_example(example) for example in policy.examples),
    ]
    return "\n".join(sections)


_REASONS_HEAD: Final = """\
# Reasons. Codes and numbers are permanent: never renumbered, never used again. {value} stands for the applicant's own value.
#
# CHECK: a person must read these texts, and those of the product's variables, before anybody is declined by them. Reasons must be
# specific and name what really counted (12 CFR 1002.9(b)(2)); that a score or the lender's standards were missed is none.
"""
_EXAMPLES_HEAD: Final = """\
# Worked examples: invented applications and what this policy answers. They run whenever the policy is loaded, and one that comes out
# otherwise refuses the policy. After an edit, change those that were meant to change.
"""


def _head(product: Product, risk: BookRisk, assumptions: Assumptions) -> str:
    loans = f" that stand for {float(risk.weights.sum()):,.0f} loans" if bool((risk.weights != 1).any()) else ""
    approve, decline = _share(assumptions.approve_share), _share(assumptions.decline_share)
    paragraphs = [
        (
            f"A first policy for product {product.name}, drafted from {len(risk.pds_ppm):,} Cases of book {risk.book}{loans}. "
            f"Risk is what model {risk.model_hash} says of them."
        ),
        (
            "It is a start, to be edited by whoever answers for the lending. `instant-credit policy check FILE` says whether an edited one "
            "holds together; `instant-credit release make --policy FILE` checks it again and puts it to use."
        ),
        f"Assumed: the safest {approve} of the book are approved, the riskiest {decline} declined, a person looks at the rest.",
    ]
    if product.is_priced:
        paragraphs.append(
            f"{_loss_text(assumptions)} funding and operation "
            f"cost {_rate(assumptions.cost_ppm)} a year, profit is {_rate(assumptions.margin_ppm)} a year. The price is their sum and "
            "the expected loss over the mean balance, pd x loss x 24 / (months + 1) a year at the book's median term, and never above "
            f"{_rate(assumptions.apr_ppm_max)}."
        )
    else:
        paragraphs.append(
            "The product knows no amount and term, so an approval says that the applicant is eligible, and carries no terms."
        )
    return "#\n".join(_comment(paragraph) for paragraph in paragraphs)


def _loss_text(assumptions: Assumptions) -> str:
    told = f"a loan that goes bad loses {_rate(assumptions.loss_given_default_ppm)} of the amount lent"
    if assumptions.losses_hash is None:
        return f"Assumed: {told};"
    return f"Measured (losses {assumptions.losses_hash}): {told}. Assumed:"


def _comment(paragraph: str) -> str:
    return "".join(f"# {line}\n" for line in wrap(paragraph, _WIDTH, break_on_hyphens=False))


def _top(policy: Policy, risk: BookRisk, assumptions: Assumptions) -> Iterable[Line]:
    yield "schema_version = 1", ""
    yield f"name = {_text(policy.name)}", "of this policy; another name for another document"
    yield f"product = {_text(policy.product)}", "the product that it is written for"
    yield f"title = {_text(policy.title)}", "for people"
    if policy.apr_ppm_max is not None:
        yield (
            f"apr_ppm_max = {policy.apr_ppm_max:_}",
            "no price above this; assumed, look up the law that holds for you",
        )
    note = "fewer known variables than this and nothing is scored: half of what the middle Case of the book tells, and more than silence"
    yield f"model_variables_known_min = {policy.model_variables_known_min}", note


def _cut_offs(cut_offs: CutOffs, risk: BookRisk) -> str:
    approved = risk.share_below(cut_offs.approve_below_ppm)
    referred = risk.share_below(cut_offs.decline_from_ppm) - approved
    return "[cut_offs]\n" + _lines(
        [
            (
                f"approve_below_ppm = {cut_offs.approve_below_ppm:_}",
                f"a pd below {_rate(cut_offs.approve_below_ppm)} may be approved: {_share(approved)} of the book",
            ),
            (
                f"decline_from_ppm = {cut_offs.decline_from_ppm:_}",
                (
                    f"a pd from {_rate(cut_offs.decline_from_ppm)} on is declined: {_share(1 - approved - referred)}; "
                    f"a person looks at the {_share(referred)} between"
                ),
            ),
        ]
    )


def _amounts(amounts: Amounts) -> str:
    return "[amounts]\n" + _lines(
        [
            (f"offer_cents_min = {amounts.offer_cents_min:_}", "the smallest counter-offer: the book's 5% quantile"),
            (f"offer_cents_step = {amounts.offer_cents_step:_}", "counter-offers are multiples of this"),
            (f"terms_months = {list(amounts.terms_months)}", "the terms that are offered: those of the book"),
        ]
    )


def _affordability(policy: Policy) -> str:
    assert policy.affordability is not None
    share = policy.affordability.instalment_to_income_ppm_max
    note = f"the instalment takes at most {_rate(share)} of monthly income; assumed"
    return "[affordability]\n" + _lines([(f"instalment_to_income_ppm_max = {share:_}", note)])


def _losses(losses: LossPricing, assumptions: Assumptions) -> str:
    head = f"Prices by what loans lose: each {assumptions.losses_by} by its own row of the loss table that the release names."
    return f"# {head}\n[losses]\n" + _lines(
        [
            (f"base_apr_ppm = {losses.base_apr_ppm:_}", "costs and profit by the assumptions above"),
            (
                f"lost_ppm = {losses.lost_ppm:_}",
                "of the amount lent, when a loan goes bad: over all loans, as the grid is priced",
            ),
            (f"apr_step_ppm = {losses.apr_step_ppm:_}", "prices are rounded up to a multiple of this"),
        ]
    )


def _exits(exits: Exits) -> str:
    told = [(name, getattr(exits, name)) for name in _EXIT_NOTES]
    lines = [(f"{name} = {_text(code)}", _EXIT_NOTES[name]) for name, code in told if code is not None]
    return (
        "# Reason of every answer that no rule gives. A decline by score has the model's own reasons.\n[exits]\n"
        + _lines(lines)
    )


def _grid(bands: Iterable[PricedBand], product: Product, assumptions: Assumptions) -> Iterable[str]:
    for number, priced in enumerate(bands, start=1):
        band = priced.band
        price = "the price by the assumptions above"
        if priced.unbounded_ppm > assumptions.apr_ppm_max:
            price = f"at the cap; the expected loss would need {_rate(round(priced.unbounded_ppm))}"
        yield (
            f"# Band {number}: {_share(priced.share)} of the book, mean pd {_rate(round(priced.pd_ppm_mean))}.\n[[grid]]\n"
            + _lines(
                [
                    (f"pd_from_ppm = {band.pd_from_ppm:_}", ""),
                    (f"pd_below_ppm = {band.pd_below_ppm:_}", "bands follow each other up to approve_below_ppm"),
                    (f"apr_ppm = {band.apr_ppm:_}", price),
                    *_loss_line(band),
                    (
                        f"amount_cents_max = {band.amount_cents_max:_}",
                        f"up to {_money(band.amount_cents_max, product)}: from the book's amounts",
                    ),
                    (f"term_months_max = {band.term_months_max}", "from the book's terms"),
                ]
            )
        )


def _loss_line(band: Band) -> Iterable[Line]:
    if band.loss_apr_ppm is not UNSET:
        yield f"loss_apr_ppm = {band.loss_apr_ppm:_}", "of the price before the cap: it earns the expected loss"


def _rules(policy: Policy, product: Product) -> Iterable[str]:
    head = ["Knock-outs: what decides whatever the score says. Write your own."]
    attribute = _attribute_to_rule(product)
    if attribute is not None:
        head += [
            "For instance (a reason that shows a {value} also needs its text_missing):",
            "",
            "[[rules]]",
            f'id = "{attribute.name[:50]}_high"',
            f'when = {{ attribute = "{attribute.name}", compare = "above", value = {_high(attribute)} }}',
            'outcome = "refer"      # or "decline"',
            f'reason = "{attribute.name[:50].upper()}_HIGH" # to be written under [[reasons]], with a number that is not taken',
            'unknown = "pass"       # or "refer" when the fact is not known',
        ]
    yield "".join(f"# {line}".rstrip() + "\n" for line in head)
    for rule in policy.rules:
        yield "[[rules]]\n" + _lines(
            [
                (f"id = {_text(rule.id)}", "in the trace of every decision"),
                (f"when = {_condition(rule.when)}", "months; put in the age of majority of your law"),
                (f"outcome = {_text(rule.outcome)}", ""),
                (f"reason = {_text(rule.reason)}", ""),
            ]
        )


def _attribute_to_rule(product: Product) -> Attribute | None:
    """A fact that a rule could ask for: a count or an amount that is better when lower, and is not what is asked for."""
    kinds = (AttributeType.INTEGER, AttributeType.CENTS)
    found = (a for a in product.case_attributes if a.type in kinds and a.better is Better.LOWER)
    return next((a for a in found if a.name != product.roles.amount), None)


def _high(attribute: Attribute) -> int:
    low, high = int(attribute.minimum or 0), int(attribute.maximum or 0)
    return low + (high - low) // 2


def _condition(condition: Condition) -> str:
    return (
        f"{{ variable = {_text(condition.variable or '')}, compare = {_text(condition.compare or '')}, "
        f"value = {condition.value} }}"
    )


def _reason(reason: ReasonText) -> str:
    return "[[reasons]]\n" + _lines(
        [
            (f"code = {_text(reason.code)}", ""),
            (f"number = {reason.number}", ""),
            (f"family = {_text(reason.family)}", "a decision gives one reason a family"),
            (f"text = {_text(reason.text)}", ""),
        ]
    )


def _example(example: Example) -> str:
    expect = example.expect
    told = [f"outcome = {_text(expect.outcome)}"]
    if expect.reasons:
        told.append(f"reasons = [{', '.join(_text(code) for code in expect.reasons)}]")
    for name in ("amount_cents", "term_months", "apr_ppm", "instalment_cents"):
        value = getattr(expect, name)
        if value is not None:
            told.append(f"{name} = {value:_}")
    pd = (
        []
        if example.pd_ppm is None
        else [(f"pd_ppm = {example.pd_ppm:_}", f"the model would say {_rate(example.pd_ppm)}")]
    )
    lines: list[Line] = [
        (f"name = {_text(example.name)}", ""),
        (f"as_of = {_text(example.as_of)}", ""),
        *pd,
        (f"expect = {{ {', '.join(told)} }}", ""),
    ]
    return "[[examples]]\n" + _lines(lines) + "[examples.facts]\n" + _lines(_facts(example.facts))


def _facts(facts: Mapping[str, int | float | str]) -> Iterable[Line]:
    for name, value in facts.items():
        yield f"{name} = {_text(value) if isinstance(value, str) else repr(value)}", ""


def _lines(lines: Iterable[Line]) -> str:
    """Lines with their comments beside them, one column a section."""
    told = list(lines)
    width = max((len(line) for line, note in told if note), default=0)
    return "".join((f"{line.ljust(width)}  # {note}" if note else line) + "\n" for line, note in told)


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are TOML's."""
    return msgspec.json.encode(str(value)).decode()


def _rate(ppm: int) -> str:
    return percent_text(Ppm(ppm))


def _share(share: float) -> str:
    return f"{100 * share:.1f}%"


def _money(cents: int, product: Product) -> str:
    return money_text(Cents(cents), product.currency)
