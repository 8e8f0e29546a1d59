import asyncio
import json
import re
from datetime import UTC, datetime
from random import Random

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import decode_product, encode_product, hash_layout
from instant_credit.application.door import Door, Told
from instant_credit.application.inventing import APPLICANT
from instant_credit.canonical import encode_canonical, hash_content
from instant_credit.commands import cli
from instant_credit.decision.case import Case
from instant_credit.decision.release import decode_manifest
from instant_credit.errors import Refused
from instant_credit.record.commit import commit_entries
from instant_credit.record.documents import put_document
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from instant_credit.score.bundle import decode_bundle, encode_bundle
from instant_credit.underwriting.release_moves import ReleaseConflict
from instant_credit.underwriting.typical import CASES_MIN
from tests.decision.bad_releases import BAD
from tests.golden.corpus import build_parts
from tests.lender import documents
from tests.lending import AS_OF, invent_values
from tests.record.entries import make_entry

__all__ = ["documents"]
ACTOR = Actor(kind=ActorKind.JOB, id="test")
ALONE = ("--activate", "--single-person")
BY = ("--by", "staff-7")


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["release", *map(str, arguments)], env={**environ, "COLUMNS": "80"})

    return run


async def stock(settings, documents, *, renamed=None, book="tape", cases=60, with_model=True):
    """Record product, model and a book; `renamed` gives the product another name, under which the model is recorded too."""
    parts = documents.parts[:2]
    if renamed is not None:
        product_raw = encode_product(replace(documents.product, name=renamed))
        bundle = replace(decode_bundle(parts[1][1]), product_hash=hash_content(product_raw))
        parts = (("product", product_raw), ("model", encode_bundle(bundle)))
    door, chance = Door(documents.product), Random(3)
    product_hash = hash_content(parts[0][1])
    layout_hash = hash_layout(decode_product(parts[0][1]))
    nothing = dict.fromkeys(("decision_id", "decision", "release_hash", "outcome", "answer"))
    async with open_record(settings) as record:
        for kind, raw in parts if with_model else parts[:1]:
            await put_document(record, kind, raw, ACTOR)
        entries = []
        for number in range(cases):
            facts = door.check_facts(invent_values(documents.product, chance), AS_OF)
            case = Case(product_hash=product_hash, layout_hash=layout_hash, as_of=AS_OF, facts=facts)
            raw = encode_canonical(case)
            named = {"product": renamed or documents.product.name, "product_hash": product_hash}
            entries.append(make_entry(record, number, book, case=raw, **named, **nothing))
        await commit_entries(record, entries, ACTOR)


def test_a_release_is_made_activated_listed_and_shown(call, settings, documents, tmp_path):
    asyncio.run(stock(settings, documents))
    path = tmp_path / "policy.toml"
    path.write_text(read_starter("policies", "personal_loan").replace('title = "Personal loan"', 'title = "Another"'))
    first = call("make", "--book", "tape", "--product", "personal_loan", *ALONE)
    assert first.exit_code == 0, first.output
    second = call("make", "--book", "tape", "--policy", path)
    first_hash, second_hash = first.stdout.strip(), second.stdout.strip()
    assert first_hash != second_hash
    shown = json.loads(call("show", second_hash).output)
    assert shown["model_hash"] == decode_manifest(documents.parts[-1][1]).model_hash
    assert (shown["release_hash"], shown["product"], shown["engine_version"]) == (second_hash, "personal_loan", 2)
    assert is_live(call, first_hash)
    assert not is_live(call, second_hash)
    activated = call("activate", second_hash, *BY, "--single-person")
    assert activated.stdout == f"{second_hash} of personal_loan: champion, approval approved\n"
    assert "nobody else looks at it" in activated.stderr
    assert is_live(call, second_hash)
    assert not is_live(call, first_hash)


def test_what_a_release_proves_is_shown(call, settings, documents):
    asyncio.run(stock(settings, documents))
    bundle = decode_bundle(documents.parts[1][1])
    shown = json.loads(call("show", call("make", "--book", "tape").output.strip()).output)["proof"]
    recorded = bundle.proof
    for name in (
        "leaves_reached",
        "leaves_reachable",
        "raw_min",
        "raw_max",
        "pd_ppm_min",
        "pd_ppm_max",
        "tables_digest",
    ):
        assert shown[name] == getattr(recorded, name)
    assert (shown["golden_rows"], shown["trees"]) == (recorded.rows, bundle.tables.tree_count)
    assert shown["reasons"] == f"interventional, against {shown['reference_rows']} reference applicants"
    assert shown["reference"].startswith(f"{shown['reference_rows']} of 60 applicants of book tape")
    assert shown["are_directions_verified"]
    directed = [name for name, one in zip(bundle.variables, bundle.directions, strict=True) if one != "free"]
    assert list(shown["directions"]) == directed


