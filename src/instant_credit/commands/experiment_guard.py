"""`instant-credit experiment guard`: judges the guardrails of every running experiment now, and closes the arms that breach one."""

import asyncio
import os
from typing import Final

import click
from msgspec import Struct

from instant_credit.canonical import encode_canonical
from instant_credit.record.pool import open_record
from instant_credit.settings import read_settings
from instant_credit.underwriting.experiment_guarding import Guarded, guard_experiments

NOTHING: Final = "No running experiment has an open arm with a guardrail that is judged here (docs/guardrails.md)."


class Judgement(Struct, frozen=True, kw_only=True):
    """What was found, and which arms were closed for it."""

    schema_version: int = 1
    guarded: tuple[Guarded, ...]


@click.command("guard")
@click.option("--json", "is_json", is_flag=True, help="Print JSON: every finding with its figures.")
def guard(*, is_json: bool) -> None:
    """Judge the guardrails of every running experiment now, and close the arms that breach one. Workers do so every five minutes by themselves."""
    told = asyncio.run(_guard())
    if is_json:
        click.echo(encode_canonical(Judgement(guarded=told)))
        return
    for one in told:
        finding = one.finding
        closed = "; the arm is closed" if one.is_closed else ""
        click.echo(f"{one.experiment} {finding.arm}, {finding.guardrail}: {finding.words}{closed}.")
    if not told:
        click.echo(NOTHING)


async def _guard() -> tuple[Guarded, ...]:
    async with open_record(read_settings(os.environ)) as record:
        return await guard_experiments(record)
