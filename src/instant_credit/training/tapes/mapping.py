"""The mapping document: what a tape's columns mean. Edge.

A mapping is written in TOML for one kind of tape and one product. It says which column tells which attribute, on which day the
facts were known (`as_of`), how a row is recognised again, and which repayment events a row tells. The attribute's type says how a
cell is read: cents from amounts, codes from texts, days from dates. `parts.py` holds its parts:

====================  ===================================================================================
part                  what it says
====================  ===================================================================================
``[file]``            how the tape is written, when it is csv: `delimiter`, `skip_lines`, `encoding`
``[files.NAME]``      a second file, joined by key: one row a loan, or many
``[numbers]``         how numbers are written: signs of thousands and currency, decimal sign
``null``              texts that mean missing, in every column
``leaks``             columns filled after the decision: events and the weight may read them
``withheld``          columns known in time that may not be facts, such as the lender's own price
``[row]``             how a row is recognised when the tape is imported again
``[as_of]``           the day on which the facts were known: a column or a constant
``[person]``          the columns that name the borrower
``[weight]``          how many loans of the population a row stands for
``[facts.x]``         where the attribute x is told, or which rows of a joined file it is taken from
``[monitoring.x]``    where the prohibited attribute x is told; it is sealed apart from the Case
``[[events]]``        what happened to the loan and when the lender knew, by row or by row of a joined file
====================  ===================================================================================

Two lists guard the past. `leaks` are columns that were filled after the decision: events and the weight may read them and nothing
else may. And the other way round, what an event reads must be listed there, so that a column which tells the outcome can't be made a
fact later by mistake. A joined file of dated rows has a guard of its own: a column of it that is not listed may serve events as well as
facts, as long as each of these facts takes rows from `before` the day. `withheld` are columns that were known in time and still may not
be used.
"""

import tomllib
from typing import Any

import msgspec
from msgspec import Struct

from instant_credit.application.invalid import tell_invalid
from instant_credit.application.product import Name, Product
from instant_credit.errors import Refused
from instant_credit.training.tapes.faults import find_faults
from instant_credit.training.tapes.parts import TapeMapping


class _ProductName(Struct, frozen=True, kw_only=True):
    product: Name


def read_product_name(text: str) -> str:
    """The name of the product that a mapping document is for, before anything else of it is checked.

    Raises
    ------
    Refused : the text is no mapping.
    """
    try:
        return msgspec.convert(_read_toml(text), _ProductName).product
    except msgspec.ValidationError as error:
        raise Refused(f"mapping: {tell_invalid(error, _ProductName)}") from error


def _read_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise Refused(f"mapping: the document is not TOML, mend its syntax: {error}") from error


def load_mapping(text: str, product: Product) -> TapeMapping:
    """The mapping written in `text`, checked against the product it names.

    Raises
    ------
    Refused : names every place that is wrong, all at once.
    """
    try:
        mapping = msgspec.convert(_read_toml(text), TapeMapping)
    except msgspec.ValidationError as error:
        raise Refused(
            f"mapping: {tell_invalid(error, TapeMapping)}; docs/documents.md says what each field takes"
        ) from error
    faults = find_faults(mapping, product)
    if faults:
        raise Refused(f"mapping {mapping.name}: " + "; ".join(faults))
    return mapping
