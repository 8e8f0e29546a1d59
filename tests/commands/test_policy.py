import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import encode_product
from instant_credit.application.door import Door, Told
from instant_credit.application.inventing import APPLICANT
from instant_credit.application.product import MissingRule
from instant_credit.canonical import hash_content
from instant_credit.commands import cli
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide
from instant_credit.errors import Refused
from instant_credit.outcome.losses import LossTable, SegmentLosses, Share, encode_losses
from instant_credit.policy.checks import load_policy
from instant_credit.record.documents import DocumentKind, put_document
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import decode_bundle, encode_bundle
from instant_credit.underwriting.releases import load_live_release
from tests.commands.test_release import stock
from tests.lender import documents
from tests.lending import AS_OF, Documents, make_documents, personal_loan
from tests.policy.shapes import policy_of
from tests.underwriting.test_drafts import told_freely

__all__ = ["documents"]


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, [str(one) for one in arguments], env={**environ, "COLUMNS": "80"})

    return run


@pytest.fixture
def stocked(settings, documents):
    asyncio.run(stock(settings, documents))
    return documents


def test_a_draft_is_a_policy_that_a_release_is_made_with(call, stocked, tmp_path):
    path = tmp_path / "first.toml"
    drafted = call("policy", "draft", "--book", "tape", "--to", path)
    assert drafted.exit_code == 0, drafted.output
    assert "Tried on 60 Cases of tape: approve" in drafted.output
    assert f"release make --book tape --policy {path}" in drafted.output
    assert load_policy(path.read_text(), stocked.product).product == "personal_loan"
    made = call("release", "make", "--book", "tape", "--policy", path, "--activate", "--single-person")
    assert made.exit_code == 0, made.output


def test_a_draft_goes_to_standard_output_and_is_the_same_twice(call, stocked, tmp_path):
    first, second = (call("policy", "draft", "--book", "tape") for _ in range(2))
    assert first.stdout == second.stdout
    assert load_policy(first.stdout, stocked.product).cut_offs.approve_below_ppm > 0
    assert "Tried on" in first.stderr


