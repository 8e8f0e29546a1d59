"""Judging out of the record: the same report as over the same loans in memory; over the command line, with waivers and cards."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace
from sklearn.metrics import roc_auc_score

from instant_credit.application.document import encode_product, hash_product
from instant_credit.commands import cli
from instant_credit.decision.gate_report import Gate, Verdict, decode_gate_report
from instant_credit.errors import Refused
from instant_credit.outcome.definition import AS_LAST_SEEN, LabelDefinition, encode_definition
from instant_credit.outcome.losses import encode_losses
from instant_credit.record.documents import DocumentKind, get_document, put_document, put_documents
from instant_credit.record.pool import open_record
from instant_credit.record.reads import list_monitoring
from instant_credit.training.dataset import gather_training_set, list_columns
from instant_credit.training.gates import gathering
from instant_credit.training.gates.gathering import Wanted, gather_cases, judge_recorded
from instant_credit.training.gates.judging import judge_candidate
from instant_credit.training.manifest import encode_training
from instant_credit.underwriting.releases import make_release
from instant_credit.units import days_from_date
from tests.releasing import put_live
from tests.training.gates.recording import BOOK, record_world
from tests.training.gates.test_losses import table
from tests.training.gates.worlds import (
    KNOWN_ON,
    PLACE,
    PRODUCT,
    STANDARD,
    TEST_FROM,
    draft,
    invent_world,
    make_better,
    make_champion,
    make_policy,
    record_cases,
    tick_by_itself,
    train,
)

LOANS = 1_200
WORLD = invent_world(LOANS, seed=7)
RELAXED = replace(
    STANDARD,
    data=replace(STANDARD.data, test_goods_min=40, test_bads_min=20),
    fairness=replace(STANDARD.fairness, group_cases_min=30),
    profit=replace(STANDARD.profit, cases_min=100),
)


async def stock(record, actor):
    """The world's book, a candidate fitted on it and the champion with its release."""
    await record_world(record, WORLD, actor)
    candidate = train(replace(WORLD, loans=replace(WORLD.loans, book=BOOK)))
    documents = [
        (DocumentKind.PRODUCT, encode_product(PRODUCT)),
        (DocumentKind.LABELS, encode_definition(AS_LAST_SEEN)),
    ]
    for one in (make_champion(), candidate):
        documents += [(DocumentKind.MODEL, one.bundle_raw), (DocumentKind.TRAINING, encode_training(one.manifest))]
    await put_documents(record, documents, actor)
    release = await make_release(
        record, policy=make_policy(), model_hash=make_champion().bundle_hash, book=BOOK, actor=actor
    )
    return candidate, release


@pytest.mark.anyio
async def test_the_report_is_that_of_the_same_loans_in_memory(record, actor):
    candidate, release = await stock(record, actor)
    wanted = Wanted(
        book=BOOK,
        model_hash=candidate.bundle_hash,
        champion_release=release.hash,
        test_from=TEST_FROM,
        known_on=KNOWN_ON,
    )
    filed = await judge_recorded(record, wanted, thresholds=RELAXED, actor=actor, stopwatch=tick_by_itself())
    loans = await gather_training_set(record, book=BOOK, product=PRODUCT, known_on=KNOWN_ON)
    assert loans.matrix.tobytes() == WORLD.loans.matrix.tobytes()
    assert loans.labels.tolist() == WORLD.loans.labels.tolist()
    expected = judge_candidate(
        candidate,
        make_champion(),
        loans,
        thresholds=RELAXED,
        test_from=TEST_FROM,
        policy=make_policy(),
        champion_release=release,
        recorded=record_cases(WORLD),
        stopwatch=tick_by_itself(),
    )
    assert filed.report == expected
    assert decode_gate_report(await get_document(record, filed.report_hash)) == filed.report
    assert filed.report.labelled_cases == filed.report.cases == filed.report.test.loans
    assert filed.report.result_of(Gate.FAIRNESS).verdict is not Verdict.NOT_ENOUGH


