"""What is wrong with a mapping that could be decoded: every fault, each with its place. Edge.

The checks go by what a fault would do: facts that the product doesn't have or can't hold, columns that may not be read where they
are, joined files that can't be joined, events that can't be dated.
"""

from collections.abc import Iterator
from itertools import pairwise

from instant_credit.application.product import Attribute, AttributeType, Legal, Product
from instant_credit.outcome.events import EventKind
from instant_credit.training.tapes.parts import Condition, EventRule, FactColumn, TapeMapping

_NUMBERS = frozenset({AttributeType.CENTS, AttributeType.INTEGER, AttributeType.REAL})
_TYPES_BY_TAKE = {
    "count": frozenset({AttributeType.INTEGER, AttributeType.REAL}),
    "sum": _NUMBERS,
    "mean": frozenset({AttributeType.CENTS, AttributeType.REAL}),
    "min": _NUMBERS | {AttributeType.DATE},
    "max": _NUMBERS | {AttributeType.DATE},
    "last": frozenset(AttributeType),
}


def find_faults(mapping: TapeMapping, product: Product) -> list[str]:
    """Everything that is wrong with `mapping` as a mapping of `product`, in the order of the document's parts; empty = sound."""
    faults = (
        [] if mapping.product == product.name else [f"product: it is for {mapping.product}, not for {product.name}"]
    )
    if (mapping.as_of.column is None) == (mapping.as_of.constant is None):
        faults.append("as_of: give either `column` or `constant`")
    faults += _find_file_faults(mapping)
    faults += _find_row_faults(mapping)
    faults += _find_fact_faults(mapping, product)
    faults += _find_monitoring_faults(mapping, product)
    faults += _find_leak_faults(mapping)
    faults += _find_event_faults(mapping)
    return faults


def _find_file_faults(mapping: TapeMapping) -> Iterator[str]:
    declared: set[str] = set()
    for name, file in mapping.files.items():
        place = f"files.{name}"
        if len(file.tape_columns) != len(file.key):
            yield f"{place}: `on` names as many columns as `key`"
        for column in file.tape_columns:
            other = mapping.find_file(column)
            if other is not None and (other not in declared or mapping.files[other].rows == "many"):
                yield f"{place}.on: {column} is not a column of the tape or of a file of one row declared above"
        if file.where is not None:
            yield from _find_condition_faults(f"{place}.where", file.where)
        if file.undated and file.rows == "one":
            yield f"{place}: `undated` is for files of many rows"
        declared.add(name)
    on = {column for file in mapping.files.values() for column in file.tape_columns}
    for column in sorted(mapping.cell_columns - on):
        joined = mapping.find_file(column)
        if joined is not None and mapping.files[joined].rows == "many":
            yield f"{column}: files.{joined} has many rows a loan; take a fact from it with `file` and `take`, an event with `file`"


def _find_row_faults(mapping: TapeMapping) -> Iterator[str]:
    if mapping.row.key and mapping.row.ignore:
        yield "row: `ignore` is for rows without a `key`"
    if any(mapping.find_file(column) is not None for column in mapping.row.key):
        yield "row: `key` names columns of the tape, not of a joined file"
    unseen = () if mapping.row.key else (*mapping.row.ignore, *mapping.leaks)
    for name, file in mapping.files.items():
        for column in file.tape_columns:
            if column in unseen:
                yield (
                    f"files.{name}.on: column {column} is ignored or a leak, so rows that differ in it alone would be one loan with "
                    "two kinds of evidence; give the row a `key` or stop ignoring it"
                )


def _find_fact_faults(mapping: TapeMapping, product: Product) -> Iterator[str]:
    attributes = {attribute.name: attribute for attribute in product.attributes}
    for name, fact in mapping.facts.items():
        attribute = attributes.get(name)
        if attribute is None:
            yield f"facts.{name}: the product has no such attribute"
            continue
        if attribute.legal is Legal.PROHIBITED:
            yield (
                f"facts.{name}: the attribute is prohibited and can't be a fact of a Case; tell it in [monitoring.{name}], where it "
                "is sealed apart"
            )
        yield from _find_reading_faults(f"facts.{name}", fact, attribute)
        yield from _find_taking_faults(f"facts.{name}", fact, attribute, mapping)
    for attribute in product.case_attributes:
        if attribute.is_required and attribute.name not in mapping.facts:
            yield f"facts.{attribute.name}: the product requires it and no column tells it"


