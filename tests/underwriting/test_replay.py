"""Replay: the tape is decided when it is imported; deciding it again gives the same bytes, here and in another process."""

import asyncio
import os
import subprocess
import sys
from operator import itemgetter
from random import Random

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner

from instant_credit.application.document import hash_layout
from instant_credit.application.door import Door
from instant_credit.canonical import encode_canonical
from instant_credit.commands import cli
from instant_credit.decision.case import Case
from instant_credit.decision.decide import decide
from instant_credit.decision.decision import decode_decision
from instant_credit.decision.release import ENGINES, compose_release, decode_manifest
from instant_credit.errors import NotFound, Refused
from instant_credit.record.commit import commit_entries
from instant_credit.record.documents import put_document
from instant_credit.record.ids import derive_id
from instant_credit.record.reads import iterate_cases
from instant_credit.record.rows import Entry
from instant_credit.record.sealing import bucket_of_person
from instant_credit.record.shipped import read_starter
from instant_credit.training.tapes.importing import TapeImport, import_tape
from instant_credit.training.tapes.mapping import load_mapping
from instant_credit.underwriting import replay as replay_module
from instant_credit.underwriting.books import export_book
from instant_credit.underwriting.replay import RELEASES_MAX, replay
from tests.budget import IS_PROVING
from tests.golden.corpus import build_parts, decisions_path
from tests.lending import AS_OF, invent_values
from tests.releasing import put_live
from tests.tapes import LENDING_CLUB_2007_2011, require_tape

CASES = 60
LOANS = 5_000 if IS_PROVING else 2_000
RECORDED = LOANS - 4


@pytest.fixture(scope="module")
def release(documents):
    return compose_release(decode_manifest(documents.parts[-1][1]), documents.by_hash)


@pytest.fixture(scope="module")
def cases(documents):
    door, chance = Door(documents.product), Random(3)
    told = [door.check_facts(invent_values(documents.product, chance), AS_OF) for _ in range(CASES)]
    product_hash = decode_manifest(documents.parts[-1][1]).product_hash
    layout_hash = hash_layout(documents.product)
    return [Case(product_hash=product_hash, layout_hash=layout_hash, as_of=AS_OF, facts=facts) for facts in told]


@pytest.fixture
async def stocked(record, actor, documents):
    """The record with the release's documents in it."""
    for kind, raw in documents.parts:
        await put_document(record, kind, raw, actor)
    return record


def entry_of(record, case, place, decision=None, book="replayed"):
    person_id = record.key_ring.person_id_of(f"person {book} {place}")
    bucket, at = bucket_of_person(person_id), record.clock.now()
    return Entry(
        person_id=person_id,
        book=book,
        product="personal_loan",
        product_hash=case.product_hash,
        as_of=case.as_of,
        case_id=derive_id(bucket, at, b"case %d" % place),
        case=encode_canonical(case),
        decision_id=None if decision is None else derive_id(bucket, at, b"decision %d" % place),
        decision=None if decision is None else encode_canonical(decision),
        release_hash=None if decision is None else decision.release_hash,
        outcome=None if decision is None else decision.outcome.value,
        recorded_at=at,
    )


@pytest.mark.anyio
async def test_decisions_come_out_with_the_same_bytes_whatever_the_chunk(stocked, actor, release, cases):
    entries = [entry_of(stocked, case, place, decide(case, release)) for place, case in enumerate(cases)]
    undecided = [entry_of(stocked, case, place + CASES) for place, case in enumerate(cases[:5])]
    await commit_entries(stocked, [*entries, *undecided], actor)
    for chunk in (7, 1000):
        summary = await replay(stocked, "replayed", chunk=chunk)
        assert (summary.equal, summary.different, summary.erased, summary.undecided) == (CASES, 0, 0, 5)
    assert summary.is_faithful


@pytest.mark.anyio
@pytest.mark.parametrize("engine", ENGINES)
async def test_what_each_engine_decided_comes_out_with_the_recorded_bytes(record, actor, engine):
    parts, cases = build_parts(engine)
    for kind, raw in parts:
        await put_document(record, kind, raw, actor)
    lines = [
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])["decision"]
        for line in decisions_path(engine).read_bytes().splitlines()
    ]
    decisions = [decode_decision(line) for line in lines]
    assert [encode_canonical(decision) for decision in decisions] == [bytes(line) for line in lines]
    await commit_entries(
        record, [entry_of(record, *one) for one in zip(cases, range(60), decisions, strict=True)], actor
    )
    summary = await replay(record, "replayed")
    assert (summary.equal, summary.different) == (60, 0)


