"""The life of a release on the command line."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.commands import cli
from instant_credit.policy.document import CutOffs, decode_policy
from instant_credit.record.documents import put_document
from instant_credit.record.pool import open_record
from instant_credit.underwriting.release_moves import ReleaseConflict, ReleaseRefused
from tests.commands.test_release import stock
from tests.lender import documents
from tests.lending import vary, with_policy, write_training

__all__ = ["documents"]
ACTOR = Actor(kind=ActorKind.JOB, id="test")
ONE, TWO = ("--by", "staff-1"), ("--by", "staff-2")
WHY = ("--reason", "It is worse.")


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["release", *map(str, arguments)], env=environ)

    return run


@pytest.fixture
def hashes(settings, documents):
    """Two recorded releases."""
    two = (documents, vary(documents, "Another policy"))
    for one in two:
        asyncio.run(record_documents(settings, one))
    return [one.release_hash for one in two]


def day(ahead):
    return str(datetime.now(UTC).date() + timedelta(days=ahead))


def terms(*, review=100, expiry=200):
    told = ("--review-on", day(review), "--expires-on", day(expiry))
    return ("--owner", "risk-team", "--tier", "high", *told, "--use", "Unsecured loans.")


def test_a_model_that_nobody_judged_is_refused_with_the_command_that_judges(call, settings, documents):
    asyncio.run(record_documents(settings, documents, write_training(documents)))
    release = documents.release_hash
    proposed = call("propose", release, *ONE, *terms())
    assert proposed.stderr == "Gates: none has judged its model (`instant-credit gate judge`).\n"
    refused = call("approve", release, *TWO).exception
    assert isinstance(refused, ReleaseConflict)
    assert "instant-credit gate judge --model" in str(refused)
    alone = call("activate", release, *ONE, "--single-person")
    assert "champion" in alone.stdout, alone.output


def test_a_release_is_led_from_proposal_to_champion_back_and_out(call, hashes):
    first, second = hashes
    proposed = call("propose", first, *ONE, *terms())
    assert proposed.stdout == f"{first} of personal_loan: candidate, approval waiting, waits for a second person\n"
    refused = call("approve", first, *ONE).exception
    assert isinstance(refused, ReleaseConflict)
    assert "a second person is needed" in str(refused)
    assert "approval approved" in call("approve", first, *TWO, "--reason", "Looked at.").stdout
    assert "champion" in call("activate", first, *ONE).stdout
    call("propose", second, *ONE, *terms())
    call("approve", second, *TWO)
    assert "shadow" in call("stage", second, "--as", "shadow", *ONE).stdout
    planned = call("activate", second, *ONE, "--at", f"{day(1)}T18:00:00Z")
    assert planned.stdout == f"{second} of personal_loan: shadow, approval approved, to go live at {day(1)}T18:00:00Z\n"
    assert f"shadow, live {day(1)}T18:00:00Z" in call("list").stdout
    assert "shadow, approval approved\n" in call("rollback", second, *ONE, *WHY).stdout
    assert "champion" in call("activate", second, *ONE).stdout
    assert "retired" in call("rollback", second, *ONE, *WHY).stdout
    assert "retired, approval withdrawn" in call("retire", second, *ONE, *WHY).stdout
    life = json.loads(call("show", second).stdout)["life"]
    assert (life["state"], life["approval"], len(life["events"])) == ("retired", "withdrawn", 8)


def test_a_second_person_rejects(call, hashes):
    call("propose", hashes[0], *ONE, *terms())
    assert "approval rejected" in call("reject", hashes[0], *TWO, *WHY).stdout


def test_wrong_days_are_refused_by_name(call, hashes):
    told = call("propose", hashes[0], *ONE, *terms(review=0, expiry=-1)).exception
    assert isinstance(told, ReleaseRefused)
    assert str(told) == (
        "review_on: the next review must lie after today (UTC); expires_on: it must not expire before its next review"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("activate", "HASH", *ONE, "--single-person", "--at", "2030-01-01T00:00:00Z"), "leave out --at"),
        (("retire", "HASH", *ONE, "--reason", "a\nb"), "on one line"),
        (("retire", "HASH", *ONE, "--reason", "a" * 401), "1 to 400 characters"),
        (("retire", "HASH", "--by", "Ada Example", *WHY), "must be 1 to 64 letters"),
        (("make", "--book", "tape", "--activate"), "--activate and --single-person go together"),
        (("make", "--book", "tape", "--single-person"), "go together"),
    ],
)
def test_what_makes_no_sense_is_told_before_anything_is_read(call, arguments, words):
    told = call(*arguments)
    assert told.exit_code == 2
    assert words in told.output.replace("\n", " ")


def test_what_is_due_is_listed(call, hashes):
    assert call("due").stdout == "Nothing is due within 30 days.\n"
    call("propose", hashes[0], *ONE, *terms(review=10, expiry=50))
    call("approve", hashes[0], *TWO)
    assert call("due", "--json").stdout == "[]\n"
    call("activate", hashes[0], *ONE)
    listed = call("due").stdout
    assert "review" in listed
    assert "in 10 days" in listed
    assert "expiry" not in listed
    both = json.loads(call("due", "--within", 60, "--json").stdout)
    assert [(one["kind"], one["on"], one["owner"]) for one in both] == [
        ("review", day(10), "risk-team"),
        ("expiry", day(50), "risk-team"),
    ]


def test_a_single_person_is_shown_as_one(call, hashes):
    made = call("activate", hashes[0], *ONE, "--single-person")
    assert "nobody else looks at it" in made.stderr
    assert "approved by one person" in call("list").stdout


def test_what_another_release_would_change_is_said_in_words_and_as_json(call, settings, documents, hashes):
    asyncio.run(stock(settings, documents))
    policy = decode_policy(dict(documents.parts)["policy"])
    below = policy.cut_offs.approve_below_ppm
    cut_offs = CutOffs(approve_below_ppm=below, decline_from_ppm=below)
    other = with_policy(documents, replace(policy, cut_offs=cut_offs, examples=policy.examples[:1]))
    asyncio.run(record_documents(settings, other))
    told = call("diff", hashes[0], other.release_hash, "--book", "tape")
    assert told.exit_code == 0, told.exception
    assert "- cut-offs: decline_from_ppm" in told.stdout
    assert "60 Cases of book tape decided by both" in told.stdout
    found = json.loads(call("diff", hashes[0], other.release_hash, "--book", "tape", "--json").stdout)
    assert (found["cases"], found["moved_total"]) == (60, len(found["moved"]))
    assert found["moved_total"] > 0
    same = call("diff", hashes[0], hashes[0], "--last", 0).stdout
    assert same.endswith("- nothing: it is one release\n")
    words = call("diff", hashes[0], hashes[1]).stdout
    assert words.splitlines()[1].startswith("- policy: title ")
    assert "0 Cases of book applications decided by both" in words


async def record_documents(settings, made, *more):
    async with open_record(settings) as record:
        for kind, raw in (*made.parts, *more):
            await put_document(record, kind, raw, ACTOR)