@pytest.mark.anyio
async def test_a_model_is_not_judged_against_itself(record, actor):
    _, release = await stock(record, actor)
    wanted = Wanted(
        book=BOOK,
        model_hash=release.manifest.model_hash,
        champion_release=release.hash,
        test_from=TEST_FROM,
        known_on=KNOWN_ON,
    )
    with pytest.raises(Refused, match=r"nothing is better or worse than itself.*--champion none"):
        await judge_recorded(record, wanted, thresholds=RELAXED, actor=actor)


@pytest.mark.anyio
async def test_a_champion_of_other_variables_is_judged_by_its_own(record, actor):
    candidate, _ = await stock(record, actor)
    fewer = replace(PRODUCT, variables=tuple(one for one in PRODUCT.variables if one.name != "fees_seen"))
    held = np.arange(len(PRODUCT.variables)) != PLACE["fees_seen"]
    loans = replace(
        WORLD.loans,
        product=fewer,
        product_hash=hash_product(fewer),
        columns=list_columns(fewer),
        matrix=np.ascontiguousarray(WORLD.loans.matrix[:, held]),
    )
    champion = train(replace(WORLD, loans=loans))
    documents = [(DocumentKind.PRODUCT, encode_product(fewer)), (DocumentKind.MODEL, champion.bundle_raw)]
    await put_documents(record, documents, actor)
    release = await make_release(record, policy=make_policy(), model_hash=champion.bundle_hash, book=BOOK, actor=actor)
    wanted = Wanted(
        book=BOOK,
        model_hash=candidate.bundle_hash,
        champion_release=release.hash,
        test_from=TEST_FROM,
        known_on=KNOWN_ON,
    )
    filed = await judge_recorded(record, wanted, thresholds=RELAXED, actor=actor, stopwatch=tick_by_itself())
    told = next(one for one in filed.report.result_of(Gate.DISCRIMINATION).figures if one.name == "AUC of the champion")
    is_test = WORLD.loans.days >= days_from_date(TEST_FROM)
    _, pds = champion.estimate(loans.matrix[is_test])
    assert told.value == roc_auc_score(WORLD.loans.labels[is_test], pds)


@pytest.mark.anyio
async def test_cases_are_read_with_labels_as_known_and_sealed_groups(record, actor, monkeypatch):
    await record_world(record, WORLD, actor)
    given = {"actor": actor, "book": BOOK, "product": PRODUCT, "since": TEST_FROM}
    every = await gather_cases(record, known_on=KNOWN_ON, **given)
    expected = record_cases(WORLD)
    assert every.cases == expected.cases
    assert every.labels.tolist() == expected.labels.tolist()
    assert every.groupings[0].codes.tolist() == expected.groupings[0].codes.tolist()
    early = await gather_cases(record, known_on=TEST_FROM, **given)
    assert set(early.labels.tolist()) == {-1}
    monkeypatch.setattr(gathering, "CASES_MAX", 50)
    drawn = await gather_cases(record, known_on=KNOWN_ON, **given)
    assert len(drawn.cases) == 50
    assert all(case in every.cases for case in drawn.cases)


@pytest.mark.anyio
async def test_that_sealed_groups_are_opened_is_written_down_before_they_are(record, actor, monkeypatch):
    await record_world(record, WORLD, actor)
    opened = []

    async def open_groups(own, case_ids):
        opened.append(len(await list_book_reads(own)))
        return await list_monitoring(own, case_ids)

    monkeypatch.setattr(gathering, "list_monitoring", open_groups)
    given = {"actor": actor, "book": BOOK, "product": PRODUCT, "since": TEST_FROM}
    await gather_cases(record, known_on=KNOWN_ON, **given)
    assert opened == [1] * len(opened) != []
    assert await list_book_reads(record) == [(BOOK, "analysis", actor.kind.value, actor.id)]
    await gather_cases(record, known_on=date(2000, 1, 1), **given)
    assert len(await list_book_reads(record)) == 1


