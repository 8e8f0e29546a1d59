import asyncio
import json
import re
from random import Random

import pytest
from click.testing import CliRunner

from instant_credit.access.actors import Actor, ActorKind
from instant_credit.application.document import hash_layout
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical
from instant_credit.commands import cli
from instant_credit.decision.case import Case
from instant_credit.decision.release import decode_manifest
from instant_credit.errors import Refused
from instant_credit.record.commit import commit_entries
from instant_credit.record.documents import put_document
from instant_credit.record.pool import open_record
from instant_credit.record.shipped import read_starter
from tests.decision.bad_releases import BAD
from tests.lender import documents
from tests.lending import AS_OF, invent_values
from tests.record.entries import make_entry

__all__ = ["documents"]
ACTOR = Actor(kind=ActorKind.JOB, id="test")


@pytest.fixture
def call(environ):
    def run(*arguments):
        return CliRunner().invoke(cli, ["release", *map(str, arguments)], env={**environ, "COLUMNS": "80"})

    return run


async def stock(settings, documents):
    door, chance = Door(documents.product), Random(3)
    product_hash = decode_manifest(documents.parts[-1][1]).product_hash
    layout_hash = hash_layout(documents.product)
    nothing = dict.fromkeys(("decision_id", "decision", "release_hash", "outcome", "answer"))
    async with open_record(settings) as record:
        for kind, raw in documents.parts[:2]:
            await put_document(record, kind, raw, ACTOR)
        entries = []
        for number in range(60):
            facts = door.check_facts(invent_values(documents.product, chance), AS_OF)
            case = Case(product_hash=product_hash, layout_hash=layout_hash, as_of=AS_OF, facts=facts)
            raw = encode_canonical(case)
            entries.append(make_entry(record, number, "tape", case=raw, product_hash=product_hash, **nothing))
        await commit_entries(record, entries, ACTOR)


def test_a_release_is_made_activated_listed_and_shown(call, settings, documents, tmp_path):
    asyncio.run(stock(settings, documents))
    path = tmp_path / "policy.toml"
    path.write_text(read_starter("policies", "personal_loan").replace('title = "Personal loan"', 'title = "Another"'))
    first = call("make", "--book", "tape", "--product", "personal_loan", "--activate")
    assert first.exit_code == 0, first.output
    second = call("make", "--book", "tape", "--policy", path)
    first_hash, second_hash = first.output.strip(), second.output.strip()
    assert first_hash != second_hash
    shown = json.loads(call("show", second_hash).output)
    assert shown["model_hash"] == decode_manifest(documents.parts[-1][1]).model_hash
    assert is_live(call, first_hash)
    assert not is_live(call, second_hash)
    activated = call("activate", second_hash)
    assert activated.output == f"live for personal_loan: {second_hash}\n"
    assert is_live(call, second_hash)
    assert not is_live(call, first_hash)


def is_live(call, release_hash):
    """Whether the list says so, beside the whole hash."""
    rows = [line for line in call("list").output.splitlines() if release_hash in line]
    assert len(rows) == 1
    return "yes" in rows[0]


def test_without_a_model_there_is_no_release(call):
    made = call("make", "--book", "tape")
    assert isinstance(made.exception, Refused)
    assert str(made.exception) == "no model is recorded: train one first (instant-credit train)"


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
        for command in ("activate", "show"):
            told = call(command, made.release_hash).exception
            assert isinstance(told, Refused)
            assert re.search(words, str(told))
    assert "yes" not in call("list").output
