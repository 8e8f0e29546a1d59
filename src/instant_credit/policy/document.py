"""The policy document: knock-out rules, cut-offs, limit and price grid, affordability, reasons, worked examples.

Written in TOML for people, hashed over its canonical JSON. Conditions are structured (operand, comparison, value; all, any,
not) over the product's attributes and variables, never an expression, so they can be checked before they decide anything
(`checks.py`) and compiled once (`program.py`).

The law of the document:

- Every rule is evaluated; the heaviest outcome wins: decline over refer over counter-offer over approve.
- A rule compares money and counts as integers, straight from the facts. Income is told in parts, and income from public
  assistance, pension, alimony or part-time work counts in full (12 CFR 1002.6(b)(5)), so a rule on income names all of them.
- pd below `approve_below_ppm` may be approved, from `decline_from_ppm` on it is declined, between it is referred.
- The grid covers pd from 0 to `approve_below_ppm` without gap or overlap. Beyond it affordability is judged at the last band's
  price, so a lower pd never meets a stricter test.
- `apr_ppm_max`, `amounts` and `grid` stand exactly where the product knows amount and term, `affordability` exactly where it knows
  income as well. Without them an approval carries no terms, and the exits that cannot happen have no reason.
"""

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.product import Code, Name, Text
from instant_credit.canonical import UNREADABLE, encode_canonical
from instant_credit.errors import Refused
from instant_credit.policy.guards import Guard
from instant_credit.policy.verdict import Outcome

PpmShare = Annotated[int, Meta(ge=0, le=1_000_000)]
CentsAmount = Annotated[int, Meta(ge=0, le=10**12)]
Months = Annotated[int, Meta(ge=1, le=600)]


class Comparison(StrEnum):
    """How an operand is compared with the value."""

    ABOVE = "above"
    AT_LEAST = "at_least"
    BELOW = "below"
    AT_MOST = "at_most"
    IS = "is"
    IN = "in"


class Condition(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename={"not_": "not"}
):
    """Either a comparison of one operand, or exactly one of `all`, `any`, `not` over other conditions.

    The operand is an `attribute`, a `variable`, or the `total` of cents attributes (absent parts count as zero, all absent is
    missing). Cents and counts are compared with whole numbers, reals and variables with numbers, categories by name with
    `is` or `in`. A comparison with a missing operand is unknown; all, any and not combine unknowns by Kleene's logic.
    """

    attribute: Name | None = None
    variable: Name | None = None
    total: Annotated[tuple[Name, ...], Meta(max_length=8)] = ()
    compare: Comparison | None = None
    value: int | float | str | tuple[Name, ...] | None = None
    all: Annotated[tuple["Condition", ...], Meta(max_length=16)] = ()
    any: Annotated[tuple["Condition", ...], Meta(max_length=16)] = ()
    not_: "Condition | None" = None

    def __post_init__(self) -> None:
        """One form, complete."""
        operands = (self.attribute is not None) + (self.variable is not None) + bool(self.total)
        forms = operands + bool(self.all) + bool(self.any) + (self.not_ is not None)
        if forms != 1:
            raise ValueError("a condition is exactly one of attribute, variable, total, all, any, not")
        if (operands == 1) != (self.compare is not None) or (operands == 1) != (self.value is not None):
            raise ValueError("a comparison needs compare and value; all, any and not take neither")

    @property
    def operand_names(self) -> tuple[str, ...]:
        """Names this comparison reads; empty for all, any, not."""
        return self.total or tuple(name for name in (self.attribute, self.variable) if name is not None)


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A knock-out: when `when` holds, the outcome is at least as heavy as `outcome`, for `reason`.

    `unknown` says what a missing fact does: nothing, or a referral for the same reason. `shows` names the operand whose value
    stands in the reason's text; by default the condition's only operand.
    """

    id: Name
    when: Condition
    outcome: Literal["decline", "refer"]
    reason: Code
    unknown: Literal["pass", "refer"] = "pass"
    shows: Name | None = None


class CutOffs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where pd turns from approve to refer to decline; equal values refer nobody."""

    approve_below_ppm: PpmShare
    decline_from_ppm: PpmShare