def test_a_file_that_is_there_is_not_written_over(call, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("mine")
    told = call("policy", "draft", "--book", "tape", "--to", path).exception
    assert isinstance(told, Refused)
    assert "there is a file already" in str(told)
    assert path.read_text() == "mine"


def test_shares_move_the_cut_offs_and_impossible_ones_are_refused(call, stocked):
    few = load_policy(call("policy", "draft", "--book", "tape", "--approve-share", 30).stdout, stocked.product)
    many = load_policy(call("policy", "draft", "--book", "tape", "--approve-share", 70).stdout, stocked.product)
    assert few.cut_offs.approve_below_ppm < many.cut_offs.approve_below_ppm
    told = call("policy", "draft", "--book", "tape", "--approve-share", 90, "--cost", 40).exception
    assert "must not add up to more than 100%" in str(told)
    assert "costs and margin alone are above the largest APR" in str(told)


def test_without_a_book_there_is_no_draft(call):
    told = call("policy", "draft", "--book", "tape").exception
    assert str(told) == "book tape holds no Case: import a tape into it first (instant-credit tape import)"


def test_without_a_model_there_is_no_draft(call, settings, documents):
    asyncio.run(stock(settings, documents, with_model=False))
    told = call("policy", "draft", "--book", "tape").exception
    assert str(told) == "no model is recorded: train one first (instant-credit train --book tape)"


def test_the_newest_model_of_the_books_own_product_is_taken(call, settings, documents):
    asyncio.run(stock(settings, documents))
    asyncio.run(stock(settings, documents, renamed="yacht_loan", book="yachts"))
    assert f"Drafted for personal_loan with model {hash_content(documents.parts[1][1])}." in draft_of(call, "tape")
    assert "Drafted for yacht_loan with model " in draft_of(call, "yachts")


def draft_of(call, book):
    made = call("policy", "draft", "--book", book)
    assert made.exit_code == 0, made.output
    return made.stderr


def test_a_model_of_another_product_is_not_taken(call, settings, documents):
    asyncio.run(stock(settings, documents, renamed="yacht_loan", book="yachts"))
    asyncio.run(stock(settings, documents, with_model=False))
    told = call("policy", "draft", "--book", "tape").exception
    assert str(told) == (
        "no model is recorded for personal_loan, only for yacht_loan: train one first (instant-credit train --book tape)"
    )


def test_a_model_of_other_columns_is_not_taken(call, settings, documents):
    other = replace(documents.product, currency="EUR")
    asyncio.run(stock(settings, replace_product(documents, other), book="euros"))
    asyncio.run(stock(settings, documents, with_model=False))
    told = call("policy", "draft", "--book", "tape").exception
    assert "no model is recorded for personal_loan with these columns, only for personal_loan" in str(told)


def replace_product(documents, product):
    raw = encode_product(product)
    bundle = replace(decode_bundle(documents.parts[1][1]), product_hash=hash_content(raw))
    return Documents(product=product, parts=(("product", raw), ("model", encode_bundle(bundle))))


def test_a_book_of_another_product_makes_no_release(call, settings, documents):
    asyncio.run(stock(settings, documents, renamed="yacht_loan", book="yachts"))
    told = call("release", "make", "--book", "yachts", "--product", "personal_loan").exception
    assert str(told) == "book yachts holds no Case of personal_loan, only of yacht_loan: name another book or product"


@pytest.mark.parametrize("command", [("policy", "draft", "--book", "tape"), ("release", "example", "personal_loan")])
def test_a_file_in_no_folder_is_refused_before_the_work(call, tmp_path, command):
    told = call(*command, "--to", tmp_path / "nowhere" / "file").exception
    assert isinstance(told, Refused)
    assert f"there is no folder {tmp_path / 'nowhere'}; make it, or name another file" in str(told)


def test_an_unknown_model_is_refused_with_where_its_hash_stands(call, stocked):
    told = call("policy", "draft", "--book", "tape", "--model", hash_content(stocked.parts[0][1])).exception
    assert isinstance(told, Refused)
    assert "give the hash that `instant-credit train` printed after Bundle:" in str(told)


@pytest.mark.parametrize("missing", [MissingRule.KEEP, MissingRule.ZERO])
def test_who_tells_nothing_is_never_approved_by_a_drafted_policy(call, settings, missing, tmp_path):
    product = told_freely(personal_loan(), missing)
    documents = make_documents(product, policy_of("none"))
    asyncio.run(stock(settings, documents))
    drafted = call("policy", "draft", "--book", "tape", "--to", tmp_path / "policy.toml")
    assert drafted.exit_code == 0, drafted.output
    made = call(
        "release", "make", "--book", "tape", "--policy", tmp_path / "policy.toml", "--activate", "--single-person"
    )
    assert made.exit_code == 0, made.output

    async def load():
        async with open_record(settings) as record:
            return await load_live_release(record, product.name)

    release = asyncio.run(load())
    body = json.dumps({"applicant": APPLICANT, "facts": {}}).encode()
    told = Door(product).read_application(body, AS_OF)
    assert isinstance(told, Told)
    manifest = release.manifest
    case = Case(product_hash=manifest.product_hash, layout_hash=release.layout_hash, as_of=AS_OF, facts=told.facts)
    decision = decide(case, release)
    assert decision.outcome in ("refer", "decline")
    assert decision.reasons


def test_an_edited_policy_is_checked_against_its_product(call, tmp_path):
    text = read_starter("policies", "personal_loan")
    path = tmp_path / "edited.toml"
    path.write_text(text)
    assert "11 rules, 11 examples hold" in call("policy", "check", path).output
    path.write_text(text.replace("approve_below_ppm = 260_000", "approve_below_ppm = 250_000"))
    told = call("policy", "check", path, "--product", "personal_loan").exception
    assert "grid: ends at 260000, it must end at approve_below_ppm" in str(told)


def test_a_policy_for_an_unknown_product_asks_for_its_file(call, tmp_path):
    path = tmp_path / "edited.toml"
    path.write_text(read_starter("policies", "personal_loan").replace('product = "personal_loan"', 'product = "yacht"'))
    told = call("policy", "check", path).exception
    assert str(told) == "product yacht is neither recorded nor shipped: give its file with --product"


def test_a_check_takes_the_newest_recorded_product(call, stocked, tmp_path):
    assert call("policy", "check", "personal_loan").exit_code == 0
    assert not Path("personal_loan").exists()


def test_a_draft_takes_the_loss_that_was_measured_and_a_release_names_it(call, stocked, settings, tmp_path):
    table = LossTable(
        book="tape",
        product="personal_loan",
        known_on=AS_OF,
        recovery_months=24,
        lag_days=31,
        total=LOSSES,
    )

    async def keep(*bodies):
        async with open_record(settings) as record:
            return [await put_document(record, DocumentKind.LOSSES, encode_losses(one), LENDER) for one in bodies]

    young = replace(table, total=replace(LOSSES, loss=None))
    other = replace(table, product="other_loan")
    told, untold, strange = asyncio.run(keep(table, young, other))
    path = tmp_path / "measured.toml"
    drafted = call("policy", "draft", "--book", "tape", "--losses", told, "--to", path)
    assert drafted.exit_code == 0, drafted.output
    flat = " ".join(path.read_text().replace("\n#", "").split())
    assert f"Measured (losses {told}): a loan that goes bad loses 45.0% of the amount lent. Assumed: funding" in flat
    assert "tell no loss given default" in str(call("policy", "draft", "--book", "tape", "--losses", untold).exception)
    assert "no loss table x is recorded" in str(call("policy", "draft", "--book", "tape", "--losses", "x").exception)
    assert (
        "one of --loss and --losses" in call("policy", "draft", "--book", "tape", "--losses", told, "--loss", 9).output
    )
    assert "[losses]" not in path.read_text()
    plain = call("release", "make", "--book", "tape", "--policy", path).stdout.strip()
    made = call("release", "make", "--book", "tape", "--policy", path, "--losses", told)
    shown = json.loads(call("release", "show", made.stdout.strip()).stdout)
    assert shown["losses_hash"] == told
    assert "losses_hash" not in json.loads(call("release", "show", plain).stdout)
    refused = call("release", "make", "--book", "tape", "--policy", path, "--losses", strange).exception
    assert "the losses are of product other_loan" in str(refused)


def test_a_draft_by_a_table_of_segments_makes_a_release_that_names_it(call, stocked, settings, tmp_path):
    table = LossTable(
        book="tape",
        product="personal_loan",
        known_on=AS_OF,
        recovery_months=24,
        lag_days=31,
        attribute="purpose",
        total=LOSSES,
        segments=(replace(LOSSES, segment="car", loss=Share(value=1.0, low=0.9, high=1.0)),),
    )

    async def keep():
        async with open_record(settings) as record:
            return await put_document(record, DocumentKind.LOSSES, encode_losses(table), LENDER)

    told = asyncio.run(keep())
    path = tmp_path / "segments.toml"
    drafted = call("policy", "draft", "--book", "tape", "--losses", told, "--to", path)
    assert drafted.exit_code == 0, drafted.output
    assert f"--policy {path} --losses {told} --activate" in drafted.stdout
    assert "lost_ppm = 450_000" in path.read_text()
    assert "names no loss table" in str(call("release", "make", "--book", "tape", "--policy", path).exception)
    made = call("release", "make", "--book", "tape", "--policy", path, "--losses", told)
    assert made.exit_code == 0, made.output


LENDER = Actor(kind=ActorKind.JOB, id="test")
LOSSES = SegmentLosses(
    segment="all",
    charged_off=40,
    ripe=30,
    young=10,
    paid_out_cents=100,
    charged_off_cents=60,
    ripe_cents=50,
    recovered_cents=5,
    later_cents=0,
    exposure=Share(value=0.6, low=0.5, high=0.7),
    loss=Share(value=0.75, low=0.7, high=0.8),
    is_own=True,
)
