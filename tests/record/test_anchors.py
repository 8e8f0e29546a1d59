"""The file of anchors: appended whole, under a lock, continued after a crash, and trusted only as far as it is signed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.canonical import encode_canonical
from instant_credit.errors import Conflict, Refused
from instant_credit.record import anchoring, anchors, marks, tail
from instant_credit.record.anchoring import open_anchorer
from instant_credit.record.anchors import (
    Anchor,
    AnchorFile,
    NewLink,
    Span,
    compose_anchor,
    create_anchor_key,
    decode_anchor,
    find_anchor,
    is_true,
    read_anchor_key,
)
from instant_credit.record.audit import audit_record
from instant_credit.record.commit import commit_entries
from instant_credit.record.marks import AnchorsLost, place_of_marks
from instant_credit.record.pool import Record
from instant_credit.settings import Settings
from instant_credit.verify_receipt import hash_leaf
from tests.clock import FixedClock
from tests.record.anchored import anchor, audit, fill, public_key_of
from tests.record.entries import make_entry

pytestmark = pytest.mark.anyio

AT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def links_of(writer: UUID, first: int, last: int) -> list[NewLink]:
    return [NewLink(writer_id=writer, seq=seq, link=hash_leaf(b"%d" % seq)) for seq in range(first, last + 1)]


def write_file(path: Path, writer: UUID, count: int) -> AnchorFile:
    """`count` anchors a minute apart, over ten links each."""
    file = AnchorFile(path)
    with file.locked() as opened:
        for number in range(count):
            links = links_of(writer, 10 * number, 10 * number + 9)
            file.append(opened, links, AT + timedelta(minutes=number), KEY)
    return file


def read_anchors(path: Path) -> list[Anchor]:
    found = [decode_anchor(line) for line in path.read_bytes().splitlines()]
    return [one for one in found if one is not None]


async def rewrite(settings: Settings, change: dict[int, bytes]) -> None:
    lines = settings.anchors_file.read_bytes().splitlines(keepends=True)
    for number, line in change.items():
        lines[number - 1] = line
    settings.anchors_file.write_bytes(b"".join(lines))


def test_a_second_process_neither_appends_nor_waits(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    with AnchorFile(path).locked(), pytest.raises(Conflict, match="another process"), AnchorFile(path).locked():
        pass


def test_a_line_that_a_crash_left_torn_is_no_anchor_and_is_written_over(tmp_path: Path) -> None:
    path, writer = tmp_path / "anchors.jsonl", uuid4()
    write_file(path, writer, 2)
    whole = path.read_bytes()
    path.write_bytes(whole + whole.splitlines()[0][:-5])
    file = AnchorFile(path)
    with file.locked() as opened:
        assert file.last is not None
        assert file.last.number == 2
        file.append(opened, links_of(writer, 20, 20), AT, KEY)
    assert path.read_bytes().startswith(whole)
    assert [one.head.number for one in read_anchors(path)] == [1, 2, 3]


@pytest.mark.parametrize("shortened", [b"", None])
def test_a_file_that_was_shortened_or_removed_is_refused(tmp_path: Path, shortened: bytes | None) -> None:
    path = tmp_path / "anchors.jsonl"
    file = write_file(path, uuid4(), 2)
    if shortened is None:
        path.unlink()
    else:
        path.write_bytes(shortened)
    with pytest.raises(Refused, match=r"shortened|gone"):
        file.refresh()
    with pytest.raises(Refused, match="shortened"), file.locked():
        pass


def test_a_line_that_is_no_anchor_is_refused_by_whoever_would_append(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    write_file(path, uuid4(), 1)
    with path.open("ab") as file:
        file.write(b'{"head": 1}\n')
    with pytest.raises(Refused, match=r"the line at byte \d{3,} is no anchor"):
        AnchorFile(path).refresh()


def test_a_file_that_cannot_be_opened_is_named_with_its_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="INSTANT_CREDIT_ANCHORS"), AnchorFile(tmp_path / "file" / "anchors").locked():
        pass


def test_the_anchor_of_any_link_is_found_without_reading_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, writer = tmp_path / "anchors.jsonl", uuid4()
    write_file(path, writer, 300)
    read = 0

    def count(line: bytes) -> Anchor | None:
        nonlocal read
        read += 1
        return decode_anchor(line)

    monkeypatch.setattr(anchors, "decode_anchor", count)
    monkeypatch.setattr(anchors, "_CHUNK", 1_000)
    for number in (0, 1, 149, 298, 299):
        read = 0
        found = find_anchor(path, writer, 10 * number + 5, AT + timedelta(minutes=number))
        assert found is not None
        assert found.head.number == number + 1
        assert read < 40
    assert find_anchor(path, writer, 3_000, AT + timedelta(minutes=301)) is None
    assert find_anchor(path, uuid4(), 5, AT) is None
    assert find_anchor(tmp_path / "none", writer, 5, AT) is None


@dataclass
class Counted:
    """How many lines were decoded."""

    lines: int = 0

    def decode(self, line: bytes) -> Anchor | None:
        self.lines += 1
        return decode_anchor(line)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    made = Counted()
    monkeypatch.setattr(anchors, "decode_anchor", made.decode)
    monkeypatch.setattr(anchors, "_CHUNK", 1_000)
    monkeypatch.setattr(tail, "_CHUNK", 100)
    return made


def test_whoever_would_append_reads_the_end_of_a_long_file_alone(tmp_path: Path, counted: Counted) -> None:
    path, old, new = tmp_path / "anchors.jsonl", uuid4(), uuid4()
    write_file(path, old, 300)
    counted.lines = 0
    file = AnchorFile(path)
    file.refresh()
    assert file.last is not None
    assert (file.last.number, counted.lines) == (300, 1)
    end = AT + timedelta(minutes=300)
    with file.locked() as opened:
        file.look_back(
            [
                Span(writer_id=old, last=2_999, began_at=AT, recorded_at=end),
                Span(writer_id=new, last=3, began_at=end, recorded_at=end),
            ]
        )
        assert file.covered == {old: 2_999, new: -1}
        made = file.append(opened, links_of(new, 0, 3), end, KEY)
    assert made.head.number == 301
    assert counted.lines < 40


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 3)), min_size=1, max_size=3), max_size=12), st.data()
)
def test_what_is_covered_is_what_the_whole_file_says(turns: list[list[tuple[int, int]]], data: st.DataObject) -> None:
    """Writers come and go; in the end some have links that no anchor covers."""
    writers = [UUID(int=number + 1) for number in range(6)]
    seen: dict[UUID, Span] = {}

    def write(number: int, count: int, minute: int) -> list[NewLink]:
        at, writer = AT + timedelta(minutes=minute), writers[number]
        first = seen[writer].last + 1 if writer in seen else 0
        began_at = seen[writer].began_at if writer in seen else at
        seen[writer] = Span(writer_id=writer, last=first + count - 1, began_at=began_at, recorded_at=at)
        return links_of(writer, first, first + count - 1)

    with TemporaryDirectory() as folder:
        path = Path(folder) / "anchors.jsonl"
        whole = AnchorFile(path)
        with whole.locked() as opened:
            for minute, turn in enumerate(turns):
                links = [
                    link for number, count in sorted(dict(turn).items()) for link in write(number, count, 20 * minute)
                ]
                whole.append(opened, links, AT + timedelta(minutes=20 * minute), KEY)
        for number in data.draw(st.sets(st.integers(0, 5))):
            write(number, 1, 20 * len(turns))
        file = AnchorFile(path)
        file.refresh()
        file.look_back(list(seen.values()))
        assert {one: file.covered.get(one, -1) for one in seen} == {one: whole.covered.get(one, -1) for one in seen}


@pytest.mark.parametrize("field", ["number", "at", "previous", "root", "links", "details", "format"])
def test_a_changed_head_is_not_true(field: str) -> None:
    made = compose_anchor(None, links_of(uuid4(), 0, 3), AT, KEY)
    public = KEY.public_key().public_bytes_raw()
    assert is_true(made, public)
    changed = {"number": 2, "links": 9}.get(field, "11" * 32)
    assert not is_true(replace(made, head=replace(made.head, **{field: changed})), public)


def test_changed_details_signature_or_key_are_not_true() -> None:
    made = compose_anchor(None, links_of(uuid4(), 0, 3), AT, KEY)
    public = KEY.public_key().public_bytes_raw()
    assert not is_true(replace(made, details=replace(made.details, prefixes="")), public)
    assert not is_true(replace(made, signature="zz"), public)
    assert not is_true(replace(made, signature="00" * 64), public)
    assert not is_true(made, bytes(32))
    assert not is_true(made, b"short")


def test_the_key_is_made_once_for_its_owner_alone_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "anchor.pem"
    create_anchor_key(path)
    first = path.read_bytes()
    create_anchor_key(path)
    assert path.read_bytes() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_anchor_key(path).public_key().public_bytes_raw()


def test_a_key_that_others_can_read_that_is_none_or_is_missing_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "anchor.pem"
    with pytest.raises(Refused, match="INSTANT_CREDIT_ANCHOR_KEY"):
        read_anchor_key(path)
    create_anchor_key(path)
    path.chmod(0o640)
    with pytest.raises(Refused, match="chmod 600"):
        read_anchor_key(path)
    other = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"no key", other):
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(Refused, match="not an Ed25519 key"):
            read_anchor_key(path)


async def test_anchors_that_lost_their_key_get_no_new_one(record: Record, settings: Settings, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    await anchor(record, settings)
    settings.anchor_key_file.unlink()
    with pytest.raises(Refused, match="there is no anchor key"):
        await anchor(record, settings)
    assert not settings.anchor_key_file.exists()


LOSSES: dict[str, Callable[[Path, bytes], object]] = {
    "is gone": lambda path, _: path.unlink(),
    "is empty": lambda path, _: path.write_bytes(b""),
    "was cut off": lambda path, lines: path.write_bytes(lines.splitlines(keepends=True)[0]),
}


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_file_that_was_lost_is_not_begun_anew_unless_told_so(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, loss: str
) -> None:
    await fill(record, settings, clock, actor, rounds=1)
    path, whole = settings.anchors_file, settings.anchors_file.read_bytes()
    LOSSES[loss](path, whole)
    with pytest.raises(AnchorsLost, match=r"audit anchor --new-file"):
        await anchor(record, settings)
    if loss == "was cut off":
        with pytest.raises(Refused, match="move it"):
            await anchor(record, settings, is_new_file=True)
        path.rename(path.with_name("kept.jsonl"))
    assert await anchor(record, settings, is_new_file=True) > 10
    assert [one.head.number for one in read_anchors(path)] == [1]
    assert (await audit(record, settings)).found == 0
    path.write_bytes(whole)
    with pytest.raises(AnchorsLost, match="is not the file that anchor 1 was appended to"):
        await anchor(record, settings)


async def test_a_file_that_is_put_back_is_gone_on_with(record: Record, settings: Settings, actor: Actor) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    await anchor(record, settings)
    whole = settings.anchors_file.read_bytes()
    settings.anchors_file.unlink()
    with pytest.raises(AnchorsLost):
        await anchor(record, settings)
    settings.anchors_file.write_bytes(whole)
    await commit_entries(record, [make_entry(record, 2)], actor)
    assert await anchor(record, settings) == 1
    assert [one.head.number for one in read_anchors(settings.anchors_file)] == [1, 2]


async def test_a_key_without_marks_and_a_record_with_links_want_a_file(
    record: Record, settings: Settings, actor: Actor
) -> None:
    create_anchor_key(settings.anchor_key_file)
    assert await anchor(record, settings) == 0
    settings.anchors_file.unlink()
    await commit_entries(record, [make_entry(record, 1)], actor)
    with pytest.raises(AnchorsLost, match="there is no file of anchors at"):
        await anchor(record, settings)


async def test_who_was_stopped_before_the_first_anchor_goes_on(
    record: Record, settings: Settings, actor: Actor
) -> None:
    await open_anchorer(record, settings.anchors_file, settings.anchor_key_file)
    await commit_entries(record, [make_entry(record, 1)], actor)
    assert await anchor(record, settings) == 1


async def test_an_anchor_that_was_written_before_its_mark_is_gone_on_with(
    record: Record, settings: Settings, actor: Actor
) -> None:
    for number in range(2):
        await commit_entries(record, [make_entry(record, number)], actor)
        await anchor(record, settings)
        if number == 0:
            kept = place_of_marks(settings.anchor_key_file).read_bytes()
    place_of_marks(settings.anchor_key_file).write_bytes(kept)
    await commit_entries(record, [make_entry(record, 2)], actor)
    assert await anchor(record, settings) == 1


async def test_where_the_keys_folder_cannot_be_written_a_file_that_is_gone_is_noticed_still(
    record: Record, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks.os, "access", lambda *_: False)
    await commit_entries(record, [make_entry(record, 1)], actor)
    assert await anchor(record, settings) == 1
    assert not place_of_marks(settings.anchor_key_file).exists()
    settings.anchors_file.unlink()
    with pytest.raises(AnchorsLost):
        await anchor(record, settings)


async def test_marks_that_say_nothing_are_refused(record: Record, settings: Settings) -> None:
    await anchor(record, settings)
    place_of_marks(settings.anchor_key_file).write_bytes(b"{")
    with pytest.raises(Refused, match="does not say how far the anchors have come"):
        await anchor(record, settings)


async def test_many_links_become_several_anchors(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchoring, "LINKS_MAX", 4)
    await fill(record, settings, clock, actor, rounds=1)
    assert len(read_anchors(settings.anchors_file)) > 1
    assert max(one.head.links for one in read_anchors(settings.anchors_file)) == 4
    assert (await audit(record, settings)).found == 0


async def test_a_young_anchor_is_left_at_that(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    anchorer = await open_anchorer(record, settings.anchors_file, settings.anchor_key_file)
    minute = timedelta(seconds=60)
    counts = []
    for number in range(3):
        await commit_entries(record, [make_entry(record, number)], actor)
        counts.append(await anchorer.append(every=minute))
        clock.advance(timedelta(seconds=40))
    assert counts == [1, 0, 2]


async def test_what_is_written_meanwhile_is_left_to_the_next_anchor(
    record: Record, settings: Settings, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, append, numbers = asyncio.get_running_loop(), AnchorFile.append, iter(range(1, 6))

    def append_and_commit(file: AnchorFile, *what: Any) -> None:
        append(file, *what)
        for number in islice(numbers, 1):
            entry = make_entry(record, number)
            asyncio.run_coroutine_threadsafe(commit_entries(record, [entry], actor), loop).result()

    monkeypatch.setattr(AnchorFile, "append", append_and_commit)
    await commit_entries(record, [make_entry(record, 0)], actor)
    assert [await anchor(record, settings) for _ in range(2)] == [1, 1]
    assert len(read_anchors(settings.anchors_file)) == 2


async def test_two_that_anchor_take_turns(record: Record, settings: Settings, actor: Actor) -> None:
    both = [await open_anchorer(record, settings.anchors_file, settings.anchor_key_file) for _ in range(2)]
    for number in range(4):
        await commit_entries(record, [make_entry(record, number)], actor)
        assert await both[number % 2].append() == 1
    assert (await audit(record, settings)).found == 0


async def test_a_chain_that_lacks_a_link_is_not_anchored(
    record: Record, settings: Settings, actor: Actor, superuser_url: str
) -> None:
    for number in range(3):
        await commit_entries(record, [make_entry(record, number)], actor)
    connection = await asyncpg.connect(superuser_url)
    await connection.execute("SET session_replication_role = replica; DELETE FROM instant_credit.links WHERE seq = 1")
    await connection.close()
    with pytest.raises(Refused, match="lacks link 1"):
        await anchor(record, settings)


async def test_whoever_gives_up_while_an_anchor_is_written_leaves_a_whole_one(
    record: Record, settings: Settings, actor: Actor
) -> None:
    await commit_entries(record, [make_entry(record, 1)], actor)
    anchorer = await open_anchorer(record, settings.anchors_file, settings.anchor_key_file)
    for _ in range(20):
        task = asyncio.create_task(anchorer.append())
        for _ in range(3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
    await anchorer.append()
    assert (await audit(record, settings)).found == 0


async def test_an_anchor_that_is_false_ends_what_the_audit_trusts(
    record: Record, settings: Settings, clock: FixedClock, actor: Actor
) -> None:
    await fill(record, settings, clock, actor)
    whole = settings.anchors_file.read_bytes()
    lines = whole.splitlines(keepends=True)
    _, second, *_ = read_anchors(settings.anchors_file)
    forged = encode_canonical(replace(second, head=replace(second.head, at="2020")))
    false = {
        "is no anchor": {2: b"{}\n"},
        "holds anchor 3": {2: lines[2]},
        "does not follow": {
            2: encode_canonical(replace(second, head=replace(second.head, previous="00" * 32))) + b"\n"
        },
        "not signed by this key": {2: forged + b"\n"},
    }
    for what, change in false.items():
        await rewrite(settings, change)
        report = await audit(record, settings)
        assert (report.found, report.anchors) == (1, 1), what
        assert report.findings[0].anchor == 2
        assert what in report.findings[0].what
        settings.anchors_file.write_bytes(whole)
    other = await audit_record(record, settings.anchors_file, bytes(32))
    assert (other.found, other.anchors, other.findings[0].anchor) == (1, 0, 1)


async def test_anchors_that_leave_out_links_or_sign_others_are_found(
    record: Record, settings: Settings, actor: Actor
) -> None:
    """Anchors that are signed rightly and false all the same, as of another database."""
    await commit_entries(record, [make_entry(record, 1)], actor)
    await commit_entries(record, [make_entry(record, 2)], actor)
    await anchor(record, settings)
    (made,) = read_anchors(settings.anchors_file)
    key = read_anchor_key(settings.anchor_key_file)
    (range_,) = made.details.writers

    async def with_links(links: list[NewLink], **details: str) -> list[str]:
        forged = compose_anchor(None, links, AT, key)
        if details:
            changed = replace(forged.details, **details)
            head = replace(forged.head, details=anchors.hash_details(changed))
            signature = key.sign(anchors.signed_bytes(anchors.head_of(head))).hex()
            forged = Anchor(head=head, details=changed, signature=signature)
        settings.anchors_file.write_bytes(encode_canonical(forged) + b"\n")
        report = await audit_record(record, settings.anchors_file, public_key_of(settings))
        return [finding.what for finding in report.findings]

    async with record.connection() as connection:
        stored = [row["link"] for row in await connection.fetch("SELECT link FROM links ORDER BY seq")]
    true = [NewLink(writer_id=range_.writer_id, seq=seq, link=link) for seq, link in enumerate(stored)]
    assert await with_links(true) == []
    assert "the link is missing" in (await with_links(true[1:]))[0]
    assert "the link is missing" in (await with_links([*true, *links_of(range_.writer_id, 2, 2)]))[0]
    assert "not the link that was signed" in (await with_links([true[0], *links_of(range_.writer_id, 1, 1)]))[0]
    other = [true[0], NewLink(writer_id=range_.writer_id, seq=1, link=stored[1][:4] + bytes(28))]
    assert await with_links(other) == ["its links are not those that were signed"]
    assert await with_links(other, prefixes="no base64") == ["its links are not those that were signed"]