def test_a_release_of_engine_1_shows_what_it_has(call, settings):
    parts, _ = build_parts(1)

    async def record_them():
        async with open_record(settings) as record:
            for kind, raw in parts:
                await put_document(record, kind, raw, ACTOR)

    asyncio.run(record_them())
    shown = json.loads(call("show", hash_content(parts[-1][1])).output)["proof"]
    assert shown["reasons"] == "path-dependent, less the mean of 30 reference applicants"
    assert (shown["golden_rows"], shown["tables_digest"], shown["are_directions_verified"]) == (None, None, False)


@pytest.mark.parametrize("command", [("show",), ("activate", *BY), ("retire", *BY, "--reason", "Old.")])
def test_a_release_that_is_not_there_is_refused_with_where_to_look(call, command):
    told = call(command[0], "0" * 64, *command[1:]).exception
    assert isinstance(told, Refused)
    assert "`instant-credit release list` prints the hashes of all" in str(told)


def is_live(call, release_hash):
    """Whether the list says so, beside the whole hash."""
    rows = [line for line in call("list").output.splitlines() if release_hash in line]
    assert len(rows) == 1
    return "champion" in rows[0]


def test_without_a_book_or_a_model_there_is_no_release(call, settings, documents):
    made = call("make", "--book", "tape")
    assert isinstance(made.exception, Refused)
    assert str(made.exception) == "book tape holds no Case: import a tape into it first (instant-credit tape import)"
    asyncio.run(stock(settings, documents, with_model=False))
    assert str(call("make", "--book", "tape").exception) == (
        "no model is recorded: train one first (instant-credit train --book tape)"
    )


def test_a_policy_that_is_not_there_or_is_no_text_is_told_so(call, tmp_path):
    (tmp_path / "policy.toml").write_bytes(b"\xff")
    for place in ("nowhere", tmp_path, tmp_path / "policy.toml"):
        told = call("make", "--book", "tape", "--policy", str(place)).exception
        assert isinstance(told, Refused)
        assert "shipped policies: personal_loan" in str(told)


def test_what_does_not_prove_itself_is_not_activated_and_says_why(call, settings):
    bad = {name: (make(), words) for name, (make, words) in BAD.items()}

    async def record_them():
        async with open_record(settings) as record:
            for made, _ in bad.values():
                for kind, raw in made.parts:
                    await put_document(record, kind, raw, ACTOR)

    asyncio.run(record_them())
    for made, words in bad.values():
        for command in (("activate", *BY, "--single-person"), ("show",)):
            told = call(command[0], made.release_hash, *command[1:]).exception
            assert isinstance(told, ReleaseConflict if command[0] == "activate" else Refused)
            assert re.search(words, str(told))
    assert "champion" not in call("list").output


def test_without_a_shipped_policy_of_the_products_name_one_is_to_be_drafted(call, settings, documents):
    asyncio.run(stock(settings, documents, renamed="yacht_loan"))
    told = call("make", "--book", "tape").exception
    assert isinstance(told, Refused)
    assert "no policy is shipped for product yacht_loan: draft one (instant-credit policy draft --book tape" in str(
        told
    )


def test_an_example_is_what_the_door_accepts(call, documents, tmp_path):
    path = tmp_path / "product.toml"
    path.write_text(read_starter("products", "personal_loan"))
    today = datetime.now(UTC).date()
    for name in ("personal_loan", path):
        made = call("example", name)
        assert made.stderr.startswith("Invented within the product's ranges")
        assert isinstance(Door(documents.product).read_application(made.stdout.encode(), today), Told)
    assert call("example", "personal_loan", "--to", tmp_path / "body.json").stdout.startswith("Written: ")
    assert (tmp_path / "body.json").read_text() == made.stdout


def test_an_invented_example_for_a_live_release_asks_for_what_its_policy_offers(call, settings, documents):
    asyncio.run(stock(settings, documents, cases=CASES_MIN - 1))
    call("make", "--book", "tape", *ALONE)
    made = call("example", "personal_loan")
    assert "no book of the record holds 50 Cases of personal_loan" in made.stderr
    facts = json.loads(made.stdout)["facts"]
    assert (facts["requested_amount_cents"], facts["term_months"]) == (1_200_000, 48)


@pytest.mark.parametrize("is_live", [True, False])
def test_where_there_is_a_book_an_example_is_typical_of_it_and_nobody(call, settings, documents, is_live):
    asyncio.run(stock(settings, documents))
    if is_live:
        call("make", "--book", "tape", *ALONE)
    made = call("example", "personal_loan")
    assert made.stderr.startswith(
        "Typical of 60 Cases of book tape: medians, rounded, and commonest categories, nobody's"
    )
    body = json.loads(made.stdout)
    assert body["applicant"] == APPLICANT
    assert 100_000 < body["facts"]["requested_amount_cents"] < 3_500_000
    assert body["facts"]["open_accounts"] not in (0, 1)
    assert not re.search(r"identity \d|row \d|tape", made.stdout)
    today = datetime.now(UTC).date()
    assert isinstance(Door(documents.product).read_application(made.stdout.encode(), today), Told)


def test_an_example_for_an_unknown_product_is_refused(call):
    told = str(call("example", "yacht").exception)
    assert told == ("product yacht is neither recorded nor shipped: name one that is, or give the file of its document")
