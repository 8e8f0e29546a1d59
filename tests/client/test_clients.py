"""Both clients against a wire of the test's own, and against a real server."""

import asyncio
import inspect
import json
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from random import Random
from typing import Any
from uuid import UUID

import httpx
import pytest

from instant_credit.client import doorway
from instant_credit.client.attempts import Patience
from instant_credit.client.awaiting import AsyncClient
from instant_credit.client.blocking import Client
from instant_credit.client.failures import (
    AnswerUnreadable,
    ApplicationRefused,
    CallFailed,
    Contradicted,
    Forbidden,
    NoAnswer,
    NothingThere,
    Unauthenticated,
)
from instant_credit.errors import Refused
from instant_credit.verify_receipt import verify_receipt
from tests.clock import FixedClock, SeededEntropy
from tests.lending import House, anchor_record, invent_body

KEY = "ic_secret-key"
ADDRESS = "http://127.0.0.1:1"
APPLICATION = {"applicant": {"name": "Ada Example", "identity_number": "123-45-6789"}}
ORDER = "123-45-6789"
ID = UUID("01a2078b-0dc1-7f8c-9a1f-54c4e08e19bb")
Answer = Callable[[httpx.Request], httpx.Response]


class Asking:
    """One of both clients with the same face: every call is run to its end."""

    def __init__(self, kind: type[Client] | type[AsyncClient]) -> None:
        self.kind = kind

    def call(self, name: str, *args: Any, to: str = ADDRESS, key: str = KEY, said: Any = (), **options: Any) -> Any:
        """Open a client with `options`, call its method `name`, close it."""
        if self.kind is Client:
            with Client(to, key, **options) as client:
                return getattr(client, name)(*args, **dict(said))

        async def run() -> Any:
            async with AsyncClient(to, key, **options) as client:
                return await getattr(client, name)(*args, **dict(said))

        return asyncio.run(run())

    def on(self, answer: Answer, *args: Any, **options: Any) -> Any:
        """`call` on a wire that answers so, with pauses that take no time."""
        if self.kind is Client:
            return self.call(*args, transport=httpx.MockTransport(answer), pause=lambda _: None, **options)

        async def pause(_: float) -> None:
            return None

        return self.call(*args, transport=httpx.MockTransport(answer), pause=pause, **options)


@pytest.fixture(params=[Client, AsyncClient], ids=["blocking", "awaiting"])
def asking(request: pytest.FixtureRequest) -> Asking:
    return Asking(request.param)


