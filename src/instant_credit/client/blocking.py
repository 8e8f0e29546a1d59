"""The client for code that waits: one call at a time, from as many threads as there are connections."""

import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
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


class Client:
    """Asks one server. A context manager; closing it closes its connections.

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
        pause: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        options = http_options(address, key, connections, tls)
        self._patience = patience or Patience()
        self._clock = clock or SystemClock()
        self._entropy = entropy
        self._pause = pause
        self._http = httpx.Client(**options, transport=transport)

    def __repr__(self) -> str:
        return f"Client({str(self._http.base_url)!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def apply(
        self,
        product: str,
        application: Application,
        *,
        idempotency_key: str | None = None,
        seconds: float | None = None,
    ) -> Applied:
        """Apply for a product; the decision, with reasons, durably recorded.

        Parameters
        ----------
        application : its sections ``applicant``, ``facts`` and ``monitoring``.
        idempotency_key : names this application, 1 to 64 visible ASCII characters; None = a new one. Every attempt carries it, so the
            application is decided once.
        seconds : deadline over all attempts; None = the client's own.

        Raises
        ------
        ApplicationRefused : fields are wrong or missing; `errors` lists them.
        CallFailed : any other failure; `idempotency_key` is the one to try again with.
        """
        return self._run(call_apply(product, application, idempotency_key or make_key(self._entropy)), seconds)

    def read_decision(self, decision_id: UUID, *, seconds: float | None = None) -> RecordedDecision:
        """A recorded decision with its trace and contributions.

        Raises
        ------
        NothingThere : there is none for this client.
        CallFailed : any other failure.
        """
        return self._run(call_read_decision(decision_id), seconds)

    def read_receipt(self, decision_id: UUID, *, seconds: float | None = None) -> bytes:
        """What proves offline that a decision stands in the record: the receipt's JSON, as `verify_receipt` takes it.

        Raises
        ------
        Contradicted : no anchor covers the decision yet (`code` is ``not-anchored``): ask again after the next one.
        NothingThere : there is none for this client, or the person was erased.
        CallFailed : any other failure.
        """
        return self._run(call_read_receipt(decision_id), seconds)

    def read_application(self, application_id: UUID, *, seconds: float | None = None) -> ApplicationStatus:
        """A decided application and what became of it.

        Raises
        ------
        NothingThere : there is none for this client.
        CallFailed : any other failure.
        """
        return self._run(call_read_application(application_id), seconds)

    def withdraw_application(self, application_id: UUID, *, seconds: float | None = None) -> ApplicationStatus:
        """Withdraw an application; again changes nothing.

        Raises
        ------
        Contradicted : it ended in another way.
        CallFailed : any other failure.
        """
        return self._run(call_withdraw_application(application_id), seconds)

    def list_offers(self, application_id: UUID, *, seconds: float | None = None) -> Offers:
        """The offers of an application.

        Raises
        ------
        NothingThere : there is no such application for this client.
        CallFailed : any other failure.
        """
        return self._run(call_list_offers(application_id), seconds)

    def read_offer(self, application_id: UUID, offer_id: UUID, *, seconds: float | None = None) -> OfferStatus:
        """One offer of an application.

        Raises
        ------
        NothingThere : there is none for this client.
        CallFailed : any other failure.
        """
        return self._run(call_read_offer(application_id, offer_id), seconds)

    def accept_offer(self, application_id: UUID, offer_id: UUID, *, seconds: float | None = None) -> OfferStatus:
        """Accept an offer; again changes nothing.

        Raises
        ------
        Contradicted : it expired, or the application ended in another way; `code` says which.
        CallFailed : any other failure.
        """
        return self._run(call_accept_offer(application_id, offer_id), seconds)

    def quote(self, product: str, facts: Application, *, seconds: float | None = None) -> Quote:
        """What might be offered on facts told without a name; it binds nobody.

        Raises
        ------
        ApplicationRefused : fields are wrong; `errors` lists them.
        CallFailed : any other failure.
        """
        return self._run(call_quote(product, facts), seconds)

    def read_quote(self, quote_id: UUID, *, seconds: float | None = None) -> Quote:
        """A quote that was made.

        Raises
        ------
        NothingThere : there is none for this client.
        CallFailed : any other failure.
        """
        return self._run(call_read_quote(quote_id), seconds)

    def open_draft(self, product: str, application: Application, *, seconds: float | None = None) -> DraftStatus:
        """Open a draft with what is known so far. It is sent once: sent again it would open a second one.

        Raises
        ------
        ApplicationRefused : what was sent has wrong fields; `errors` lists them.
        CallFailed : any other failure.
        """
        return self._run(call_open_draft(product, application), seconds)

    def read_draft(self, draft_id: UUID, *, seconds: float | None = None) -> DraftStatus:
        """A draft, and what it misses.

        Raises
        ------
        NothingThere : there is none for this client.
        CallFailed : any other failure.
        """
        return self._run(call_read_draft(draft_id), seconds)

    def change_draft(self, draft_id: UUID, changes: Application, *, seconds: float | None = None) -> DraftStatus:
        """Merge `changes` into a draft; None leaves a field out (RFC 7396).

        Raises
        ------
        Contradicted : the draft has ended.
        CallFailed : any other failure.
        """
        return self._run(call_change_draft(draft_id, changes), seconds)

    def submit_draft(self, draft_id: UUID, *, seconds: float | None = None) -> Applied | DraftStatus:
        """Have a draft decided, once; a draft that misses something is told back with what it misses.

        Raises
        ------
        Contradicted : the draft has ended.
        CallFailed : any other failure.
        """
        return self._run(call_submit_draft(draft_id), seconds)

    def withdraw_draft(self, draft_id: UUID, *, seconds: float | None = None) -> DraftStatus:
        """Withdraw a draft; again changes nothing.

        Raises
        ------
        Contradicted : it was decided.
        CallFailed : any other failure.
        """
        return self._run(call_withdraw_draft(draft_id), seconds)

    def tell_outcomes(
        self, events: Sequence[InboundEvent | Mapping[str, Any]], *, seconds: float | None = None
    ) -> OutcomesTaken:
        """Tell what borrowers did; at most 10,000 events and a megabyte. The same events again change nothing.

        Raises
        ------
        CallFailed : any failure; the same events may be sent again. An event that was not taken is no failure: it stands under `quarantined`.
        """
        return self._run(call_tell_outcomes(events), seconds)

    def ready(self, *, seconds: float | None = None) -> Ready:
        """The live releases; asked once.

        Raises
        ------
        ServerUnavailable : the server can't decide; `detail` says why.
        CallFailed : any other failure.
        """
        return self._run(call_ready(), seconds)

    def _run(self, call: Call[T], seconds: float | None) -> T:
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
                came = self._send(call, step)
            else:
                self._pause(step.seconds)
                came = None

    def _send(self, call: Call[T], step: Send) -> Reply | Lost:
        until_ns = self._clock.monotonic_ns() + int(step.seconds * 1e9)
        try:
            with self._http.stream(
                call.method, call.path, content=call.body, headers=step.headers, timeout=step.seconds
            ) as response:
                incoming = Incoming(response, self._clock, until_ns)
                for chunk in response.iter_raw():
                    if not incoming.take(chunk):
                        break
                return incoming.end()
        except httpx.TransportError as trouble:
            # The trouble itself holds the request with body and key: only its name goes on.
            how = type(trouble).__name__
        return Lost(how=how)
