"""How often a caller may ask: token buckets, and variants of one application within a window. Time is handed in, in nanoseconds.

A bucket holds at most `burst` tokens and gains `rate` of them a second. All numbers are whole: a token is 10^9 parts, and a nanosecond adds
`rate` of them, so nothing is ever rounded. A time that lies before the last one counts as that one.

A variant is one way to fill in an application. Within the window each counts once, by when it was last sent; one that was sent before is
always let in, since its answer tells nothing new.
"""

from typing import Final

from msgspec import Struct

from instant_credit.errors import require

NS_PER_SECOND: Final = 1_000_000_000
_PARTS: Final = NS_PER_SECOND


class Allowance(Struct, frozen=True, kw_only=True):
    """What a bucket allows: `rate` requests a second, and `burst` (at least one) at once after a pause."""

    rate: int
    burst: int

    def __post_init__(self) -> None:
        """Check what the types cannot."""
        require(self.rate >= 1 and self.burst >= 1, "an allowance is at least one request a second and one at once")


class Taken(Struct, frozen=True, kw_only=True):
    """What became of one request. `remaining` is how many more would be let in now, `wait_ns` how long until one is, 0 when it is now."""

    is_admitted: bool
    remaining: int
    wait_ns: int


class Bucket:
    """The tokens of one caller, full at first."""

    __slots__ = ("_at_ns", "_parts", "allowance")

    def __init__(self, allowance: Allowance, now_ns: int) -> None:
        self.allowance = allowance
        self._parts = allowance.burst * _PARTS
        self._at_ns = now_ns

    def take(self, now_ns: int) -> Taken:
        """Take a token for a request at `now_ns`, if there is one."""
        allowance = self.allowance
        if now_ns > self._at_ns:
            gained = (now_ns - self._at_ns) * allowance.rate
            self._parts = min(self._parts + gained, allowance.burst * _PARTS)
            self._at_ns = now_ns
        is_admitted = self._parts >= _PARTS
        if is_admitted:
            self._parts -= _PARTS
        lacking = _PARTS - self._parts
        return Taken(
            is_admitted=is_admitted,
            remaining=self._parts // _PARTS,
            wait_ns=0 if lacking <= 0 else -(-lacking // allowance.rate),
        )


class VariantLimit(Struct, frozen=True, kw_only=True):
    """At most `variants` (at least one) of one person's application from one client within `hours`."""

    variants: int
    hours: int

    def __post_init__(self) -> None:
        """Check what the types cannot."""
        require(self.variants >= 1 and self.hours >= 1, "at least one variant is let in, within an hour or more")

    @property
    def window_ns(self) -> int:
        """The window in nanoseconds."""
        return self.hours * 3_600 * NS_PER_SECOND


def count_variants(sent_ns: dict[bytes, int], variant: bytes, now_ns: int, window_ns: int) -> int:
    """How many other variants were sent within the window before `now_ns`; what is older is taken out of `sent_ns`.

    Parameters
    ----------
    sent_ns : when each variant was last sent, oldest first.
    """
    while sent_ns:
        oldest = next(iter(sent_ns))
        if now_ns - sent_ns[oldest] < window_ns:
            break
        del sent_ns[oldest]
    return len(sent_ns) - (variant in sent_ns)


def note_variant(sent_ns: dict[bytes, int], variant: bytes, now_ns: int) -> None:
    """Write down that `variant` is sent now."""
    sent_ns.pop(variant, None)
    sent_ns[variant] = now_ns


def seconds_ceil(span_ns: int) -> int:
    """Whole seconds until `span_ns` have passed, at least one: what Retry-After says."""
    return max(1, -(-span_ns // NS_PER_SECOND))
