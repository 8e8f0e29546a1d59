"""Which release decides, told by its definition: of all events whose instant has come, the one with the highest number."""

from collections.abc import Sequence
from datetime import datetime

from instant_credit.record.release_life import ReleaseEvent


def champion_at(events: Sequence[ReleaseEvent], at: datetime) -> str | None:
    """The release that decides at an instant."""
    live = None
    for event in sorted(events, key=lambda event: event.number):
        if event.active_at is not None and event.active_at <= at:
            live = event.release_hash
    return live


def champions_until(events: Sequence[ReleaseEvent], at: datetime) -> list[str]:
    """Every release that decided until an instant, in order, none twice in a row; instants of events must differ."""
    instants = sorted(event.active_at for event in events if event.active_at is not None and event.active_at <= at)
    assert len(set(instants)) == len(instants)
    found: list[str] = []
    for instant in instants:
        live = champion_at(events, instant)
        if live is not None and (not found or found[-1] != live):
            found.append(live)
    return found