def _find_monitoring_faults(mapping: TapeMapping, product: Product) -> Iterator[str]:
    attributes = {attribute.name: attribute for attribute in product.attributes}
    for name, told in mapping.monitoring.items():
        place = f"monitoring.{name}"
        attribute = attributes.get(name)
        if attribute is None or attribute.legal is not Legal.PROHIBITED:
            yield f"{place}: the product has no such prohibited attribute"
            continue
        if told.over is not None or told.file is not None:
            yield f"{place}: it is read from one column, without `over` and `file`"
        yield from _find_reading_faults(place, told, attribute)
    apart = {column: name for name, one in mapping.monitoring.items() for column in one.columns}
    for name, fact in mapping.facts.items():
        for column in fact.all_columns:
            if column in apart:
                yield f"facts.{name}: column {column} tells monitoring.{apart[column]} and can't tell a fact of a Case too"


def _find_reading_faults(place: str, fact: FactColumn, attribute: Attribute) -> Iterator[str]:
    if fact.column is None and fact.take != "count":
        yield f"{place}: `column` is missing"
    if fact.edges:
        if attribute.type is not AttributeType.CATEGORY or len(attribute.categories) != len(fact.edges) + 1:
            yield f"{place}: `edges` are for a category attribute of one category more than there are edges"
        if any(high <= low for low, high in pairwise(fact.edges)):
            yield f"{place}: `edges` rise"
        if fact.values:
            yield f"{place}: give either `edges` or `values`"
    targets = [*fact.values.values(), *(() if fact.otherwise is None else (fact.otherwise,))]
    if attribute.type is AttributeType.CATEGORY:
        for target in targets:
            if target not in attribute.categories:
                yield f"{place}: {target!r} is not one of the attribute's categories"
    elif attribute.type is not AttributeType.DATE and any(isinstance(target, str) for target in targets):
        yield f"{place}: `values` of a number are numbers"
    if fact.otherwise is not None and not fact.values:
        yield f"{place}: `otherwise` needs `values`"
    if (fact.over is None) != (fact.over_min is None):
        yield f"{place}: `over` and `over_min` come together"
    if fact.over is not None and (attribute.type is not AttributeType.CENTS or fact.values):
        yield f"{place}: `over` is for amounts in cents without `values`"


def _find_taking_faults(place: str, fact: FactColumn, attribute: Attribute, mapping: TapeMapping) -> Iterator[str]:
    """Faults of a fact that is taken from many rows of a joined file."""
    if (fact.file is None) != (fact.take is None):
        yield f"{place}: `file` and `take` come together"
    if fact.file is None or fact.take is None:
        if fact.where is not None or fact.before is not None or fact.within_months is not None:
            yield f"{place}: `where`, `before` and `within_months` are for facts taken from a `file`"
        return
    yield from _find_many_faults(place, fact.file, mapping)
    if attribute.type not in _TYPES_BY_TAKE[fact.take]:
        yield f"{place}: {fact.take} does not give {attribute.type.value}"
    if fact.over is not None:
        yield f"{place}: `over` is not for facts taken from many rows"
    if fact.take == "count" and fact.column is not None:
        yield f"{place}: count counts rows and reads no `column`; say in `where` which ones"
    file = mapping.files.get(fact.file)
    if fact.before is None and file is not None and not file.undated:
        yield (
            f"{place}: name in `before` the column that dates the rows, or say `undated = true` in [files.{fact.file}] if all of them "
            "were known on the day"
        )
    if fact.before is None and (fact.take == "last" or fact.within_months is not None):
        yield f"{place}: last and `within_months` need `before`, the column that dates the rows"
    if fact.where is not None:
        yield from _find_condition_faults(f"{place}.where", fact.where)


