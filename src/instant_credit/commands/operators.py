"""`--by`: who gives a command, as it is written down."""

import re
from typing import Final

import click

from instant_credit.access.actors import Actor, ActorKind

_OPERATOR: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


def read_operator_id(_: click.Context, __: click.Parameter, value: str) -> str:
    """The id of a person or a team as it is told on the command line."""
    if not _OPERATOR.fullmatch(value):
        raise click.BadParameter("must be 1 to 64 letters, digits, hyphens, points, colons or underscores")
    return value


def _read_operator(context: click.Context, parameter: click.Parameter, value: str) -> Actor:
    return Actor(kind=ActorKind.PERSON, id=read_operator_id(context, parameter, value))


by_option: Final = click.option(
    "--by",
    "actor",
    required=True,
    metavar="ID",
    callback=_read_operator,
    help="Id of who does this, as it is written down: a staff number, never a name.",
)
