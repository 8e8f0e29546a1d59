"""Whoever fills in one person's application in ever other ways looks for the cut-off, and is asked to wait.

Counted are the variants (different facts) of one person's applications from one client within a window: first those that this process saw, in
bounded memory; from a quarter of the limit on also what the record holds, where other processes and the time before a restart stand too.
ADR 0017 says what this does not see.
"""

from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta
from hashlib import blake2b
from typing import Final

from instant_credit.access.limits import NS_PER_SECOND, VariantLimit, count_variants, note_variant, seconds_ceil
from instant_credit.application.facts import Facts
from instant_credit.canonical import encode_canonical
from instant_credit.errors import Throttled
from instant_credit.record.counting import count_applications
from instant_credit.record.pool import Record, within

PERSONS_MAX: Final = 20_000
# The record is asked once this part of the limit was seen in the process: nobody honest pays for the question.
_ASKED_FROM: Final = 4
_KEY_BYTES: Final = 32
_DIGEST_BYTES: Final = 16


class TooManyVariants(Throttled):
    """One person's application came in more variants than are let in within the window."""


class Probing:
    """Counts variants; without a limit it lets everything in."""

    def __init__(self, record: Record, limit: VariantLimit | None = None) -> None:
        self._record = record
        self._limit = limit
        # Unkeyed, two variants could be made that count as one.
        self._key = b"" if limit is None else record.entropy(_KEY_BYTES)
        self._sent: OrderedDict[tuple[str, bytes], dict[bytes, int]] = OrderedDict()

    async def admit(self, client_id: str, person_id: bytes, facts: Facts, seconds_left: Callable[[], float]) -> None:
        """Note one application, or refuse it.

        Parameters
        ----------
        seconds_left : how long its caller waits; asked only where the record is.

        Raises
        ------
        Unavailable : the record did not answer in time.
        TooManyVariants : it is one more variant than the limit allows. Facts that were sent before within the window pass.
        """
        if self._limit is None:
            return
        limit, now_ns = self._limit, self._record.clock.monotonic_ns()
        sent_ns = self._recall((client_id, person_id))
        variant = blake2b(encode_canonical(facts), key=self._key, digest_size=_DIGEST_BYTES).digest()
        others = count_variants(sent_ns, variant, now_ns, limit.window_ns)
        is_known = variant in sent_ns
        if others >= limit.variants and not is_known:
            oldest_ns = next(iter(sent_ns.values()))
            raise TooManyVariants(seconds_ceil(oldest_ns + limit.window_ns - now_ns))
        note_variant(sent_ns, variant, now_ns)
        if is_known or others == 0 or others * _ASKED_FROM < limit.variants:
            return
        try:
            async with within(seconds_left()):
                await self._ask_record(client_id, person_id)
        except BaseException:
            sent_ns.pop(variant, None)
            raise

    def _recall(self, name: tuple[str, bytes]) -> dict[bytes, int]:
        sent_ns = self._sent.get(name)
        if sent_ns is None:
            sent_ns = self._sent[name] = {}
            if len(self._sent) > PERSONS_MAX:
                self._sent.popitem(last=False)
        else:
            self._sent.move_to_end(name)
        return sent_ns

    async def _ask_record(self, client_id: str, person_id: bytes) -> None:
        assert self._limit is not None
        now, window = self._record.clock.now(), timedelta(hours=self._limit.hours)
        counted = await count_applications(self._record, person_id, client_id, now - window)
        if counted.first_at is not None and counted.applications >= self._limit.variants:
            wait = counted.first_at + window - now
            raise TooManyVariants(seconds_ceil(int(wait.total_seconds() * NS_PER_SECOND)))