async def list_book_reads(record):
    async with record.connection() as connection:
        rows = await connection.fetch("SELECT book, purpose, actor_kind, actor_id FROM book_reads")
    return [tuple(row) for row in rows]


@pytest.mark.anyio
async def test_of_one_book_in_two_records_the_same_cases_are_drawn(record, other_settings, clock, actor, monkeypatch):
    monkeypatch.setattr(gathering, "CASES_MAX", 50)
    given = {"actor": actor, "book": BOOK, "product": PRODUCT, "since": TEST_FROM, "known_on": KNOWN_ON}
    await record_world(record, WORLD, actor)
    first = await gather_cases(record, **given)
    async with open_record(other_settings, clock=clock) as other:
        await record_world(other, WORLD, actor)
        second = await gather_cases(other, **given)
    assert first.cases == second.cases
    assert first.labels.tolist() == second.labels.tolist()


@pytest.mark.anyio
async def test_cases_are_labelled_by_the_candidates_own_definition(record, actor):
    await record_world(record, WORLD, actor)
    slow = LabelDefinition(name="slow", title="A year on book", window_months=12, starts="as_of")
    given = {"actor": actor, "book": BOOK, "product": PRODUCT, "since": TEST_FROM, "definition": slow}
    ripe = await gather_cases(record, known_on=KNOWN_ON, **given)
    assert ripe.labels.tolist() == record_cases(WORLD).labels.tolist()
    young = await gather_cases(record, known_on=date(2022, 5, 1), **given)
    assert set(young.labels.tolist()) <= {-1, 0, 1}
    assert (young.labels == -1).sum() == len(young.cases) - (young.labels >= 0).sum() > 0


def test_loans_labelled_otherwise_than_the_candidates_are_refused():
    slow = LabelDefinition(name="slow", title="A year on book", window_months=12, starts="as_of")
    loans = replace(WORLD.loans, definition=slow)
    with pytest.raises(Refused, match="gather them by its own"):
        judge_candidate(make_better(), None, loans, thresholds=RELAXED, test_from=TEST_FROM)


@pytest.mark.anyio
async def test_a_model_without_a_recorded_training_is_refused(record, actor):
    await put_documents(record, [(DocumentKind.MODEL, make_better().bundle_raw)], actor)
    wanted = Wanted(book=BOOK, model_hash=make_better().bundle_hash, known_on=KNOWN_ON)
    with pytest.raises(Refused, match="no training of model"):
        await judge_recorded(record, wanted, thresholds=STANDARD, actor=actor)


@pytest.fixture
def lender(settings, environ, actor) -> str:
    """A record with the candidate and a live champion; the candidate's hash."""

    async def fill() -> str:
        async with open_record(settings) as record:
            candidate, release = await stock(record, actor)
            await put_live(record, release.product.name, release.hash, actor)
            return candidate.bundle_hash

    return asyncio.run(fill())


def run(environ: dict[str, str], *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["gate", *arguments], env=environ)


def test_a_gate_is_judged_shown_and_waived_by_two_persons(lender, environ, tmp_path: Path):
    judged = ("judge", "--book", BOOK, "--model", lender, "--test-from", f"{TEST_FROM}", "--known-on", f"{KNOWN_ON}")
    done = run(environ, *judged, "--thresholds", str(write_strict(tmp_path)))
    assert done.exit_code == 1, done.output
    assert "stopped by" in done.output
    assert "overfit" in done.output
    report_hash = re.search(r"^Report: ([0-9a-f]{64})$", done.stdout, re.MULTILINE)[1]
    until = datetime.now(UTC).date() + timedelta(days=30)
    told = ("waive", report_hash, "--gate", "overfit", "--reason", "The book is small.", "--until", f"{until}")
    proposed = run(environ, *told, "--by", "staff-1")
    assert proposed.exit_code == 0, proposed.output
    waiver_id = re.search(r"approve (\S+) --by", proposed.stdout)[1]
    own = run(environ, "approve", waiver_id, "--by", "staff-1")
    assert own.exit_code == 1
    approved = run(environ, "approve", waiver_id, "--by", "staff-2")
    assert f"Gate overfit is waived until {until}" in approved.output
    shown = run(environ, "show", report_hash)
    assert "fail (waived)" in shown.output
    assert "staff-2" in shown.output
    for card in ("validation", "model", "data"):
        path = tmp_path / f"{card}.html"
        assert run(environ, "show", report_hash, "--as", "html", "--card", card, "--to", str(path)).exit_code == 0
        assert path.read_text().startswith("<!doctype html>")
    markdown = run(environ, "show", report_hash, "--as", "markdown").stdout
    assert markdown.startswith("# Validation report")
    assert "The book is small." in markdown