def _find_many_faults(place: str, name: str, mapping: TapeMapping) -> Iterator[str]:
    if name not in mapping.files:
        yield f"{place}: there is no [files.{name}]"
    elif mapping.files[name].rows == "one":
        yield f"{place}: files.{name} has one row a loan; name its columns as {name}.column, without `file`"


def _find_leak_faults(mapping: TapeMapping) -> Iterator[str]:
    known = {f"facts.{name}": fact for name, fact in mapping.facts.items()}
    known |= {f"monitoring.{name}": one for name, one in mapping.monitoring.items()}
    readers = [(place, column) for place, one in known.items() for column in one.all_columns if column != one.over]
    readers += [(f"{place}.over", one.over) for place, one in known.items() if one.over is not None]
    for place, column in readers:
        if column in mapping.withheld and place.startswith("facts."):
            yield f"{place}: column {column} is withheld, and no fact may be read from it"
    readers += [(f"person.columns[{i}]", column) for i, column in enumerate(mapping.person.columns)]
    readers += [(f"row.key[{i}]", column) for i, column in enumerate(mapping.row.key)]
    readers += [(f"files.{name}.on", column) for name, file in mapping.files.items() for column in file.tape_columns]
    readers += [
        (f"files.{name}.key", f"{name}.{column}") for name, file in mapping.files.items() for column in file.key
    ]
    for name, file in mapping.files.items():
        where = () if file.where is None else file.where.columns
        readers += [(f"files.{name}.where", f"{name}.{column}") for column in where]
    readers += [] if mapping.as_of.column is None else [("as_of", mapping.as_of.column)]
    for place, column in readers:
        if column in mapping.leaks:
            yield (
                f"{place}: column {column} is a leak: it was filled after the decision, and only events and the weight may read it"
            )
    for column in sorted(mapping.event_columns - set(mapping.leaks) - {mapping.as_of.column} - _list_guarded(mapping)):
        yield f"events: column {column} tells the outcome and is not listed in `leaks`"


def _list_guarded(mapping: TapeMapping) -> set[str]:
    """Columns of files of many rows whose every reading fact takes rows from before the day: each cell is known on its row's day."""
    taking = [fact for fact in mapping.facts.values() if fact.file is not None]
    unguarded = {column for fact in taking if fact.before is None for column in fact.all_columns}
    keys = {f"{name}.{column}" for name, file in mapping.files.items() for column in file.key}
    return {column for fact in taking if fact.before is not None for column in fact.all_columns} - unguarded | keys


def _find_event_faults(mapping: TapeMapping) -> Iterator[str]:
    for i, rule in enumerate(mapping.events):
        place = f"events[{i}]"
        yield from _find_condition_faults(f"{place}.when", rule.when)
        if (rule.kind is EventKind.DAYS_PAST_DUE) != (rule.days_past_due is not None):
            yield f"{place}: `days_past_due` belongs to the kind days_past_due, and that kind needs it"
        if rule.kind is EventKind.VOID:
            yield f"{place}: a row tells what happened; what did not happen it leaves out, without an event of kind void"
        for name, day in (("event_on", rule.event_on), ("known_on", rule.known_on)):
            if day.column is not None and day.constant is not None:
                yield f"{place}.{name}: give `column` or `constant`, not both"
        if rule.file is not None:
            yield from _find_many_faults(place, rule.file, mapping)
            yield from _find_dating_faults(place, rule)


def _find_dating_faults(place: str, rule: EventRule) -> Iterator[str]:
    if rule.event_on.column is None:
        yield f"{place}.event_on: name the column of files.{rule.file} that dates its rows"
    if rule.known_on.column is None and rule.known_on.constant is None:
        yield f"{place}.known_on: name the column of files.{rule.file} that says when the lender knew, or give a `constant`"


def _find_condition_faults(place: str, condition: Condition) -> Iterator[str]:
    for i, test in enumerate((condition, *condition.also)):
        is_number = test.above is not None or test.below is not None
        if bool(test.is_one_of) + is_number + (test.is_told is not None) != 1:
            where = place if i == 0 else f"{place}.also[{i - 1}]"
            yield f"{where}: give either `is_one_of` or `above` and `below` or `is_told`"
