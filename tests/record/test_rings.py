"""A record is made with one key ring and opens with that one only."""

import asyncio
import shutil
from pathlib import Path

import pytest
from msgspec.structs import replace

from instant_credit.access.actors import Actor
from instant_credit.errors import Refused
from instant_credit.record.commit import commit_entries
from instant_credit.record.pool import open_record
from instant_credit.record.reads import iterate_cases
from instant_credit.settings import Settings
from tests.record.entries import make_entry

pytestmark = pytest.mark.anyio


async def open_and_close(settings: Settings) -> None:
    async with open_record(settings):
        pass


@pytest.fixture
async def used(settings: Settings, actor: Actor) -> Settings:
    """A record that has a person."""
    async with open_record(settings) as record:
        await commit_entries(record, [make_entry(record, 1)], actor)
    return settings


async def test_a_host_without_the_ring_is_refused_and_makes_none(used: Settings, tmp_path: Path) -> None:
    second_host = replace(used, key_ring=tmp_path / "second" / "ring.json")
    with pytest.raises(Refused, match=r"no key ring at .*/second/ring\.json.*INSTANT_CREDIT_KEY_RING"):
        await open_and_close(second_host)
    assert not second_host.key_ring.parent.exists()


async def test_a_lost_ring_is_not_replaced_by_a_new_one(used: Settings) -> None:
    used.key_ring.unlink()
    for _ in range(2):
        with pytest.raises(Refused, match="put a copy of that file there"):
            await open_and_close(used)
    assert not used.key_ring.exists()


async def test_another_ring_is_refused_by_the_name_of_its_file(used: Settings, other_settings: Settings) -> None:
    await open_and_close(other_settings)
    with pytest.raises(Refused, match=r"other/keys/ring\.json is not the key ring that this record was made with"):
        await open_and_close(replace(used, key_ring=other_settings.key_ring))


async def test_a_copy_of_the_ring_opens_what_was_sealed(used: Settings, tmp_path: Path) -> None:
    copy = tmp_path / "copy.json"
    shutil.copy2(used.key_ring, copy)
    async with open_record(replace(used, key_ring=copy)) as record:
        assert [case.case async for case in iterate_cases(record, "tape")] == [b"case 1"]


async def test_one_ring_serves_several_records(used: Settings, other_settings: Settings) -> None:
    await open_and_close(replace(other_settings, key_ring=used.key_ring))


async def test_of_hosts_that_make_a_record_at_once_one_ring_stands(settings: Settings, tmp_path: Path) -> None:
    hosts = [replace(settings, key_ring=tmp_path / str(number) / "ring.json") for number in range(4)]
    opened = await asyncio.gather(*(open_and_close(host) for host in hosts), return_exceptions=True)
    assert [type(one) for one in opened if one is not None] == [Refused] * 3
    standing = hosts[opened.index(None)]
    await open_and_close(standing)
