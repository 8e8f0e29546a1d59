"""The drafted product, as TOML with its guesses and doubts beside the lines. Edge."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from instant_credit.training.drafting.documents.doubts import Doubt, about, check, list_doubts
from instant_credit.training.drafting.documents.writing import (
    array,
    comment,
    line,
    quote,
    say,
    show_number,
    write_number,
)
from instant_credit.training.drafting.draft import Draft
from instant_credit.training.drafting.guessing.guess import Guess, Kind, Use
from instant_credit.training.drafting.words.closed_names import AREAS
from instant_credit.training.drafting.words.lexicon import list_words
from instant_credit.training.drafting.words.naming import Names, make_code, plain_label

_HEADROOM: Final = 3.0
_BOUND_MAX: Final = 9.0e15
_CENTS: Final = 100
_TERM_MONTHS_MAX: Final = 1200.0
_NUMBERED: Final = re.compile(r"_?\d+$")
_PLAIN_STEMS: Final = frozenset({"var", "col", "column", "feature", "attr", "field", "attribute", "code"})
_TYPES: Final = {
    Kind.AMOUNT: "cents",
    Kind.WHOLE: "integer",
    Kind.FLAG: "integer",
    Kind.REAL: "real",
    Kind.CATEGORY: "category",
    Kind.DAY: "date",
}
_FIRST_NUMBER: Final = 101
_CODE_CHARACTERS_MAX: Final = 3


def write_product(draft: Draft) -> str:
    """The text of the product document."""
    doubts = list_doubts(draft)
    facts = [guess for guess in draft.guesses if guess.use in (Use.FACT, Use.AGE)]
    monitored = draft.list_used(Use.MONITORING)
    currency = draft.wish.currency or "USD"
    lines = [
        *comment(
            f"First draft of a product, made from {say(draft.tape.path.name)} ({draft.tape.rows:,} rows, {len(draft.tape.columns):,} columns) by "
            "`instant-credit tape draft`. Every line is a guess; those marked CHECK need a person, and their numbers are those that the command "
            "printed. docs/documents.md says what each field means."
        ),
        *check(about(doubts, None)),
        "",
        "schema_version = 1",
        f"name = {quote(draft.wish.name)}",
        *line("title", quote(plain_label(draft.wish.name).capitalize()), "what people call this kind of loan"),
        *line("currency", quote(currency), "" if draft.wish.currency else "CHECK: ISO code of the tape's money"),
        "",
        *_write_roles(draft),
        *comment("Facts: what an application tells, in the order of a Case's columns."),
        "",
    ]
    for guess in facts:
        lines += _write_attribute(draft, guess, () if guess.taking is not None else about(doubts, guess.column))
    if monitored:
        lines += [
            *comment(
                "For the lender's self-test only (12 CFR 1002.5(b)(1)): sealed apart, never seen by variables or policy."
            ),
            "",
        ]
        for guess in monitored:
            lines += _write_attribute(draft, guess, about(doubts, guess.column))
    lines += [
        *comment(
            "Variables: what the model may see. A direction other than free is held on every tree; `why` says why the risk should move that way."
        ),
        "",
    ]
    families = _name_families(facts)
    names = Names("variable")
    for guess in facts:
        names.take(guess.name)
    for number, guess in enumerate(facts, _FIRST_NUMBER):
        lines += _write_variable(draft, guess, families[guess.name], number, names)
    return "\n".join(lines).rstrip() + "\n"


def _write_roles(draft: Draft) -> list[str]:
    if not draft.roles:
        text = (
            "No [roles]: no column is certainly the amount and the term asked for, so the product decides eligibility and an approval carries "
            'no terms. To price, name amount (cents), term (months) and income_annual (cents): facts with missing = "refuse".'
        )
        return [*comment(text), ""]
    lines = ["[roles]"]
    notes = {"amount": "the amount asked for", "term": "months until it is repaid", "income_annual": "income of a year"}
    for role, name in draft.roles.items():
        lines += line(role, quote(name), notes[role])
    if "income_annual" not in draft.roles:
        lines += comment("income_annual is not named: no column is certainly the income of a year, told in every row")
    return [*lines, ""]


def _write_attribute(draft: Draft, guess: Guess, doubts: Sequence[Doubt]) -> list[str]:
    is_role = guess.name in draft.roles.values()
    lines = [*check(doubts), "[[attributes]]", *line("name", quote(guess.name), _tell_source(draft, guess))]
    lines += line("type", quote(_TYPES[guess.kind]), _tell_type(guess))
    if guess.kind is Kind.CATEGORY:
        if AREAS.names(list_words(guess.column)) and all(
            len(one) <= _CODE_CHARACTERS_MAX for one in guess.categories if one != "other"
        ):
            lines += line("unit", '"code"', "shown in capitals")
        lines += array("categories", guess.categories)
    else:
        lines += _write_range(draft, guess)
    if is_role:
        lines += line("missing", '"refuse"', "an application without it is refused")
    legal = {Use.AGE: "age", Use.MONITORING: "prohibited"}.get(guess.use, "free")
    lines += line("legal", quote(legal), guess.why if guess.use is not Use.FACT else "")
    return [*lines, f"description = {quote(_describe(guess))}", ""]


def _tell_source(draft: Draft, guess: Guess) -> str:
    if guess.taking is not None:
        taking = guess.taking
        where = (
            "" if taking.where is None else f" where {say(taking.where[0], but=30)} is {say(taking.where[1], but=30)}"
        )
        return (
            f"{taking.take} of {say(taking.column, but=40) if taking.column else 'rows'} in file {taking.file}{where}"
        )
    rows = draft.tape.rows
    return f"column {say(guess.column, but=60)}: {rows - guess.told:,} of {rows:,} rows missing"


def _tell_type(guess: Guess) -> str:
    if guess.edges:
        return f"years, {show_number(guess.low)} to {show_number(guess.high)}, cut into bands"
    if guess.kind is Kind.CATEGORY:
        return f"{guess.distinct:,} different values"
    if guess.kind is Kind.DAY and guess.days is not None:
        return f"{guess.days.first_on} to {guess.days.last_on}"
    if guess.kind is Kind.FLAG:
        return "0 or 1"
    return f"{guess.kind}: {show_number(guess.low)} to {show_number(guess.high)}, {guess.distinct:,} different"


def _write_range(draft: Draft, guess: Guess) -> list[str]:
    low, high = guess.low, guess.high
    note = "the door refuses what lies outside; the tape's own range has room in it"
    if guess.kind is Kind.DAY:
        lines = line("unit", '"years"', "minimum and maximum are years before the day of the application")
        return [*lines, f"minimum = {write_number(float(int(low)))}", f"maximum = {write_number(high)}"]
    lines = []
    if guess.kind is Kind.FLAG:
        return [*lines, "minimum = 0", "maximum = 1"]
    if guess.kind is Kind.REAL or guess.unit not in ("number", "cents"):
        lines += [f"unit = {quote(guess.unit)}"]
    factor = _CENTS if guess.kind is Kind.AMOUNT else 1
    least = -_round_up(-low * _HEADROOM * factor) if low < 0 else 0.0
    most = _round_up(max(high, 0.0) * _HEADROOM * factor) or 1.0
    if guess.unit == "percent" and 0 <= high <= 100:
        most = 100.0
    if guess.name == draft.roles.get("amount") or guess.name == draft.roles.get("term"):
        least = 1.0
    if guess.name == draft.roles.get("term"):
        most = min(most, _TERM_MONTHS_MAX)
    return [*lines, *line("minimum", write_number(least), note), f"maximum = {write_number(most)}"]


def _round_up(number: float) -> float:
    """The next 1, 2 or 5 with zeros behind."""
    step = 1.0
    if number <= 0:
        return 0.0
    while step < number:
        for one in (1.0, 2.0, 5.0):
            if step * one >= number:
                return min(step * one, _BOUND_MAX)
        step *= 10
    return min(step, _BOUND_MAX)


def _describe(guess: Guess) -> str:
    if guess.taking is not None:
        of = "rows" if guess.taking.column is None else guess.taking.column
        return f"{guess.taking.take.capitalize()} of {of} in {guess.taking.file}."[:400]
    return f"Column {guess.column} of the tape."[:400]


def _name_families(facts: list[Guess]) -> dict[str, str]:
    """Facts that differ by a number alone (a balance of each month) tell one story; every other fact tells its own."""
    stems = {guess.name: _NUMBERED.sub("", guess.name) for guess in facts}
    times = Counter(stems.values())
    return {
        name: stem if times[stem] > 1 and len(stem) > 2 and stem not in _PLAIN_STEMS else name
        for name, stem in stems.items()
    }


def _write_variable(draft: Draft, guess: Guess, family: str, number: int, names: Names) -> list[str]:
    label = plain_label(guess.name)
    name, op, of, unit = guess.name, "value", [guess.name], guess.unit
    if guess.kind is Kind.CATEGORY:
        op, unit = "category", "category"
    elif guess.kind is Kind.DAY:
        name, op, of, unit = names.take(f"{guess.name}_months"), "span_months", [guess.name, "as_of"], "months"
        label = f"time since {label}"
    lines = ["[[variables]]", f"name = {quote(name)}", f"op = {quote(op)}", *array("of", of), f"unit = {quote(unit)}"]
    if guess.use is Use.AGE:
        lines += line("in_model", "false", "CHECK: true lets the model see it")
        lines += line("direction", '"decreasing"', "age may only lower the risk (12 CFR 1002.6(b)(2))")
    else:
        if guess.is_held:
            lines += line("in_model", "false", "CHECK: true lets the model see it, if it was known before the decision")
        lines += _write_direction(draft, guess)
    capital = label[:1].upper() + label[1:]
    return [
        *lines,
        'why = "Drafted from the tape; say here why it bears on repayment."',
        f"family = {quote(family)}",
        f"reason = {quote(make_code(name))}",
        f"reason_number = {number}",
        f"text = {quote(f'{capital}: {{value}} counted against this application.')}",
        f"text_missing = {quote(f'{capital} was not told, which counted against this application.')}",
        "",
    ]


def _write_direction(draft: Draft, guess: Guess) -> list[str]:
    standing = draft.standings.get(guess.name)
    if standing is None:
        return line("direction", '"free"')
    is_number = guess.kind is not Kind.CATEGORY
    note = (standing.tendency or "") if is_number else ""
    missing = standing.missing
    if missing is not None:
        told = "" if standing.told is None or note else f"told {standing.told.rate:.1%} bad; "
        note = f"{note}; {told}missing {missing.rate:.1%} bad".removeprefix("; ")
    strong = standing.strong_direction if is_number and draft.wish.is_directed else None
    return line("direction", quote(strong or "free"), note)