class Band(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Price and limits for pd in [pd_from_ppm, pd_below_ppm).

    `loss_apr_ppm`, beside `[losses]` only, is what of the price before its cap earns the expected loss.
    """

    pd_from_ppm: PpmShare
    pd_below_ppm: PpmShare
    apr_ppm: PpmShare
    amount_cents_max: CentsAmount
    term_months_max: Months
    loss_apr_ppm: Annotated[int, Meta(ge=0, le=24_000_000)] | UnsetType = UNSET


class LossPricing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the grid's prices are made of, so that each segment of the release's loss table is priced by what it loses (`policy.losses`).

    Attributes
    ----------
    base_apr_ppm : what every price has beside the expected loss.
    lost_ppm : part of the amount lent that a bad loan loses in the grid's own prices.
    apr_step_ppm : prices are rounded up to a multiple of this.
    """

    base_apr_ppm: PpmShare
    lost_ppm: Annotated[int, Meta(ge=1, le=1_000_000)]
    apr_step_ppm: Annotated[int, Meta(ge=1, le=100_000)]


class Amounts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be offered: counter-offers are multiples of the step and not below the minimum; terms are these only."""

    offer_cents_min: CentsAmount
    offer_cents_step: Annotated[int, Meta(ge=1, le=10**9)]
    terms_months: Annotated[tuple[Months, ...], Meta(min_length=1, max_length=64)]


class DebtToIncome(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new instalment and the debt service told in `attribute` (a real in percent or ratio) stay within `ppm_max`.

    When debt service is not told, `unknown` says whether the applicant is judged by the instalment alone or referred.
    """

    attribute: Name
    ppm_max: Annotated[int, Meta(ge=1, le=5_000_000)]
    unknown: Literal["pass", "refer"] = "refer"


class Affordability(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The monthly instalment as a share of monthly income: of all income told, whatever its kind."""

    instalment_to_income_ppm_max: PpmShare
    debt_to_income: DebtToIncome | None = None


class Exits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Reason code of every exit that is no rule and that can happen. A decline by score has the model's own reasons."""

    score_unavailable: Code
    evidence_missing: Code | None = None
    referred_by_score: Code
    amount_above_limit: Code | None = None
    term_above_limit: Code | None = None
    term_not_offered: Code | None = None
    instalment_above_affordable: Code | None = None
    debt_above_affordable: Code | None = None


class ReasonText(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One reason. `{value}` in `text` stands for the applicant's own value; without one, `text_missing` is used."""

    code: Code
    number: Annotated[int, Meta(ge=1, le=9999)]
    family: Name
    text: Text
    text_missing: Text | None = None


class Expected(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a worked example must give; `reasons` are those of the policy itself, in order."""

    outcome: Outcome
    reasons: tuple[Code, ...] = ()
    amount_cents: CentsAmount | None = None
    term_months: Months | None = None
    apr_ppm: PpmShare | None = None
    instalment_cents: CentsAmount | None = None


class Example(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worked example: facts by attribute name (dates as ISO text), the pd the model would give, what must come out."""

    name: Text
    as_of: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    facts: Annotated[dict[Name, int | float | str], Meta(max_length=2000)]
    pd_ppm: Annotated[int, Meta(ge=1, le=999_999)] | None = None
    expect: Expected


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document. `rules` order is the precedence of their reasons."""

    schema_version: Literal[1] = 1
    name: Name
    product: Name
    title: Text
    apr_ppm_max: PpmShare | None = None
    model_variables_known_min: Annotated[int, Meta(ge=0, le=5000)] = 0
    cut_offs: CutOffs
    amounts: Amounts | None = None
    affordability: Affordability | None = None
    exits: Exits
    grid: Annotated[tuple[Band, ...], Meta(max_length=200)] = ()
    rules: Annotated[tuple[Rule, ...], Meta(max_length=200)] = ()
    reasons: Annotated[tuple[ReasonText, ...], Meta(min_length=1, max_length=500)]
    examples: Annotated[tuple[Example, ...], Meta(min_length=1, max_length=200)]
    # Left out of the canonical bytes where they are not said, so that policies from before they were known keep their hash.
    offer_days: Annotated[int, Meta(ge=1, le=90)] | UnsetType = UNSET
    guards: Annotated[tuple[Guard, ...], Meta(max_length=50)] | UnsetType = UNSET
    losses: LossPricing | UnsetType = UNSET


_DECODER = msgspec.json.Decoder(Policy)


def read_policy(text: str) -> Policy:
    """The document in TOML `text`, types and shape checked; whether it makes sense is `checks.check_policy`'s to say.

    Raises
    ------
    Refused : not TOML, an unknown field, a wrong type, a condition of no known form.
    """
    try:
        return msgspec.toml.decode(text, type=Policy)
    except msgspec.ValidationError as error:
        raise Refused(f"policy document: {error}; schemas/policy.json lists what each field takes") from error
    except UNREADABLE as error:
        raise Refused(f"policy document: {error}") from error


def encode_policy(policy: Policy) -> bytes:
    """Canonical JSON of the document."""
    return encode_canonical(policy)


def decode_policy(raw: bytes) -> Policy:
    """The document behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"policy document: {error}") from error