@pytest.mark.anyio
async def test_few_releases_are_held_however_many_decided(stocked, actor, release, cases, monkeypatch):
    loaded = []

    async def load(_record, release_hash):
        loaded.append(release_hash)
        return release

    monkeypatch.setattr(replay_module, "load_release", load)
    decision = decide(cases[0], release)
    for book, releases in (("few", RELEASES_MAX), ("many", 10)):
        entries = [
            entry_of(
                stocked,
                case,
                place,
                msgspec.structs.replace(decision, release_hash=f"{place % releases:064x}"),
                book=book,
            )
            for place, case in enumerate(cases)
        ]
        await commit_entries(stocked, entries, actor)
    for book, chunk, loads in (("few", 5, RELEASES_MAX), ("many", CASES, 10)):
        loaded.clear()
        await replay(stocked, book, chunk=chunk)
        assert len(loaded) == loads
    loaded.clear()
    await replay(stocked, "many", chunk=5)
    assert len(loaded) > 10


@pytest.mark.anyio
async def test_a_decision_that_is_not_what_its_release_says_is_found(stocked, actor, environ, release, cases):
    decisions = [decide(case, release) for case in cases]
    altered = msgspec.structs.replace(decisions[3], points=(decisions[3].points or 0) + 1)
    entries = [
        entry_of(stocked, case, place, altered if place == 3 else decision)
        for place, (case, decision) in enumerate(zip(cases, decisions, strict=True))
    ]
    await commit_entries(stocked, entries, actor)
    summary = await replay(stocked)
    assert (summary.equal, summary.different) == (CASES - 1, 1)
    assert summary.different_ids == (str(entries[3].decision_id),)
    assert not summary.is_faithful
    done = run_process(environ, "replay")
    assert done.returncode == 1
    assert str(entries[3].decision_id) in done.stderr


@pytest.mark.anyio
async def test_erased_persons_are_counted_apart(stocked, actor, release, cases, superuser_url):
    await commit_entries(
        stocked, [entry_of(stocked, case, place, decide(case, release)) for place, case in enumerate(cases)], actor
    )
    person_id = stocked.key_ring.person_id_of("person replayed 0")
    await erase(superuser_url, person_id)
    summary = await replay(stocked, "replayed")
    assert (summary.equal, summary.different, summary.erased) == (CASES - 1, 0, 1)


@pytest.mark.anyio
async def test_an_erased_person_who_applies_again_is_replayed_and_exported_from_then_on(
    stocked, actor, release, cases, superuser_url
):
    old = entry_of(stocked, cases[0], 0, decide(cases[0], release))
    await commit_entries(stocked, [old], actor)
    await erase(superuser_url, old.person_id)
    bucket, at = bucket_of_person(old.person_id), stocked.clock.now()
    new = msgspec.structs.replace(
        old, case_id=derive_id(bucket, at, b"another case"), decision_id=derive_id(bucket, at, b"another decision")
    )
    await commit_entries(stocked, [new], actor)
    summary = await replay(stocked, "replayed")
    assert (summary.equal, summary.different, summary.erased) == (1, 0, 1)
    lines = sorted(map(msgspec.json.decode, await export_book(stocked, "replayed")), key=itemgetter("is_erased"))
    assert [line["is_erased"] for line in lines] == [False, True]
    assert lines[0]["case"] == msgspec.json.decode(new.case)
    assert (lines[1]["case"], lines[1]["decision"]) == (None, None)


async def erase(superuser_url, person_id):
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("DELETE FROM sealed_keys.person_keys WHERE person_id = $1", person_id)
    await connection.close()


@pytest.mark.anyio
async def test_an_unknown_book_and_a_lost_release_are_said(record, actor, release, cases):
    with pytest.raises(NotFound, match="nowhere"):
        await replay(record, "nowhere")
    await commit_entries(record, [entry_of(record, cases[0], 0, decide(cases[0], release))], actor)
    with pytest.raises(NotFound, match=release.hash):
        await replay(record)


def run_process(environ, *arguments):
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "instant_credit.commands", *map(str, arguments)],
        env={**os.environ, **environ},
        text=True,
        capture_output=True,
        timeout=240,
        check=False,
    )


async def run(environ, *arguments):
    """The command in this process."""
    return await asyncio.to_thread(CliRunner(env=environ).invoke, cli, list(map(str, arguments)))