def test_a_loss_table_tells_the_profit_where_there_is_no_champion(lender, environ, settings, actor, tmp_path: Path):
    async def keep() -> str:
        async with open_record(settings) as record:
            return await put_document(record, DocumentKind.LOSSES, encode_losses(table()), actor)

    told = asyncio.run(keep())
    (tmp_path / "drafted.toml").write_text(draft().text)
    judged = ("judge", "--book", BOOK, "--model", lender, "--test-from", f"{TEST_FROM}", "--champion", "none")
    judged = (*judged, "--policy", str(tmp_path / "drafted.toml"))
    done = run(environ, *judged, "--losses", told)
    shown = run(
        environ, "show", re.search(r"^Report: ([0-9a-f]{64})$", done.stdout, re.MULTILINE)[1], "--as", "markdown"
    )
    assert f"what a bad loan loses is told by loss table {told[:12]}" in shown.output
    assert "no loss table x is recorded" in str(run(environ, *judged, "--losses", "x").exception)


def write_strict(folder: Path) -> Path:
    """Thresholds that no model of so few loans keeps: nothing may be learned by heart."""
    text = (Path(__file__).parents[3] / "src/instant_credit/starter/gates/standard.toml").read_text()
    text = text.replace("gap_auc_max = 0.10", "gap_auc_max = 0.0").replace("test_bads_min = 50", "test_bads_min = 20")
    path = folder / "strict.toml"
    path.write_text(text.replace("test_goods_min = 100", "test_goods_min = 40"))
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("show", "f" * 64), "no gate report"),
        (
            ("waive", "f" * 64, "--gate", "cost", "--reason", "x", "--until", "2026-12-31", "--by", "s"),
            "no gate report",
        ),
        (("waive", "f" * 64, "--gate", "leakage", "--reason", "x", "--until", "2026-12-31", "--by", "s"), "leakage"),
        (("approve", "00000000-0000-0000-0000-000000000001", "--by", "s"), "not found"),
        (("show", "f" * 64, "--to", "card.md"), "--to takes a card"),
    ],
)
def test_what_cannot_be_done_is_said(environ, arguments: tuple[str, ...], message: str):
    done = run(environ, *arguments)
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)


def test_without_a_live_release_the_command_says_what_to_do(settings, environ, actor):
    async def fill() -> None:
        async with open_record(settings) as record:
            await record_world(record, invent_world(30), actor)
            documents = [
                (DocumentKind.PRODUCT, encode_product(PRODUCT)),
                (DocumentKind.MODEL, make_better().bundle_raw),
            ]
            await put_documents(record, documents, actor)

    asyncio.run(fill())
    done = run(environ, "judge", "--book", BOOK)
    assert done.exit_code == 1
    assert "--champion none" in str(done.exception)


def test_the_drafted_policy_serves_where_there_is_no_champion(lender, environ, tmp_path: Path):
    path = tmp_path / "policy.toml"
    path.write_text(draft().text)
    told = (
        "judge",
        "--book",
        BOOK,
        "--model",
        lender,
        "--champion",
        "none",
        "--policy",
        str(path),
        "--test-from",
        f"{TEST_FROM}",
    )
    done = run(environ, *told, "--known-on", f"{KNOWN_ON}")
    assert "against absolute floors" in done.output
