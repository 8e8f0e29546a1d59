"""The exploration programme: a few of those whom the score alone declines are approved by chance, within a cap in money. Pure.

    verdict ─► declined by score alone, pd in the zone? ─► drawn? ─► terms of the last band ─► money reserved
                                  └─ propensity of what was done, drawn or not

A lender learns nothing of whom it declines, so a model that is trained on approvals alone is blind where it matters. A programme buys that
knowledge at a price that is fixed beforehand.

The law:

- Explored is who the policy would approve if the pd were that of its last band and whose pd lies in [decline_from, pd_floor). A rule, a guard, an
  exit or a missing fact that speaks against somebody is never overruled; nobody from the floor on is ever explored.
- The draw belongs to the person and the programme: who applies again gets the same answer, so nobody is approved by applying often.
- An explored approval has the terms that the last band gives, cut to `amount_cents_max`.
- Each reserves its amount times `lost_ppm`, rounded up, out of `cap_cents`. A programme ends by itself on its last day, and as soon as what is
  left would not carry the largest loan: that does not depend on who asks, and so neither does the propensity.
- While it runs everybody in the zone has the propensity `share_ppm` of an approval and the rest of a decline; everybody else has 1,000,000.
"""

from collections.abc import Callable
from datetime import date, timedelta
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from instant_credit.application.invalid import tell_invalid
from instant_credit.application.product import Name, Text
from instant_credit.canonical import UNREADABLE, ContentHash, encode_canonical, hash_content
from instant_credit.errors import Refused, require
from instant_credit.experiment.assignment import Draw, Explored
from instant_credit.experiment.plan import Unit
from instant_credit.outcome.inbound import BookName
from instant_credit.policy.document import Policy
from instant_credit.policy.verdict import Outcome, Terms, Verdict
from instant_credit.units import PPM, Cents, Ppm, floor_to_step, instalment_ceil

DOCUMENT_CHARACTERS_MAX: Final = 100_000
DAYS_MAX: Final = 1_100


