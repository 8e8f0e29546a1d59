"""The client for code that awaits (asyncio): as many calls at once as there are connections."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

import httpx
from msgspec.structs import replace

from instant_credit.client.attempts import Lost, Patience, Send, make_key, run_call
from instant_credit.client.calls import (
    Application,
    Applied,
    Call,
    Reply,
    call_accept_offer,
    call_apply,
    call_change_draft,
    call_list_offers,
    call_open_draft,
    call_quote,
    call_read_application,
    call_read_decision,
    call_read_draft,
    call_read_offer,
    call_read_quote,
    call_read_receipt,
    call_ready,
    call_submit_draft,
    call_tell_outcomes,
    call_withdraw_application,
    call_withdraw_draft,
)
from instant_credit.client.doorway import CONNECTIONS_DEFAULT, Incoming, http_options
from instant_credit.outcome.inbound import InboundEvent
from instant_credit.record.clock import Clock, Entropy, SystemClock
from instant_credit.underwriting.answers import Ready, RecordedDecision
from instant_credit.underwriting.resources import ApplicationStatus, DraftStatus, Offers, OfferStatus, Quote
from instant_credit.underwriting.taken import OutcomesTaken

T = TypeVar("T")


class AsyncClient:
    """`blocking.Client`, awaited. A call that is cancelled closes its connection.

    Parameters
    ----------
    address : of the server, for instance ``http://127.0.0.1:8420``.
    key : the API key. It is in no text of this object or its exceptions.
    patience : how long calls are tried.
    connections : most that are open at once; further calls wait for one within their deadline.
    tls : how certificates are checked; None = by the authorities that httpx trusts.
    clock, entropy, pause, transport : time, chance, waiting and wire, for tests.
    """

    def __init__(
        self,
        address: str,
        key: str,
        *,
        patience: Patience | None = None,
        connections: int = CONNECTIONS_DEFAULT,
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        entropy: Entropy = os.urandom,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        options = http_options(address, key, connections, tls)
        self._patience = patience or Patience()
        self._clock = clock or SystemClock()
        self._entropy = entropy
        self._pause = pause
        self._http = httpx.AsyncClient(**options, transport=transport)

    def __repr__(self) -> str:
        return f"AsyncClient({str(self._http.base_url)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """`blocking.Client.close`."""
        await self._http.aclose()

    async def apply(
        self,
        product: str,
        application: Application,
        *,
        idempotency_key: str | None = None,
        seconds: float | None = None,
    ) -> Applied:
        """`blocking.Client.apply`."""
        return await self._run(call_apply(product, application, idempotency_key or make_key(self._entropy)), seconds)

    async def read_decision(self, decision_id: UUID, *, seconds: float | None = None) -> RecordedDecision:
        """`blocking.Client.read_decision`."""
        return await self._run(call_read_decision(decision_id), seconds)

    async def read_receipt(self, decision_id: UUID, *, seconds: float | None = None) -> bytes:
        """`blocking.Client.read_receipt`."""
        return await self._run(call_read_receipt(decision_id), seconds)

    async def read_application(self, application_id: UUID, *, seconds: float | None = None) -> ApplicationStatus:
        """`blocking.Client.read_application`."""
        return await self._run(call_read_application(application_id), seconds)

    async def withdraw_application(self, application_id: UUID, *, seconds: float | None = None) -> ApplicationStatus:
        """`blocking.Client.withdraw_application`."""
        return await self._run(call_withdraw_application(application_id), seconds)

    async def list_offers(self, application_id: UUID, *, seconds: float | None = None) -> Offers:
        """`blocking.Client.list_offers`."""
        return await self._run(call_list_offers(application_id), seconds)

    async def read_offer(self, application_id: UUID, offer_id: UUID, *, seconds: float | None = None) -> OfferStatus:
        """`blocking.Client.read_offer`."""
        return await self._run(call_read_offer(application_id, offer_id), seconds)

    async def accept_offer(self, application_id: UUID, offer_id: UUID, *, seconds: float | None = None) -> OfferStatus:
        """`blocking.Client.accept_offer`."""
        return await self._run(call_accept_offer(application_id, offer_id), seconds)

    async def quote(self, product: str, facts: Application, *, seconds: float | None = None) -> Quote:
        """`blocking.Client.quote`."""
        return await self._run(call_quote(product, facts), seconds)

    async def read_quote(self, quote_id: UUID, *, seconds: float | None = None) -> Quote:
        """`blocking.Client.read_quote`."""
        return await self._run(call_read_quote(quote_id), seconds)

    async def open_draft(self, product: str, application: Application, *, seconds: float | None = None) -> DraftStatus:
        """`blocking.Client.open_draft`."""
        return await self._run(call_open_draft(product, application), seconds)

    async def read_draft(self, draft_id: UUID, *, seconds: float | None = None) -> DraftStatus:
        """`blocking.Client.read_draft`."""
        return await self._run(call_read_draft(draft_id), seconds)

    async def change_draft(self, draft_id: UUID, changes: Application, *, seconds: float | None = None) -> DraftStatus:
        """`blocking.Client.change_draft`."""
        return await self._run(call_change_draft(draft_id, changes), seconds)

    async def submit_draft(self, draft_id: UUID, *, seconds: float | None = None) -> Applied | DraftStatus:
        """`blocking.Client.submit_draft`."""
        return await self._run(call_submit_draft(draft_id), seconds)

    async def withdraw_draft(self, draft_id: UUID, *, seconds: float | None = None) -> DraftStatus:
        """`blocking.Client.withdraw_draft`."""
        return await self._run(call_withdraw_draft(draft_id), seconds)

    async def tell_outcomes(
        self, events: Sequence[InboundEvent | Mapping[str, Any]], *, seconds: float | None = None
    ) -> OutcomesTaken:
        """`blocking.Client.tell_outcomes`."""
        return await self._run(call_tell_outcomes(events), seconds)

    async def ready(self, *, seconds: float | None = None) -> Ready:
        """`blocking.Client.ready`."""
        return await self._run(call_ready(), seconds)

    async def _run(self, call: Call[T], seconds: float | None) -> T:
        patience = self._patience if seconds is None else replace(self._patience, seconds=seconds)
        steps = run_call(call, patience, self._clock, self._entropy)
        came: Reply | Lost | None = None
        while True:
            try:
                step = steps.send(came)
            except StopIteration as end:
                answer: T = end.value
                return answer
            if isinstance(step, Send):
                came = await self._send(call, step)
            else:
                await self._pause(step.seconds)
                came = None

    async def _send(self, call: Call[T], step: Send) -> Reply | Lost:
        until_ns = self._clock.monotonic_ns() + int(step.seconds * 1e9)
        try:
            async with (
                asyncio.timeout(step.seconds),
                self._http.stream(
                    call.method, call.path, content=call.body, headers=step.headers, timeout=step.seconds
                ) as response,
            ):
                incoming = Incoming(response, self._clock, until_ns)
                async for chunk in response.aiter_raw():
                    if not incoming.take(chunk):
                        break
                return incoming.end()
        except (httpx.TransportError, TimeoutError) as trouble:
            # The trouble itself holds the request with body and key: only its name goes on.
            how = type(trouble).__name__
        return Lost(how=how)
