"""The product document: which attributes an application carries and which variables are derived from them.

A product is written in TOML, decoded strictly, checked as a whole and hashed over its canonical JSON. Attributes are facts as
told; variables are numbers computed from them by a closed set of operations (`features/`). Money is integer cents, dates are
days, categories are positions in the attribute's list.
"""

from enum import StrEnum
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Code = Annotated[str, Meta(pattern=r"^[A-Z][A-Z0-9_]{2,62}$")]
Text = Annotated[str, Meta(min_length=1, max_length=400)]


class AttributeType(StrEnum):
    """How a fact is told and kept."""

    CENTS = "cents"
    INTEGER = "integer"
    REAL = "real"
    CATEGORY = "category"
    DATE = "date"


TYPES_IN_ORDER: Final = (
    AttributeType.CENTS,
    AttributeType.INTEGER,
    AttributeType.REAL,
    AttributeType.CATEGORY,
    AttributeType.DATE,
)
"""The order of the typed tuples of `Facts`."""


class Source(StrEnum):
    """Who tells a fact."""

    FORM = "form"
    BUREAU = "bureau"
    BANK = "bank"
    TAPE = "tape"


class Legal(StrEnum):
    """What Regulation B allows a fact to be used for.

    `PROHIBITED` (12 CFR 1002.2(z), and health, social-network and other special-category data) is carried apart for fairness
    measurement and reaches neither variables nor policy. `AGE` may only enter a date span whose pd never rises with age
    (1002.6(b)(2)). `ASSISTANCE_INCOME` (public assistance, pension, alimony, part-time work) may only be totalled with other
    income at full value (1002.6(b)(5)).
    """

    FREE = "free"
    AGE = "age"
    ASSISTANCE_INCOME = "assistance_income"
    PROHIBITED = "prohibited"


class MissingRule(StrEnum):
    """What an absent value means."""

    REFUSE = "refuse"
    KEEP = "keep"
    ZERO = "zero"


class Better(StrEnum):
    """Which way a fact is better for the applicant."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Direction(StrEnum):
    """How the probability of default may move as a variable rises."""

    INCREASING = "increasing"
    DECREASING = "decreasing"
    FREE = "free"


class Attribute(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fact of an application.

    `minimum` and `maximum` are in the unit of the type (cents, whole numbers, the real's `unit`; for dates ISO text is not
    used: both are years before `as_of`, so a date lies within [as_of - maximum years, as_of - minimum years]).
    `legal` has no default: whoever writes a product says of every fact what it may be used for. `actionable` facts can be
    improved by the applicant, so they have a better side. A fact of source `tape` is never asked for at the door.
    """

    name: Name
    type: AttributeType
    unit: Annotated[str, Meta(max_length=24)] = ""
    minimum: float | None = None
    maximum: float | None = None
    categories: Annotated[tuple[Name, ...], Meta(max_length=250)] = ()
    missing: MissingRule = MissingRule.KEEP
    source: Source = Source.FORM
    legal: Legal
    better: Better = Better.NEITHER
    actionable: bool = False
    description: Text

    @property
    def is_required(self) -> bool:
        """Whether an application without it is refused."""
        return self.missing is MissingRule.REFUSE


class Variable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One number derived from facts; `of` names attributes, earlier variables or ``as_of``.

    `in_model` says whether the model may see it; every model variable has a direction with its why, a reason family, a reason
    code with a permanent number, and a text in which ``{value}`` stands for the applicant's own value.
    """

    name: Name
    op: Literal[
        "value",
        "category",
        "ratio",
        "difference",
        "total",
        "product",
        "span_months",
        "indicator",
        "clip",
        "bin",
        "instalment",
    ]
    of: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=8)]
    parameters: Annotated[tuple[float, ...], Meta(max_length=16)] = ()
    category: Name | None = None
    unit: Literal["cents", "ratio", "percent", "months", "years", "count", "category", "flag", "number"] = "number"
    in_model: bool = True
    direction: Direction = Direction.FREE
    why: Text
    family: Name = "other"
    reason: Code | None = None
    reason_number: Annotated[int, Meta(ge=1, le=9999)] | None = None
    text: Text | None = None
    text_missing: Text | None = None


class Roles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which attributes the policy prices with; None where the product does not know them.

    `amount` and `term` come together. Without them an approval carries no terms: the product decides eligibility only.
    Without `income_annual` the policy cannot judge what an instalment leaves of income.
    """

    amount: Name | None = None
    term: Name | None = None
    income_annual: Name | None = None


class Product(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document. `attributes` order is the order of a Case's columns."""

    schema_version: Literal[1] = 1
    name: Name
    title: Text
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]
    roles: Roles = Roles()
    attributes: Annotated[tuple[Attribute, ...], Meta(min_length=1, max_length=2000)]
    variables: Annotated[tuple[Variable, ...], Meta(min_length=1, max_length=5000)]

    @property
    def is_priced(self) -> bool:
        """Whether an approval carries terms: amount and term are known."""
        return self.roles.amount is not None and self.roles.term is not None

    @property
    def has_affordability(self) -> bool:
        """Whether an instalment can be held against income."""
        return self.is_priced and self.roles.income_annual is not None

    @property
    def case_attributes(self) -> tuple[Attribute, ...]:
        """Attributes that a Case holds: all but the prohibited ones."""
        return tuple(a for a in self.attributes if a.legal is not Legal.PROHIBITED)

    @property
    def told_attributes(self) -> tuple[Attribute, ...]:
        """Case attributes that an application may tell: all but those that only tapes carry."""
        return tuple(a for a in self.case_attributes if a.source is not Source.TAPE)

    @property
    def monitoring_attributes(self) -> tuple[Attribute, ...]:
        """Prohibited attributes, carried apart for fairness measurement."""
        return tuple(a for a in self.attributes if a.legal is Legal.PROHIBITED)

    @property
    def model_variables(self) -> tuple[Variable, ...]:
        """Variables that the model may see, in order."""
        return tuple(v for v in self.variables if v.in_model)

    @property
    def model_categories(self) -> tuple[tuple[str, ...], ...]:
        """Of each variable that the model may see the names of its codes, empty for a number."""
        categories = {a.name: a.categories for a in self.attributes if a.type is AttributeType.CATEGORY}
        return tuple(categories[v.of[0]] if v.op == "category" else () for v in self.model_variables)