class Programme(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole document.

    Attributes
    ----------
    share_ppm : share of the zone that is approved: 1% to 5%.
    pd_floor_ppm : nobody whose pd is at or above this is ever explored.
    amount_cents_max : of one explored loan.
    cap_cents : of what all explored loans together may lose.
    lost_ppm : upper bound of what a bad loan loses of its amount; amount times this is reserved.
    starts_on, ends_on : first and last day; a programme runs at most `DAYS_MAX` days.
    book : of the applications; left out = all.
    """

    schema_version: Literal[1] = 1
    name: Name
    product: Name
    title: Text
    share_ppm: Annotated[int, Meta(ge=10_000, le=50_000)]
    pd_floor_ppm: Annotated[int, Meta(ge=1, le=1_000_000)]
    amount_cents_max: Annotated[int, Meta(ge=1, le=10**12)]
    cap_cents: Annotated[int, Meta(ge=1, le=10**14)]
    lost_ppm: Annotated[int, Meta(ge=1, le=1_000_000)]
    starts_on: date
    ends_on: date
    book: BookName | UnsetType = UNSET

    def __post_init__(self) -> None:
        """It lasts a day at least and three years at most, and its cap carries one loan."""
        if self.ends_on < self.starts_on:
            raise ValueError("ends_on: it lies before starts_on")
        if self.ends_on - self.starts_on >= timedelta(days=DAYS_MAX):
            raise ValueError(f"ends_on: a programme runs at most {DAYS_MAX} days")
        if self.cap_cents < reserve_cents(self, Cents(self.amount_cents_max)):
            raise ValueError(
                f"cap_cents: one loan of amount_cents_max reserves {reserve_cents(self, Cents(self.amount_cents_max))}"
            )


class Ending(StrEnum):
    """Why a programme approves nobody any more."""

    PERIOD_OVER = "period_over"
    CAP_REACHED = "cap_reached"
    STOPPED = "stopped"


class End(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A document that ends a programme, named by its hash, for good; `why` is for people."""

    schema_version: Literal[1] = 1
    programme: ContentHash
    ending: Ending
    why: Text


class Ledger(Struct, frozen=True, kw_only=True):
    """What a programme did so far.

    Attributes
    ----------
    approvals, declines : in its zone, drawn and not drawn.
    reserved_cents : for the approvals together.
    lost_cents : what explored loans have lost, as known now.
    is_stopped : by a person or a guardrail.
    """

    approvals: int = 0
    declines: int = 0
    reserved_cents: Cents = Cents(0)
    lost_cents: Cents = Cents(0)
    is_stopped: bool = False


class Report(Struct, frozen=True, kw_only=True):
    """How a programme stands on a day.

    Attributes
    ----------
    is_open : whether it may approve somebody on that day.
    ended : why it has ended; None = it has not, or it has not begun.
    spent_cents, left_cents : of the cap: reserved, and not reserved.
    lost_cents : of what was reserved, what is lost as known now.
    approved_ppm : share of the zone that was approved; None while nobody was in the zone. It lies near `share_ppm`.
    words : the same in a sentence.
    """

    programme: str
    on: date
    is_open: bool
    ended: Ending | None
    approvals: int
    declines: int
    spent_cents: Cents
    left_cents: Cents
    lost_cents: Cents
    approved_ppm: Ppm | None
    words: str


_DECODER: Final = msgspec.json.Decoder(Programme)
_END_DECODER: Final = msgspec.json.Decoder(End)


def read_programme(text: str) -> Programme:
    """The document in TOML `text`.

    Raises
    ------
    Refused : it is no such document; the message names the field and what is allowed there.
    """
    if len(text) > DOCUMENT_CHARACTERS_MAX:
        raise Refused(f"exploration programme: longer than {DOCUMENT_CHARACTERS_MAX} characters")
    try:
        return msgspec.toml.decode(text, type=Programme)
    except msgspec.ValidationError as error:
        raise Refused(
            f"exploration programme: {tell_invalid(error, Programme)}; schemas/exploration.json lists what each field takes"
        ) from error
    except UNREADABLE as error:
        raise Refused(f"exploration programme: {error}") from error


def encode_programme(programme: Programme) -> bytes:
    """Canonical JSON of the document."""
    return encode_canonical(programme)


def decode_programme(raw: bytes) -> Programme:
    """The document behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"exploration programme: {error}") from error


def decode_end(raw: bytes) -> End:
    """The document behind canonical JSON. Raises Refused when it is not one."""
    try:
        return _END_DECODER.decode(raw)
    except UNREADABLE as error:
        raise Refused(f"end of an exploration programme: {error}") from error


def check_programme(programme: Programme, policy: Policy) -> None:
    """Raise Refused naming everything wrong with `programme` beside the policy that declines."""
    problems = []
    if programme.product != policy.product:
        problems.append(
            f"product: the policy {policy.name} is of {policy.product}, the programme of {programme.product}"
        )
    if programme.pd_floor_ppm <= policy.cut_offs.decline_from_ppm:
        problems.append(
            f"pd_floor_ppm: the policy {policy.name} declines from {policy.cut_offs.decline_from_ppm} ppm on, so nobody lies below "
            f"{programme.pd_floor_ppm}; write a higher floor"
        )
    if policy.amounts is None or not policy.grid:
        problems.append(f"product: {policy.product} has no amounts and prices, so no money could be reserved")
    elif programme.amount_cents_max < max(policy.amounts.offer_cents_min, policy.amounts.offer_cents_step):
        problems.append(
            f"amount_cents_max: the policy {policy.name} offers no less than "
            f"{max(policy.amounts.offer_cents_min, policy.amounts.offer_cents_step)} cents"
        )
    if problems:
        raise Refused("\n".join([f"programme {programme.name} is refused:", *(f"- {text}" for text in problems)]))


def is_in_zone(programme: Programme | Explored, pd: Ppm | None, decline_from: Ppm) -> bool:
    """Whether a pd is one that the score declines and the programme still explores; no pd is in no zone."""
    return pd is not None and decline_from <= pd < programme.pd_floor_ppm


def find_terms(
    programme: Programme | Explored, policy: Policy, pd: Ppm | None, verdict: Verdict, if_last_band: Verdict
) -> Terms | None:
    """The terms under which somebody may be explored; None where nobody may be.

    Parameters
    ----------
    programme : or what a Case holds of it.
    pd : of the applicant; None = there is no score.
    verdict : what the policy says.
    if_last_band : what it says of the same facts and history at the largest pd that it approves, `cut_offs.approve_below_ppm` - 1.
    """
    if verdict.outcome is not Outcome.DECLINE or policy.amounts is None:
        return None
    if not is_in_zone(programme, pd, Ppm(policy.cut_offs.decline_from_ppm)):
        return None
    terms = if_last_band.terms
    if terms is None or terms.amount_cents <= programme.amount_cents_max:
        return terms
    step = Cents(policy.amounts.offer_cents_step)
    amount = floor_to_step(Cents(programme.amount_cents_max), step)
    if amount < max(policy.amounts.offer_cents_min, 1):
        return None
    return Terms(
        amount_cents=amount,
        term_months=terms.term_months,
        apr_ppm=terms.apr_ppm,
        instalment_cents=instalment_ceil(amount, terms.apr_ppm, terms.term_months),
    )


def explore_by(salt: str, programme: Programme) -> Callable[[bytes], Explored]:
    """What the programme draws for a person, told by the keyed hash of the person.

    Parameters
    ----------
    salt : of the product's layers.

    Source
    ------
    docs/adr/0029-an-arm-is-drawn-by-a-salted-hash.md
    """
    programme_hash = hash_content(encode_programme(programme))
    draw = Draw(salt, "exploration", programme_hash, Unit.PERSON)
    drawn, passed = (
        Explored(
            programme=programme_hash,
            propensity_ppm=programme.share_ppm,
            is_drawn=is_drawn,
            pd_floor_ppm=programme.pd_floor_ppm,
            amount_cents_max=programme.amount_cents_max,
        )
        for is_drawn in (True, False)
    )
    return lambda person: drawn if draw(person) < programme.share_ppm else passed


def find_propensity(programme: Programme, *, is_explorable: bool, is_approved: bool) -> Ppm:
    """The probability in ppm with which an open programme did what it did.

    Parameters
    ----------
    is_explorable : whether `find_terms` had terms.
    is_approved : whether the programme approved.
    """
    require(is_explorable or not is_approved, "nobody outside the zone is explored")
    if not is_explorable:
        return Ppm(PPM)
    return Ppm(programme.share_ppm if is_approved else PPM - programme.share_ppm)


def reserve_cents(programme: Programme, amount: Cents) -> Cents:
    """What an explored loan of `amount` may lose, rounded up to a whole cent."""
    return Cents(-(-amount * programme.lost_ppm // PPM))


def find_ending(programme: Programme, ledger: Ledger, on: date) -> Ending | None:
    """Why the programme has ended by the beginning of a day or by what was reserved; None = it has not."""
    if ledger.is_stopped:
        return Ending.STOPPED
    if programme.cap_cents - ledger.reserved_cents < reserve_cents(programme, Cents(programme.amount_cents_max)):
        return Ending.CAP_REACHED
    return Ending.PERIOD_OVER if on > programme.ends_on else None


def tell_programme(programme: Programme, ledger: Ledger, on: date) -> Report:
    """How the programme stands on a day."""
    require(ledger.reserved_cents <= programme.cap_cents, "more is reserved than the programme's cap")
    ended = find_ending(programme, ledger, on)
    is_begun = on >= programme.starts_on
    zone = ledger.approvals + ledger.declines
    return Report(
        programme=programme.name,
        on=on,
        is_open=is_begun and ended is None,
        ended=ended,
        approvals=ledger.approvals,
        declines=ledger.declines,
        spent_cents=ledger.reserved_cents,
        left_cents=Cents(programme.cap_cents - ledger.reserved_cents),
        lost_cents=ledger.lost_cents,
        approved_ppm=Ppm(round(ledger.approvals * PPM / zone)) if zone else None,
        words=_tell_state(programme, ended, is_begun=is_begun),
    )


def _tell_state(programme: Programme, ended: Ending | None, *, is_begun: bool) -> str:
    if ended is Ending.STOPPED:
        return "stopped: nobody is explored any more"
    if ended is Ending.CAP_REACHED:
        return "ended: what is left of cap_cents does not carry one more loan of amount_cents_max"
    if ended is Ending.PERIOD_OVER:
        return f"ended: {programme.ends_on} was its last day"
    return f"open until {programme.ends_on}" if is_begun else f"not begun: it starts on {programme.starts_on}"