@pytest.mark.tapes
@pytest.mark.prove
@pytest.mark.long
@pytest.mark.anyio
async def test_thousands_of_loans_decided_on_import_replay_equal_in_another_process(stocked, environ, actor, documents):
    path = require_tape(LENDING_CLUB_2007_2011)
    told = ("tape", "import", path, "--mapping", "lending_club_2007_2011", "--decide", "--rows", LOANS)
    refused = await run(environ, *told)
    assert refused.exit_code == 1
    assert "leave out --decide" in str(refused.exception)
    await put_live(stocked, "personal_loan", documents.release_hash, actor)
    imported = run_process(environ, *told)
    assert imported.returncode == 0, imported.stderr
    assert f"{LOANS:,} rows in = {RECORDED:,} recorded + 0 recorded before + 4 rejected" in imported.stdout
    replayed = run_process(environ, "replay", "--book", "lending_club_2007_2011")
    assert replayed.returncode == 0, replayed.stderr
    assert f"{RECORDED:,} equal, 0 different (100.00% equal)" in replayed.stdout
    here = await replay(stocked, "lending_club_2007_2011", chunk=333)
    assert (here.equal, here.different) == (RECORDED, 0)


@pytest.mark.anyio
async def test_a_release_decides_a_tape_of_its_own_product_only(record, actor, documents, release, tmp_path):
    product = msgspec.structs.replace(documents.product, title="Another title")
    mapping = load_mapping(read_starter("mappings", "lending_club_2016q1"), product)
    path = tmp_path / "tape.csv"
    path.write_text(",".join(mapping.needed_columns) + "\n")
    tape = TapeImport(
        path=path, mapping=mapping, product=product, book="b", rejects_path=tmp_path / "r", decide_with=release
    )
    with pytest.raises(Refused, match="another version"):
        await import_tape(record, tape, actor)


@pytest.mark.anyio
async def test_cases_recorded_without_a_decision_stay_undecided_and_that_is_said(
    stocked, environ, actor, documents, tmp_path
):
    await put_live(stocked, "personal_loan", documents.release_hash, actor)
    path = tmp_path / "tape.csv"
    path.write_text("funded_amnt,term,annual_inc,Class\n5000,36,40000,good\n6000,36,40000,good\n")
    mapping = read_starter("mappings", "lending_club_2016q1")
    facts, events = mapping.index("[facts."), mapping.index("[[events]]")
    needed = "".join(
        f'[facts.{name}]\ncolumn = "{column}"\n'
        for name, column in (
            ("requested_amount_cents", "funded_amnt"),
            ("term_months", "term"),
            ("income_annual_cents", "annual_inc"),
        )
    )
    (tmp_path / "mapping.toml").write_text(mapping[:facts] + needed + mapping[events:])
    told = ("tape", "import", path, "--mapping", tmp_path / "mapping.toml", "--book", "known")
    known = await run(environ, *told)
    assert "2 recorded + 0 recorded before" in known.stdout, known.output
    assert "undecided" not in known.stdout
    decided = await run(environ, *told, "--decide")
    assert decided.exit_code == 0, decided.output
    assert "2 of the Cases recorded before stay undecided" in decided.stdout
    assert "--book NAME --decide" in decided.stdout
    assert "undecided" not in (await run(environ, *told[:-1], "new", "--decide")).stdout


@pytest.mark.anyio
async def test_a_tape_that_is_decided_keeps_its_decisions(record, actor, documents, release, tmp_path):
    mapping = load_mapping(read_starter("mappings", "lending_club_2016q1"), documents.product)
    path = tmp_path / "tape.csv"
    cells = {
        "funded_amnt": "5000", "term": "term_36", "annual_inc": "40000", "emp_length": "emp_5", "addr_state": "CA",
        "verification_status": "Verified", "Class": "good",
    }  # fmt: skip
    row = ",".join(cells.get(column, "1") for column in mapping.needed_columns)
    path.write_text("\n".join([",".join(mapping.needed_columns), row, row]) + "\n")
    tape = TapeImport(
        path=path,
        mapping=mapping,
        product=documents.product,
        book="decided",
        rejects_path=tmp_path / "rejects",
        decide_with=release,
    )
    summary = await import_tape(record, tape, actor)
    assert (summary.recorded, summary.undecided) == (2, 0)
    again = await import_tape(record, tape, actor)
    assert (again.already, again.undecided) == (2, 0)
    kept = [case async for case in iterate_cases(record, "decided", with_decisions=True)]
    assert {case.release_hash for case in kept} == {release.hash}
    assert kept[0].decision == kept[1].decision
    assert decode_decision(kept[0].decision).as_of == kept[0].as_of
