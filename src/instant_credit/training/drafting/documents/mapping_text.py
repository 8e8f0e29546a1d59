"""The drafted mapping, as TOML with its guesses, counts and doubts beside the lines. Edge."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from instant_credit.outcome.events import EventKind
from instant_credit.training.drafting.documents.doubts import Doubt, about, check, list_doubts, name_place
from instant_credit.training.drafting.documents.writing import (
    array,
    comment,
    line,
    noted_array,
    quote,
    say,
    show_number,
    write_number,
)
from instant_credit.training.drafting.draft import LISTED_MAX, Draft
from instant_credit.training.drafting.guessing.guess import Guess, Use
from instant_credit.training.drafting.loans.joins import Joined
from instant_credit.training.drafting.loans.outcome import Outcome, OutcomeText
from instant_credit.training.drafting.reading.days import ISO
from instant_credit.training.drafting.words.naming import plain_label
from instant_credit.training.tapes.parts import FileForm, NumberForm

_LISTED_NULLS: Final = 1
_SHOWN_LEFT_OUT: Final = 60


def write_mapping(draft: Draft) -> str:
    """The text of the mapping document."""
    doubts = list_doubts(draft)
    name = draft.wish.name
    lines = [
        *comment(
            f"First draft of a mapping, made from {say(draft.tape.path.name)} ({draft.tape.rows:,} rows) by `instant-credit tape draft`. Every line "
            "is a guess; those marked CHECK need a person, and their numbers are those that the command printed. docs/documents.md says what "
            "each field means."
        ),
        "",
        "schema_version = 1",
        f"name = {quote(name)}",
        f"title = {quote(plain_label(name).capitalize())}",
        f"product = {quote(name)}",
        "",
        *_write_lists(draft, doubts),
        *_write_form("file", draft.tape.form),
        *_write_numbers(draft.numbers),
    ]
    for joined in draft.joined:
        lines += _write_joined(draft, joined, about(doubts, name_place(joined.name)))
    lines += _write_row(draft, doubts)
    for use, table in ((Use.FACT, "facts"), (Use.MONITORING, "monitoring")):
        for guess in draft.guesses:
            if guess.use is use or (use is Use.FACT and guess.use is Use.AGE):
                lines += _write_fact(draft, guess, table, doubts)
    lines += _write_events(draft)
    return "\n".join(lines).rstrip() + "\n"


def _write_lists(draft: Draft, doubts: Sequence[Doubt]) -> list[str]:
    leaks = [
        (guess.column, _note(guess.why, guess, doubts))
        for guess in draft.guesses
        if guess.use in (Use.LEAK, Use.OUTCOME)
    ]
    withheld = [(guess.column, _note(guess.why, guess, doubts)) for guess in draft.list_used(Use.WITHHELD)]
    left_out = [guess for guess in draft.list_used(Use.LEFT_OUT) if guess.taking is None]
    lines = comment("Filled after the decision: events may read them, facts may not.")
    lines += [*noted_array("leaks", leaks[:LISTED_MAX]), ""]
    lines += comment(
        "Known in time and still no facts. To use one, draft again with --keep, or strike it here and give it [facts.x] and an attribute."
    )
    lines += [*noted_array("withheld", withheld[:LISTED_MAX]), ""]
    if left_out:
        lines += comment("Left out of both documents:")
        lines += [f"#   {say(guess.column or '', but=60)}: {guess.why}" for guess in left_out[:_SHOWN_LEFT_OUT]]
        rest = len(left_out) - _SHOWN_LEFT_OUT
        lines += [f"#   and {rest:,} more", ""] if rest > 0 else [""]
    return lines


def _note(why: str, guess: Guess, doubts: Sequence[Doubt]) -> str:
    numbers = [str(doubt.number) for doubt in about(doubts, guess.column)] if guess.column else []
    return f"{why} (CHECK {', '.join(numbers)})" if numbers else why


def _write_form(table: str, form: FileForm) -> list[str]:
    entries = []
    if form.delimiter != ",":
        entries += line("delimiter", quote(form.delimiter))
    if form.skip_lines:
        entries += line("skip_lines", str(form.skip_lines), "lines above the names of the columns")
    if form.encoding != "utf-8":
        entries += line("encoding", quote(form.encoding))
    return [f"[{table}]", *entries, ""] if entries else []


def _write_numbers(numbers: NumberForm) -> list[str]:
    if numbers == NumberForm():
        return []
    lines = ["[numbers]"]
    if numbers.remove:
        lines += array("remove", numbers.remove, "cut out of every number")
    if numbers.decimal != ".":
        lines += line("decimal", quote(numbers.decimal))
    return [*lines, ""]


def _write_joined(draft: Draft, joined: Joined, doubts: Sequence[Doubt]) -> list[str]:
    lines = [*check(doubts), f"[files.{joined.name}]"]
    note = f"{say(joined.tape.path.name, but=40)}: {joined.matched:,} of {draft.tape.rows:,} rows find one"
    lines += array("key", [joined.key], note)
    if joined.on != joined.key:
        lines += array("on", [joined.on])
    lines += line(
        "rows", quote(joined.rows), "each key at most once" if joined.rows == "one" else "several rows for a key"
    )
    if joined.name in draft.undated:
        lines += line("undated", "true", "all its rows are taken as known on the day of the facts")
    return [*lines, "", *_write_form(f"files.{joined.name}.form", joined.tape.form)]


def _write_row(draft: Draft, doubts: Sequence[Doubt]) -> list[str]:
    lines: list[str] = []
    keys = draft.list_used(Use.KEY)
    if keys:
        lines += ["[row]", *array("key", [guess.column for guess in keys[:1]], "different in every row"), ""]
    day = draft.day
    lines += [*check(about(doubts, day.column) if day.column else ()), "[as_of]"]
    if day.column is not None:
        lines += line("column", quote(day.column))
        lines += [] if day.format == ISO else line("format", quote(day.format))
    else:
        lines += line("constant", str(day.constant), "CHECK: the tape has no days, so this one stands for all rows")
    lines.append("")
    for guess in draft.list_used(Use.PERSON)[:1]:
        lines += ["[person]", *array("columns", [guess.column], "CHECK: rows of one borrower share it"), ""]
    for guess in draft.list_used(Use.WEIGHT)[:1]:
        lines += ["[weight]", *line("column", quote(guess.column), "CHECK: how many loans a row stands for"), ""]
    return lines


def _write_fact(draft: Draft, guess: Guess, table: str, doubts: Sequence[Doubt]) -> list[str]:
    if guess.taking is not None:
        return _write_taking(guess, table)
    told = f"{guess.kind}, {guess.distinct:,} different"
    if guess.edges:
        told = f"years, {show_number(guess.low)} to {show_number(guess.high)}"
    lines = [
        *check(about(doubts, guess.column)),
        f"[{table}.{guess.name}]",
        *line("column", quote(guess.column), told),
        *_write_null(guess),
    ]
    if guess.suffix:
        lines += line("suffix", quote(guess.suffix))
    if guess.days is not None and guess.days.format != ISO:
        lines += line("format", quote(guess.days.format))
    if guess.edges:
        edges = ", ".join(write_number(edge) for edge in guess.edges)
        lines += line("edges", f"[{edges}]", "an edge belongs to the band above it")
    if guess.values:
        lines += (
            line("otherwise", '"other"', f"{guess.rest:,} rows of rarer values; an application sends other for them")
            if guess.rest
            else []
        )
        lines += [f"[{table}.{guess.name}.values]"]
        rates = draft.rates.get(guess.name, {}) if table == "facts" else {}
        for value in guess.values:
            note = f"{value.rows:,} rows"
            note += f", {rates[value.text]:.1%} bad" if value.text in rates else ""
            lines += line(quote(value.text), quote(value.category), f"{note}; {value.note}" if value.note else note)
    return [*lines, ""]


def _write_null(guess: Guess) -> list[str]:
    texts = [(text, f"{rows:,} rows: {why}") for text, rows, why in guess.missing.texts]
    if len(texts) > _LISTED_NULLS:
        return noted_array("null", texts)
    return [*array("null", [text for text, _ in texts], texts[0][1])] if texts else []


def _write_taking(guess: Guess, table: str) -> list[str]:
    taking = guess.taking
    assert taking is not None
    lines = [f"[{table}.{guess.name}]", f"file = {quote(taking.file)}"]
    lines += line("take", quote(taking.take), f"{show_number(guess.low)} to {show_number(guess.high)}")
    if taking.column is not None:
        lines += line("column", quote(taking.column))
        lines += _write_null(guess)
        lines += line("suffix", quote(guess.suffix)) if guess.suffix else []
    if taking.where is not None:
        lines.append(f"where = {{ column = {quote(taking.where[0])}, is_one_of = [{quote(taking.where[1])}] }}")
    if taking.before is not None:
        lines += line("before", quote(taking.before), "only rows dated before as_of count")
        lines += [] if taking.before_format == ISO else line("before_format", quote(taking.before_format))
    return [*lines, ""]


def _write_events(draft: Draft) -> list[str]:
    outcome = draft.outcome
    if outcome is None or not outcome.is_told:
        return _write_example(draft)
    lines = comment(
        f"What happened to the loans: {outcome.bad_rate:.2%} of the resolved rows are bad. The outcome counts as known {draft.day.add_months} months "
        "after as_of where no day is told; a row without an event is not learnt from."
    )
    lines += check(about(list_doubts(draft), outcome.column))
    known = [one for one in outcome.texts if one.kind is not None]
    for kind, texts in groupby(sorted(known, key=_order), key=lambda one: one.kind):
        assert kind is not None
        lines += ["", *_write_event(draft, outcome, kind, list(texts))]
    unknown = [one for one in outcome.texts if one.kind is None]
    if unknown:
        lines += ["", *comment("No event, so not learnt from:")]
        lines += [f"#   {say(one.text)}: {one.rows:,} rows" for one in unknown]
    return lines


def _order(one: OutcomeText) -> tuple[bool, str]:
    return (not one.is_bad, "" if one.kind is None else one.kind.value)


def _write_event(draft: Draft, outcome: Outcome, kind: EventKind, texts: list[OutcomeText]) -> list[str]:
    rows = sum(one.rows for one in texts)
    told = ", ".join(quote(one.text) for one in texts)
    side = "bad" if texts[0].is_bad else "good"
    day = f"{{ add_months = {draft.day.add_months} }}"
    dated = outcome.day or (draft.event_day if texts[0].is_bad else None)
    if dated is not None:
        name, layout = dated
        form = "" if layout == ISO else f", format = {quote(layout)}"
        day = f"{{ column = {quote(name)}{form} }}"
    return [
        "[[events]]",
        *line("kind", quote(kind.value), f"{side}: {rows:,} rows"),
        *([] if outcome.file is None else [f"file = {quote(outcome.file)}"]),
        f"when = {{ column = {quote(outcome.own_column)}, is_one_of = [{told}] }}",
        f"event_on = {day}",
        f"known_on = {day}",
    ]


def _write_example(draft: Draft) -> list[str]:
    """What to write when nobody knows yet what is bad."""
    outcome = draft.outcome
    column = outcome.column if outcome is not None else "COLUMN"
    texts = [(one.text, one.rows) for one in outcome.texts] if outcome is not None else []
    lines = comment(
        "CHECK: which loans went bad is not known, and without events nothing can be learnt. Say it with --outcome and --bad, or write the texts "
        "of the outcome column into these events and take the # away; the column must stand in `leaks`."
    )
    lines += check(about(list_doubts(draft), outcome.column)) if outcome is not None else []
    lines += [f"#   {say(text)}: {rows:,} rows" for text, rows in texts]
    for kind, text in ((EventKind.DELINQUENT, "BAD"), (EventKind.CURRENT, "GOOD")):
        lines += [
            "",
            "# [[events]]",
            f'# kind = "{kind.value}"',
            f"# when = {{ column = {quote(column)}, is_one_of = [{quote(text)}] }}",
            f"# event_on = {{ add_months = {draft.day.add_months} }}",
            f"# known_on = {{ add_months = {draft.day.add_months} }}",
        ]
    return lines
