"""Limits the slow way: every request that was let in is kept, and the definitions are looked up in them."""

from fractions import Fraction


def naive_is_admitted(admitted_ns: list[int], now_ns: int, *, rate: int, burst: int) -> bool:
    """Whether no span that ends now would hold more requests than a burst and what its length adds."""
    return all(
        sum(since <= at <= now_ns for at in admitted_ns) + 1 <= burst + Fraction((now_ns - since) * rate, 10**9)
        for since in [*admitted_ns, now_ns]
    )


def naive_other_variants(sent: list[tuple[int, int]], variant: int, now_ns: int, *, window_ns: int) -> int:
    """Distinct variants other than `variant` of those `sent` (time, variant) within the window before now."""
    return len({one for at, one in sent if now_ns - at < window_ns and one != variant})
