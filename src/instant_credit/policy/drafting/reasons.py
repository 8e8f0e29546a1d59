"""The reasons of a drafted policy: permanent numbers and codes that none of the product's own stands in the way of."""

from typing import Final

from msgspec import Struct

from instant_credit.application.operations import AS_OF
from instant_credit.application.product import Legal, Product, Variable
from instant_credit.policy.document import Comparison, Condition, Exits, ReasonText, Rule
from instant_credit.policy.program import MEANS_EXITS, PRICE_EXITS

# Eighteen years: the age of majority in most places; whoever edits the draft puts in the law's own.
MAJORITY_MONTHS: Final = 216
_NUMBER_MAX: Final = 9999
_BLOCK: Final = 100
_OF_AGE: Final = ("BELOW_AGE_OF_MAJORITY", "capacity", "The applicant is not of full age.")
_OF_EXITS: Final = {
    "score_unavailable": (
        "EVIDENCE_TOO_THIN_TO_SCORE",
        "evidence",
        "The application holds too little to judge it by.",
    ),
    "referred_by_score": (
        "RISK_NEEDS_REVIEW",
        "review",
        "The facts of the application call for a second look by a person.",
    ),
    "evidence_missing": ("EVIDENCE_INCOMPLETE", "evidence", "A fact that terms depend on is not known."),
    "amount_above_limit": (
        "AMOUNT_ABOVE_LIMIT",
        "amount",
        "The amount asked for, {value}, is more than can be lent on these facts.",
    ),
    "term_above_limit": (
        "TERM_ABOVE_LIMIT",
        "term",
        "The term asked for, {value}, is longer than can be offered on these facts.",
    ),
    "term_not_offered": ("TERM_NOT_OFFERED", "term", "A term of {value} is not offered."),
    "instalment_above_affordable": (
        "INSTALMENT_ABOVE_AFFORDABLE",
        "affordability",
        "The instalment for the amount asked for, {value} a month, is high for the income told.",
    ),
}


class DraftedReasons(Struct, frozen=True, kw_only=True):
    """Rules, exits and the reasons that both name."""

    rules: tuple[Rule, ...]
    exits: Exits
    reasons: tuple[ReasonText, ...]


def draft_reasons(product: Product) -> DraftedReasons:
    """What every policy needs, and the one rule that follows from the product alone: the capacity to contract.

    Numbers start at the next full hundred above the product's own, or go down from the highest free one.
    """
    due = ["score_unavailable", "referred_by_score"]
    if product.is_priced:
        due.extend(PRICE_EXITS)
    if product.has_affordability:
        due.append(MEANS_EXITS[0])
    age = _age_variable(product)
    texts = [*([] if age is None else [_OF_AGE]), *(_OF_EXITS[name] for name in due)]
    numbers, codes = _free_numbers(product, len(texts)), _taken_codes(product)
    reasons = tuple(
        ReasonText(code=_free_code(code, codes), number=number, family=family, text=text)
        for (code, family, text), number in zip(texts, numbers, strict=True)
    )
    code_of = dict(zip(due, (reason.code for reason in reasons[len(texts) - len(due) :]), strict=True))
    rules: tuple[Rule, ...] = ()
    if age is not None:
        below = Condition(variable=age.name, compare=Comparison.BELOW, value=MAJORITY_MONTHS)
        rules = (Rule(id="below_age_of_majority", when=below, outcome="decline", reason=reasons[0].code),)
    return DraftedReasons(rules=rules, exits=Exits(**code_of), reasons=reasons)


def _age_variable(product: Product) -> Variable | None:
    """The variable that tells the applicant's age, where an application may tell one below the age of majority."""
    years = MAJORITY_MONTHS / 12
    ages = {
        a.name
        for a in product.case_attributes
        if a.legal is Legal.AGE and (a.minimum or 0.0) < years < (a.maximum or 0.0)
    }
    spans = (v for v in product.variables if v.op == "span_months" and v.of[0] in ages and v.of[1] == AS_OF)
    return next((v for v in spans if v.name not in {a.name for a in product.attributes}), None)


def _taken_codes(product: Product) -> frozenset[str]:
    return frozenset(v.reason for v in product.variables if v.reason is not None)


def _free_code(code: str, taken: frozenset[str]) -> str:
    return code if code not in taken else f"{code}_BY_POLICY"


def _free_numbers(product: Product, count: int) -> list[int]:
    taken = {v.reason_number for v in product.variables if v.reason_number is not None}
    first = (max(taken, default=0) // _BLOCK + 1) * _BLOCK + 1
    if first + count - 1 <= _NUMBER_MAX:
        return list(range(first, first + count))
    return sorted([n for n in range(_NUMBER_MAX, 0, -1) if n not in taken][:count])
