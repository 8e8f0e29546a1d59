"""Products with variables by chance, facts by chance, for properties of every operation in every arrangement."""

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

from instant_credit.application.operations import AS_OF
from instant_credit.application.product import Attribute, AttributeType, Legal, MissingRule, Product, Roles, Variable

AS_OF_DAY = date(2026, 2, 28)
EXACT = ("value", "category", "ratio", "difference", "total", "product", "span_months", "indicator", "clip", "bin")
BOUNDS = {"amount": (0, 5_000), "balance": (-300, 9_000), "count": (-5, 30), "term": (1, 60), "share": (-2.0, 3.0)}
CATEGORIES = ("rent", "own", "other")


def _attribute(name: str, kind: AttributeType, **more: Any) -> Attribute:
    if name in BOUNDS:
        more = {"minimum": float(BOUNDS[name][0]), "maximum": float(BOUNDS[name][1]), **more}
    return Attribute(name=name, type=kind, legal=Legal.FREE, description="A fact.", **more)


ATTRIBUTES = (
    _attribute("amount", AttributeType.CENTS, missing=MissingRule.REFUSE),
    _attribute("home", AttributeType.CATEGORY, categories=CATEGORIES),
    _attribute("term", AttributeType.INTEGER, missing=MissingRule.REFUSE),
    _attribute("since", AttributeType.DATE, minimum=0.0, maximum=90.0),
    _attribute("balance", AttributeType.CENTS),
    _attribute("share", AttributeType.REAL, unit="ratio"),
    _attribute("until", AttributeType.DATE, minimum=0.0, maximum=90.0),
    _attribute("count", AttributeType.INTEGER),
    _attribute("use", AttributeType.CATEGORY, categories=CATEGORIES),
)

small = st.integers(-40, 40).map(float) | st.floats(-50, 50).map(lambda x: round(x, 2))


@st.composite
def variables(draw: st.DrawFn, name: str, numbers: list[str], operations: tuple[str, ...]) -> Variable:
    """One variable over the attributes and the earlier `numbers`."""
    op = draw(st.sampled_from(operations))
    number = st.sampled_from(numbers)
    more: dict[str, Any] = {}
    if op == "category":
        of, more = [draw(st.sampled_from(["home", "use"]))], {"unit": "category"}
    elif op == "span_months":
        of = draw(st.lists(st.sampled_from(["since", "until", AS_OF]), min_size=2, max_size=2))
    elif op in ("total", "product"):
        of = draw(st.lists(number, min_size=1, max_size=4))
        least = st.integers(1, len(of)).map(float) if op == "total" else small.filter(bool)
        more = {"parameters": tuple(draw(st.lists(least, max_size=1)))}
    elif op in ("ratio", "difference"):
        of = [draw(number), draw(number)]
        more = {"parameters": tuple(draw(st.lists(small.filter(bool), max_size=1)))} if op == "ratio" else {}
    elif op == "indicator" and draw(st.booleans()):
        of, more = [draw(st.sampled_from(["home", "use"]))], {"category": draw(st.sampled_from(CATEGORIES))}
    elif op == "instalment":
        of, more = [draw(number), "term"], {"parameters": (draw(st.sampled_from([0.0, 50_000.0, 359_900.0])),)}
    else:
        of = [draw(number)]
        sizes = {"clip": (2, 2), "bin": (1, 5), "indicator": (1, 2), "value": (0, 0)}[op]
        edges = draw(st.lists(small, min_size=sizes[0], max_size=sizes[1], unique=True))
        more = {"parameters": tuple(sorted(edges))}
    return Variable(name=name, op=op, of=tuple(of), why="To see.", **more)  # type: ignore[arg-type] # op is drawn


@st.composite
def products(draw: st.DrawFn, operations: tuple[str, ...] = EXACT) -> Product:
    """Products whose variables resolve; they need not make sense, only be computable."""
    attributes = tuple(draw(st.permutations(ATTRIBUTES)))
    numbers = ["amount", "term", "balance", "share", "count"]
    made: list[Variable] = []
    for position in range(draw(st.integers(1, 7))):
        variable = draw(variables(f"v{position}", numbers, operations))
        made.append(variable)
        if variable.op != "category":
            numbers.append(variable.name)
    roles = Roles(amount="amount", term="term", income_annual="balance")
    return Product(
        name="chance", title="Chance", currency="USD", roles=roles, attributes=attributes, variables=tuple(made)
    )


@st.composite
def natural_facts(draw: st.DrawFn) -> dict[str, Any]:
    """Natural values by name within every range; None = missing."""
    facts: dict[str, Any] = {}
    for attribute in ATTRIBUTES:
        if attribute.type is AttributeType.CATEGORY:
            told: st.SearchStrategy[Any] = st.sampled_from(CATEGORIES)
        elif attribute.type is AttributeType.DATE:
            told = st.integers(0, 12_000).map(lambda days: AS_OF_DAY - timedelta(days=days))
        elif attribute.type is AttributeType.REAL:
            told = st.floats(*BOUNDS[attribute.name]).map(lambda x: round(x, 3) + 0.0)
        else:
            told = st.integers(*BOUNDS[attribute.name])
        facts[attribute.name] = draw(told if attribute.is_required else st.none() | told)
    return facts
