"""Triggers as documents: what they may say, how they are settled, and what is wrong with one."""

import json
from datetime import timedelta
from uuid import UUID

import msgspec
import pytest

from instant_credit.errors import Problem, Refused
from instant_credit.factory.desk import JobDesk
from instant_credit.factory.looking import REASONS_MAX, tell_reasons
from instant_credit.factory.requests import RetrainRequest
from instant_credit.factory.settling import JobRefused
from instant_credit.factory.triggers import TriggerDefinition, TriggerDesk, Watch, ask_looks, load_trigger
from instant_credit.outcome.triggers import Proposal, Reasoned, Trigger
from instant_credit.record import triggers
from instant_credit.record.documents import DocumentKind, get_document, put_document
from instant_credit.record.shipped import list_starters, read_starter
from tests.clock import FixedClock

REASON = Reasoned(trigger=Trigger.DRIFT, words="alert variable_shifted of some_variable is open since 2024-01-01")


@pytest.mark.parametrize("name", list_starters("triggers"))
def test_shipped_triggers_are_read_under_their_names(name):
    assert load_trigger(read_starter("triggers", name)).name == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("every", "not TOML"),
        ('name = "a"\nevery = "year"\n[request]\nkind = "audit"', "every"),
        ('name = "a"\nevery = "day"\n[request]\nkind = "judge"', "request"),
        ('name = "a"\nevery = "day"\nrules = "standard"\n[request]\nkind = "audit"', "rules go with"),
        ('name = "a"\nevery = "day"\n[request]\nkind = "retrain"\nbook = "b"\nknown_on = 2024-01-01', "leave it out"),
        ("#" * 20_001, "longer than"),
    ],
)
def test_a_document_that_is_no_trigger_is_refused_with_what_is_wrong(text, message):
    with pytest.raises(Refused, match=message):
        load_trigger(text)


@pytest.mark.anyio
async def test_documents_are_settled_when_a_trigger_is_put(record, actor):
    status = await TriggerDesk(record).put(load_trigger(read_starter("triggers", "learning")), actor)
    assert (status.version, status.is_standing, status.next_at.isoformat()) == (1, True, "2024-03-02T03:00:00+00:00")
    definition = status.definition
    for content_hash in (definition.rules, definition.request.labels, definition.request.judged_by):
        assert await get_document(record, content_hash)
    assert (await TriggerDesk(record).list()).triggers == (status,)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("changed", "pointer", "code"),
    [
        ({"rules": "nothing"}, "/rules", "DOCUMENT_UNKNOWN"),
        ({"rules": "f" * 64}, "/rules", "DOCUMENT_UNKNOWN"),
        ({"request": {"kind": "retrain", "book": "test"}}, "/book", "BOOK_OF_TESTS"),
        ({"request": {"kind": "retrain", "book": "a", "judged_by": "nothing"}}, "/judged_by", "DOCUMENT_UNKNOWN"),
        ({"request": {"kind": "retrain", "book": "a", "folds": 99}}, "/request/folds", "JOB_FIELD_INVALID"),
        ({"every": "year"}, "/every", "JOB_FIELD_INVALID"),
    ],
)
async def test_what_is_wrong_with_a_trigger_is_named(record, actor, changed, pointer, code):
    told = {"name": "a", "every": "day", "rules": "standard", "request": {"kind": "retrain", "book": "a"}, **changed}
    problem = await TriggerDesk(record).ask(json.dumps(told).encode(), actor)
    assert isinstance(problem, Problem)
    assert (problem.pointer, problem.code) == (pointer, code)
    assert (await TriggerDesk(record).list()).triggers == ()


@pytest.mark.anyio
async def test_rules_without_a_retraining_and_one_trigger_too_many_are_refused(record, actor, monkeypatch):
    text = read_starter("alerts", "standard").partition("# When a retraining")[0]
    (tmp,) = [msgspec.toml.decode(text)]
    rules = await put_document(record, DocumentKind.ALERT_RULES, json.dumps(tmp).encode(), actor)
    definition = TriggerDefinition(name="a", every="day", rules=rules, request=RetrainRequest(book="a"))
    with pytest.raises(JobRefused, match="no table `retraining`"):
        await TriggerDesk(record).put(definition, actor)
    monkeypatch.setattr(triggers, "TRIGGERS_MAX", 0)
    with pytest.raises(JobRefused) as refusal:
        await TriggerDesk(record).put(msgspec.structs.replace(definition, rules=None), actor)
    assert refusal.value.problem.code == "TRIGGERS_FULL"


@pytest.mark.anyio
async def test_a_request_that_can_t_be_run_is_told_once_an_instant(record, actor, clock: FixedClock):
    definition = TriggerDefinition(name="a", every="hour", request=RetrainRequest(book="empty"))
    await TriggerDesk(record).put(definition, actor)
    watch = Watch(record)
    (asked,) = await watch.ask()
    assert (asked.name, asked.job_ids, asked.refused) == ("a", (), "BOOK_EMPTY")
    assert await watch.ask() == ()


@pytest.mark.anyio
async def test_a_trigger_of_a_later_version_is_told_once_and_hinders_no_other(record, actor, clock: FixedClock):
    await triggers.put_trigger(record, "a", b'{"name":"a","every":"moon"}', actor)
    await TriggerDesk(record).put(load_trigger(read_starter("triggers", "upkeep")), actor)
    clock.advance(timedelta(days=31))
    watch = Watch(record)
    unread, asked = await watch.ask()
    assert (unread.name, unread.refused) == ("a", "TRIGGER_UNREADABLE")
    assert (asked.name, len(asked.job_ids)) == ("upkeep", 1)
    assert await watch.ask() == ()
    assert await ask_looks(record, "applications", UUID(int=1), actor) == ()


@pytest.mark.anyio
async def test_a_monitoring_run_has_the_triggers_of_its_book_looked_at_once(record, actor):
    await TriggerDesk(record).put(load_trigger(read_starter("triggers", "learning")), actor)
    await TriggerDesk(record).put(load_trigger(read_starter("triggers", "monitoring")), actor)
    assert await ask_looks(record, "other", UUID(int=1), actor) == ()
    for _ in range(2):
        assert await ask_looks(record, "applications", UUID(int=1), actor) == ("learning",)
    (look,) = (await JobDesk(record).list()).jobs
    assert (look.kind, look.trigger) == ("look", "learning")
    assert look.reasons == f"monitoring run {UUID(int=1)} ended"


@pytest.mark.parametrize("count", [1, 3, 500])
def test_reasons_are_told_until_there_is_no_more_room(count):
    told = tell_reasons(Proposal(product="loan", proposed_on=None, reasons=(REASON,) * count))
    assert len(told) <= REASONS_MAX
    assert told.startswith(REASON.words)
    assert told.endswith("more") is (count == 500)