def test_both_clients_take_the_same_calls() -> None:
    def shape(kind: type) -> dict[str, list[tuple[str, Any, Any]]]:
        return {
            name: [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
            for name, method in vars(kind).items()
            if inspect.isfunction(method) and not name.startswith("_")
        }

    assert shape(Client) == shape(AsyncClient)
    assert {"apply", "read_decision", "ready", "close"} <= set(shape(Client))
    opened = [set(inspect.signature(kind).parameters) for kind in (Client, AsyncClient)]
    assert opened[0] == opened[1]


def test_a_cut_connection_is_tried_again_with_the_same_bytes_and_key(asking: Asking) -> None:
    seen: list[tuple[bytes, str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.content, request.headers["idempotency-key"], request.headers["authorization"]))
        if len(seen) < 3:
            raise httpx.ReadError("cut")
        return httpx.Response(422, stream=httpx.ByteStream(b""))

    with pytest.raises(ApplicationRefused):
        asking.on(answer, "apply", "personal_loan", APPLICATION, entropy=SeededEntropy("seed"))
    assert len(seen) == 3
    assert len(set(seen)) == 1
    assert json.loads(seen[0][0]) == APPLICATION
    assert len(seen[0][1]) == 32
    assert seen[0][2] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "trouble", [httpx.ConnectError, httpx.ReadTimeout, httpx.PoolTimeout, httpx.RemoteProtocolError]
)
def test_no_failure_shows_key_or_applicant(asking: Asking, trouble: type[httpx.TransportError]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise trouble(request.content.decode(), request=request)

    with pytest.raises(NoAnswer, match=trouble.__name__) as caught:
        asking.on(answer, "apply", "personal_loan", APPLICATION, said={"idempotency_key": ORDER})
    failure = caught.value
    assert failure.idempotency_key == ORDER
    shown = "".join(traceback.format_exception(failure)) + repr(failure)
    for secret in ("Ada", "123-45", KEY):
        assert secret not in shown
    chain: BaseException | None = failure
    while chain is not None:
        assert not isinstance(chain, httpx.HTTPError)
        chain = chain.__context__


def test_no_client_shows_its_key(asking: Asking) -> None:
    client = asking.kind(ADDRESS, KEY)
    assert ADDRESS in repr(client)
    assert KEY not in repr(client) + repr(vars(client))


@pytest.mark.parametrize(
    "address",
    ["", "127.0.0.1:8420", "ftp://host", "http://", "http://user:secret@host", "http://host?x=1", "http://host#x"],
)
def test_an_address_that_is_none_is_refused_unquoted(asking: Asking, address: str) -> None:
    with pytest.raises(Refused) as caught:
        asking.kind(address, KEY)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: y", "ä", "a" * 257])
def test_a_key_that_can_be_none_is_refused_unquoted(asking: Asking, key: str) -> None:
    with pytest.raises(Refused, match="API key is 1 to 256") as caught:
        asking.kind(ADDRESS, key)
    assert key == "" or key not in str(caught.value)


def test_a_client_needs_a_connection(asking: Asking) -> None:
    with pytest.raises(Refused, match="at least one connection"):
        asking.kind(ADDRESS, KEY, connections=0)


def test_redirects_are_not_followed(asking: Asking) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "127.0.0.1"
        return httpx.Response(307, headers={"location": "http://elsewhere/"}, stream=httpx.ByteStream(b""))

    with pytest.raises(CallFailed, match="307"):
        asking.on(answer, "apply", "personal_loan", APPLICATION)


def test_an_answer_without_end_is_cut_off(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doorway, "ANSWER_BYTES_MAX", 10_000)

    class Endless(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b" " * 1000

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for chunk in self:
                yield chunk

    with pytest.raises(NoAnswer, match="AnswerTooLarge"):
        asking.on(lambda _: httpx.Response(200, stream=Endless()), "ready")


def test_an_answer_that_drips_is_cut_off(asking: Asking) -> None:
    class Dripping(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x"

        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(0)
                yield b"x"

    with pytest.raises(NoAnswer, match=r"AnswerTooSlow|TimeoutError"):
        asking.on(
            lambda _: httpx.Response(200, stream=Dripping()), "ready", clock=FixedClock(), said={"seconds": 0.001}
        )


def test_apply_and_read_say_the_same_as_the_server(asking: Asking, house: House) -> None:
    product, body = house.documents.product.name, invent_body(house.documents.product, Random(1))
    opened: dict[str, Any] = {"to": house.server.address, "key": house.keys["all"]}
    applied = asking.call("apply", product, body, **opened)
    assert not applied.is_repeated
    assert applied.answer.release == house.documents.release_hash
    again = asking.call("apply", product, body, said={"idempotency_key": applied.idempotency_key}, **opened)
    assert again.is_repeated
    assert again.raw == applied.raw
    recorded = asking.call("read_decision", applied.answer.decision_id, **opened)
    assert recorded.decision.outcome == applied.answer.outcome
    assert recorded.application_id == applied.answer.application_id
    assert repr(applied).startswith(f"Applied(decision_id={applied.answer.decision_id}, outcome=")
    ready = asking.call("ready", **opened)
    assert ready.releases == {product: house.documents.release_hash}


def test_what_the_server_refuses_is_told_by_its_kind(asking: Asking, house: House) -> None:
    product, body = house.documents.product.name, invent_body(house.documents.product, Random(2))
    opened: dict[str, Any] = {"to": house.server.address, "key": house.keys["apply"]}
    with pytest.raises(ApplicationRefused) as refused:
        asking.call("apply", product, {"facts": {}}, **opened)
    assert refused.value.errors
    assert all(problem.pointer and problem.code and problem.message for problem in refused.value.errors)
    key = {"idempotency_key": refused.value.idempotency_key}
    asking.call("apply", product, body, said=key, **opened)
    with pytest.raises(Contradicted, match="idempotency-conflict"):
        asking.call("apply", product, invent_body(house.documents.product, Random(3)), said=key, **opened)
    with pytest.raises(NothingThere, match="not-found"):
        asking.call("apply", "no_such_product", body, **opened)
    with pytest.raises(Forbidden, match="decisions:read"):
        asking.call("read_decision", ID, **opened)
    with pytest.raises(Unauthenticated):
        asking.call("read_decision", ID, to=house.server.address, key=KEY)
    with pytest.raises(ApplicationRefused, match="malformed-request"):
        asking.call("apply", product, b"{", **opened)


def test_a_server_that_is_not_there_is_no_answer(asking: Asking) -> None:
    with pytest.raises(NoAnswer, match="ConnectError") as caught:
        asking.call("ready", patience=Patience(seconds=1))
    assert caught.value.attempts == 1


def test_more_calls_than_connections_take_turns(house: House) -> None:
    bodies = [invent_body(house.documents.product, Random(seed)) for seed in range(100, 112)]

    async def run() -> set[UUID]:
        async with AsyncClient(house.server.address, house.keys["all"], connections=2) as client:
            applied = await asyncio.gather(*(client.apply(house.documents.product.name, body) for body in bodies))
        return {one.answer.decision_id for one in applied}

    assert len(asyncio.run(run())) == len(bodies)


def test_a_draft_becomes_an_application_that_is_read_and_withdrawn(asking: Asking, house: House) -> None:
    product, body = house.documents.product.name, invent_body(house.documents.product, Random(4))
    opened: dict[str, Any] = {"to": house.server.address, "key": house.keys["all"]}
    draft = asking.call("open_draft", product, {"facts": body["facts"]}, **opened)
    assert draft.missing
    assert asking.call("submit_draft", draft.draft_id, **opened).missing
    asking.call("change_draft", draft.draft_id, {"applicant": body["applicant"]}, **opened)
    assert not asking.call("read_draft", draft.draft_id, **opened).missing
    applied = asking.call("submit_draft", draft.draft_id, **opened)
    again = asking.call("submit_draft", draft.draft_id, **opened)
    assert (again.is_repeated, again.raw, again.idempotency_key) == (True, applied.raw, None)
    ids = applied.answer.application_id
    assert asking.call("read_application", ids, **opened).outcome == applied.answer.outcome
    offers = asking.call("list_offers", ids, **opened).offers
    for one in offers:
        assert asking.call("read_offer", ids, one.offer_id, **opened).offer == applied.answer.offer
    with pytest.raises(Contradicted, match="draft-closed"):
        asking.call("withdraw_draft", draft.draft_id, **opened)
    other = asking.call("open_draft", product, {"facts": body["facts"]}, **opened)
    assert asking.call("withdraw_draft", other.draft_id, **opened).state == "withdrawn"


def test_an_offer_is_accepted_once_and_then_not_withdrawn(asking: Asking, house: House) -> None:
    product = house.documents.product.name
    opened: dict[str, Any] = {"to": house.server.address, "key": house.keys["all"]}
    answers = (
        asking.call("apply", product, invent_body(house.documents.product, Random(s)), **opened).answer
        for s in range(200, 300)
    )
    answer = next(one for one in answers if one.offer is not None)
    ids = answer.application_id, answer.offer.offer_id
    accepted = asking.call("accept_offer", *ids, **opened)
    assert asking.call("accept_offer", *ids, **opened) == accepted
    with pytest.raises(Contradicted, match="application-closed"):
        asking.call("withdraw_application", answer.application_id, **opened)


def test_a_quote_is_made_and_read(asking: Asking, house: House) -> None:
    product, body = house.documents.product.name, invent_body(house.documents.product, Random(5))
    opened: dict[str, Any] = {"to": house.server.address, "key": house.keys["all"]}
    quote = asking.call("quote", product, {"facts": body["facts"]}, **opened)
    assert asking.call("read_quote", quote.quote_id, **opened) == quote


def test_a_receipt_is_read_as_soon_as_it_is_anchored_and_proves_the_decision(asking: Asking, house: House) -> None:
    product, body = house.documents.product.name, invent_body(house.documents.product, Random(6))
    opened: dict[str, Any] = {"to": house.server.address, "key": house.keys["all"]}
    anchor_record(house.environ)
    answer = asking.call("apply", product, body, **opened).answer
    with pytest.raises(Contradicted, match="not-anchored"):
        asking.call("read_receipt", answer.decision_id, **opened)
    public_key = bytes.fromhex(anchor_record(house.environ))
    verified = verify_receipt(asking.call("read_receipt", answer.decision_id, **opened), public_key)
    assert (verified.decision_id, verified.release_hash) == (answer.decision_id, answer.release)
    with pytest.raises(NothingThere):
        asking.call("read_receipt", ID, **opened)


def test_what_is_no_json_is_no_receipt(asking: Asking) -> None:
    with pytest.raises(AnswerUnreadable):
        asking.on(lambda _: httpx.Response(200, stream=httpx.ByteStream(b"{")), "read_receipt", ID)


def test_a_draft_is_opened_once_even_when_the_answer_is_lost(asking: Asking) -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ReadError("cut")

    with pytest.raises(NoAnswer):
        asking.on(answer, "open_draft", "personal_loan", {"facts": {}})
    assert len(sent) == 1
