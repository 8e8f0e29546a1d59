"""Applicants: what a lender may observe, as columns. Pure.

    numbers ─► persons (who of them applied before) ─► households ─► facts of the person, facts of the application ─► columns

A person's quality, one hidden normal number, moves all facts together as they move together in a credit file; the truth about
a loan (`truth.py`) looks at the facts and at other numbers, never at it. Nothing in this module reads `World.hidden_seed`: the same world
with another truth has the same applicants, by bytes.

Somebody who applies again is the same person with the same income, home and file, who asks for another loan. Two of a household are two
persons of one address. Both are looked up by counting (`_find_persons`, `_find_households`), so that no applicant waits for another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from instant_credit.errors import require
from instant_credit.market.chances import EXPONENTIAL, LOGISTIC, NORMAL, Stream, draw_uniforms
from instant_credit.market.world import NUMBER_MAX, Chances, Days, Mask, Numbers, World

# So many at a time stay in a processor's cache.
CHUNK_ROWS: Final = 65_536
# A person applies at most three times more; then somebody new stands at that number.
CYCLES_PER_PERSON: Final = 4
HOUSEHOLD_DAYS: Final = 7
RETURNS_MAX: Final = CYCLES_PER_PERSON - 1

Columns = Mapping[str, NDArray[Any]]

CENTS: Final = (
    *("requested_amount_cents", "income_annual_cents", "assistance_income_annual_cents", "revolving_balance_cents"),
    *(
        "revolving_limit_cents",
        "delinquent_amount_cents",
        "installment_balance_cents",
        "installment_credit_limit_cents",
    ),
)
REALS: Final = ("debt_to_income_percent", "revolving_utilisation", "all_utilisation")
INTEGERS: Final = (
    *("term_months", "employment_years", "delinquencies_2y", "inquiries_6m", "months_since_delinquency"),
    *("months_since_public_record", "open_accounts", "public_records", "total_accounts", "bankruptcies", "tax_liens"),
    *("accounts_now_delinquent", "collections_12m", "chargeoffs_12m", "installment_accounts_active"),
    *(
        "installment_accounts_opened_12m",
        "installment_accounts_opened_24m",
        "installment_accounts",
        "finance_inquiries",
    ),
    "inquiries_12m",
)
CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {
    "home_ownership": ("rent", "mortgage", "own", "other"),
    "purpose": (
        *(
            "debt_consolidation",
            "credit_card",
            "home_improvement",
            "major_purchase",
            "small_business",
            "car",
            "wedding",
        ),
        *("moving", "house", "educational", "vacation", "renewable_energy", "other"),
    ),
    "residence_state": (
        *(
            "al",
            "ak",
            "az",
            "ar",
            "ca",
            "co",
            "ct",
            "de",
            "dc",
            "fl",
            "ga",
            "hi",
            "id",
            "il",
            "in",
            "ia",
            "ks",
            "ky",
            "la",
        ),
        *(
            "me",
            "md",
            "ma",
            "mi",
            "mn",
            "ms",
            "mo",
            "mt",
            "ne",
            "nv",
            "nh",
            "nj",
            "nm",
            "ny",
            "nc",
            "nd",
            "oh",
            "ok",
            "or",
        ),
        *("pa", "ri", "sc", "sd", "tn", "tx", "ut", "vt", "va", "wa", "wv", "wi", "wy"),
    ),
    "income_verification": ("not_verified", "source_verified", "verified"),
}
DATES: Final = ("earliest_credit_on",)
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "sex": ("female", "male", "other"),
    "ethnicity": ("hispanic_or_latino", "not_hispanic_or_latino"),
}
"""Prohibited attributes: carried apart from the facts, told for monitoring only."""

_TERMS: Final = np.array([12, 24, 36, 48, 60], dtype=np.int16)
_TERM_CHANCES: Final = np.cumsum([0.05, 0.12, 0.50, 0.08])
_HOME_CHANCES: Final = np.cumsum([0.42, 0.42, 0.13])
_PURPOSE_CHANCES: Final = np.cumsum([0.46, 0.2, 0.07, 0.05, 0.04, 0.04, 0.02, 0.02, 0.01, 0.01, 0.01, 0.005])
_VERIFICATION_CHANCES: Final = np.cumsum([0.4, 0.3])
# Millions of residents, roughly.
_STATE_WEIGHTS: Final = np.array(
    [
        *(
            5,
            0.7,
            7,
            3,
            39,
            6,
            3.6,
            1,
            0.7,
            22,
            11,
            1.4,
            2,
            12.5,
            7,
            3,
            3,
            4.5,
            4.6,
            1.4,
            6,
            7,
            10,
            6,
            3,
            6,
            1,
            2,
            3,
            1.4,
        ),
        *(9, 2, 19.5, 11, 0.8, 12, 4, 4, 13, 1, 5, 0.9, 7, 30, 3.4, 0.6, 8.7, 8, 1.8, 6, 0.6),
    ]
)
_STATE_CHANCES: Final = np.cumsum(_STATE_WEIGHTS / _STATE_WEIGHTS.sum())[:-1]
_EMPLOYMENT_CUTS: Final = np.array([-1.3, -0.9, -0.6, -0.4, -0.2, -0.05, 0.1, 0.2, 0.3, 0.45])
_DELINQUENCY_CUTS: Final = np.array([0.95, 1.45, 1.85, 2.2, 2.5, 2.8])
_INQUIRY_CUTS: Final = np.array([-0.15, 0.55, 1.05, 1.45, 1.75, 2.05, 2.3, 2.55, 2.8, 3.1])


@dataclass(frozen=True, slots=True, eq=False)
class Applicants:
    """What may be observed of n applicants, in the order of their numbers.

    Attributes
    ----------
    numbers : int64[n], who applies.
    persons : int64[n], the number at which the person applied first.
    households : int64[n], the number of the person after whom the household is called.
    applied_days : int32[n], days since 1970-01-01.
    columns : by name of the product's attribute, array[n]: amounts float64 whole cents, reals float64, counts int16 and codes int8 with -1 =
        missing, days int32 since 1970-01-01. Codes are positions in `CATEGORIES`.
    groups : by name of a prohibited attribute, int8[n] positions in `GROUPS`; of everybody, also of those who do not tell.
    told_groups : the same as told for monitoring, -1 = not told.
    """

    numbers: Numbers
    persons: Numbers
    households: Numbers
    applied_days: Days
    columns: Columns
    groups: Columns
    told_groups: Columns

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: NDArray[np.intp] | Mask | slice) -> "Applicants":
        """Those of `rows`, by place, by mask or as a slice."""
        return Applicants(
            numbers=self.numbers[rows],
            persons=self.persons[rows],
            households=self.households[rows],
            applied_days=self.applied_days[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            groups={name: column[rows] for name, column in self.groups.items()},
            told_groups={name: column[rows] for name, column in self.told_groups.items()},
        )


def draw_applicants(world: World, first: int, count: int) -> Applicants:
    """Applicants `first` to ``first + count - 1``; any of them is the same, whatever else is drawn with him."""
    require(first >= 0 and count >= 0 and first + count <= NUMBER_MAX, "applicants' numbers lie between 0 and 2^40 - 1")
    parts = [
        _draw_chunk(world, np.arange(start, min(start + CHUNK_ROWS, first + count), dtype=np.int64))
        for start in range(first, max(first + count, first + 1), CHUNK_ROWS)
    ]
    if len(parts) == 1:
        return parts[0]
    return Applicants(
        numbers=np.concatenate([part.numbers for part in parts]),
        persons=np.concatenate([part.persons for part in parts]),
        households=np.concatenate([part.households for part in parts]),
        applied_days=np.concatenate([part.applied_days for part in parts]),
        columns=_join([part.columns for part in parts]),
        groups=_join([part.groups for part in parts]),
        told_groups=_join([part.told_groups for part in parts]),
    )


def _join(parts: list[Columns]) -> Columns:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _draw_chunk(world: World, numbers: Numbers) -> Applicants:
    persons = _find_persons(world, numbers)
    own = draw_uniforms(world, Stream.PERSON, persons)
    asked = draw_uniforms(world, Stream.APPLICATION, numbers)
    groups = {
        "sex": np.searchsorted([0.49, 0.985], own[0], side="right").astype(np.int8),
        "ethnicity": np.searchsorted([0.18], own[1], side="right").astype(np.int8),
    }
    # Told or not is the person's, and told of both or of neither.
    is_silent = own[2] < 0.1
    columns = _draw_person(world, own, groups)
    columns |= _draw_file(own, columns)
    columns |= _draw_application(own, asked, columns)
    return Applicants(
        numbers=numbers,
        persons=persons,
        households=_find_households(world, persons, own[3]),
        applied_days=world.apply_on(numbers),
        columns={name: columns[name] for name in (*CENTS, *INTEGERS, *REALS, *CATEGORIES, *DATES)},
        groups=groups,
        told_groups={name: np.where(is_silent, np.int8(-1), codes) for name, codes in groups.items()},
    )


def _find_persons(world: World, numbers: Numbers) -> Numbers:
    """Of each number the one at which that person applied first.

    A number that returns stands for the person of the number one cycle of `return_days` before. None returns in every fourth cycle, so
    that at most three steps lead back.
    """
    cycle = world.return_days * world.applications_per_day
    persons = numbers.copy()
    walking = np.arange(len(numbers))
    for _ in range(RETURNS_MAX):
        at = persons[walking]
        may_return = (at // cycle) % CYCLES_PER_PERSON != 0
        walking, at = walking[may_return], at[may_return]
        returns = draw_uniforms(world, Stream.RETURN, at)[0] < world.return_share
        walking = walking[returns]
        persons[walking] -= cycle
    return persons


def _find_households(world: World, persons: Numbers, chances: Chances) -> Numbers:
    """Of each person the one after whom the household is called: somebody of the week before, in every other week, or the person himself."""
    week = HOUSEHOLD_DAYS * world.applications_per_day
    shares = ((persons // week) % 2 == 1) & (chances < world.household_share)
    return np.where(shares, persons - week, persons)


def _draw_person(world: World, own: Chances, groups: Columns) -> dict[str, NDArray[Any]]:
    """What stays the same when somebody applies again: income, home, work, and for how long there has been a file."""
    quality = NORMAL.read(own[4])
    in_gap = groups["sex"] == 0
    income = EXPONENTIAL.read(10.96 + 0.42 * NORMAL.read(own[5]) + 0.18 * quality - world.group_income_gap * in_gap)
    income_cents = np.clip(np.floor(income / 100.0), 80.0, 10_000.0) * 10_000.0
    has_assistance = own[6] < 0.06
    assistance_cents = np.where(has_assistance, np.floor(own[7] * 120.0) * 10_000.0, 0.0)
    is_thin = groups["ethnicity"] == 0
    years = EXPONENTIAL.read(2.35 + 0.62 * NORMAL.read(own[8]) + 0.15 * quality - world.group_history_gap * is_thin)
    opened_before = np.floor(np.clip(years, 0.6, 55.0) * 365.25)
    first_day = int(world.apply_on(np.zeros(1, dtype=np.int64))[0])
    steadiness = 0.3 * quality + 0.95 * NORMAL.read(own[9])
    return {
        "income_annual_cents": income_cents,
        "assistance_income_annual_cents": assistance_cents,
        "earliest_credit_on": (first_day - opened_before).astype(np.int32),
        "employment_years": np.searchsorted(_EMPLOYMENT_CUTS, steadiness, side="right").astype(np.int16),
        "home_ownership": np.searchsorted(_HOME_CHANCES, own[10], side="right").astype(np.int8),
        "residence_state": np.searchsorted(_STATE_CHANCES, own[11], side="right").astype(np.int8),
        "income_verification": np.searchsorted(_VERIFICATION_CHANCES, own[12], side="right").astype(np.int8),
        "_years": np.clip(years, 0.6, 55.0),
        "_quality": quality,
    }


def _draw_file(own: Chances, person: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The part of the credit file that stays: accounts, limits, public records."""
    quality, years, income = person["_quality"], person["_years"], person["income_annual_cents"]
    size = NORMAL.read(own[13])
    total = np.clip(np.floor(3.0 + 0.9 * np.minimum(years, 25.0) + 4.0 * size), 1.0, 60.0)
    opened = np.clip(np.floor(total * (0.35 + 0.3 * own[14])), 1.0, 40.0)
    installment = np.floor(total * (0.15 + 0.35 * own[15]))
    active = np.minimum(np.floor(opened * 0.5 * own[16] + 0.3), installment)
    recent = np.where(own[17] < 0.35, np.minimum(active, 1.0 + np.floor(own[17] * 6.0)), 0.0)
    limit = np.floor(income * EXPONENTIAL.read(-0.9 + 0.55 * NORMAL.read(own[18]) + 0.3 * quality) / 1e4) * 1e4
    troubled = -0.45 * quality + 0.89 * NORMAL.read(own[19])
    records = (troubled > 1.35).astype(np.int16) + (troubled > 2.4)
    granted = np.floor(active * income * (0.05 + 0.25 * own[20]) / 1e4) * 1e4
    owed = np.floor(granted * own[21] / 1e4) * 1e4
    return {
        "total_accounts": total.astype(np.int16),
        "open_accounts": opened.astype(np.int16),
        "installment_accounts": installment.astype(np.int16),
        "installment_accounts_active": active.astype(np.int16),
        "installment_accounts_opened_12m": np.floor(recent * 0.5).astype(np.int16),
        "installment_accounts_opened_24m": recent.astype(np.int16),
        "installment_credit_limit_cents": granted,
        "installment_balance_cents": owed,
        "revolving_limit_cents": np.maximum(limit, 50_000.0),
        "public_records": records.astype(np.int16),
        "bankruptcies": np.minimum(records, (own[22] < 0.6).astype(np.int16)),
        "tax_liens": ((records > 0) & (own[22] > 0.92)).astype(np.int16),
        "months_since_public_record": np.where(records > 0, 12.0 + np.floor(own[23] * 100.0), -1.0).astype(np.int16),
    }


def _draw_application(own: Chances, asked: Chances, person: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """What is of the day: the loan asked for, and what of the file moves."""
    quality, income, limit = person["_quality"], person["income_annual_cents"], person["revolving_limit_cents"]
    used = LOGISTIC.read(-0.35 - 0.95 * quality + 0.95 * NORMAL.read(asked[0]))
    balance = np.floor(limit * used / 1e4) * 1e4
    late = np.searchsorted(_DELINQUENCY_CUTS, -0.5 * quality + 0.87 * NORMAL.read(asked[1]), side="right")
    since = np.where(
        late > 0, np.floor(asked[2] * 24.0), np.where(asked[2] < 0.3, 24.0 + np.floor(asked[2] * 200.0), -1.0)
    )
    sought = np.searchsorted(_INQUIRY_CUTS, -0.45 * quality + 0.89 * NORMAL.read(asked[3]), side="right")
    debt = np.clip(18.0 - 3.5 * quality + 8.0 * NORMAL.read(asked[4]), 0.0, 60.0)
    is_late_now = (asked[5] < 0.012) | ((late > 0) & (asked[5] < 0.06))
    amount = EXPONENTIAL.read(9.1 + 0.55 * NORMAL.read(asked[6])) * (0.55 + 0.45 * np.minimum(income / 6.2e6, 3.0))
    open_limit = limit + person["installment_credit_limit_cents"]
    return {
        "requested_amount_cents": np.clip(np.floor(amount / 25.0), 40.0, 1_600.0) * 2_500.0,
        "term_months": _TERMS[np.searchsorted(_TERM_CHANCES, asked[7], side="right")],
        "purpose": np.searchsorted(_PURPOSE_CHANCES, asked[8], side="right").astype(np.int8),
        "debt_to_income_percent": np.round(debt, 2),
        "delinquencies_2y": late.astype(np.int16),
        "months_since_delinquency": since.astype(np.int16),
        "inquiries_6m": sought.astype(np.int16),
        "inquiries_12m": (sought + np.floor(asked[9] * 3.0)).astype(np.int16),
        "finance_inquiries": np.floor(sought * asked[10]).astype(np.int16),
        "revolving_balance_cents": balance,
        "revolving_utilisation": np.round(balance / limit, 3),
        "all_utilisation": np.round((balance + person["installment_balance_cents"]) / open_limit, 3),
        "accounts_now_delinquent": is_late_now.astype(np.int16),
        "delinquent_amount_cents": np.where(is_late_now, 2_500.0 + np.floor(asked[11] * 800.0) * 100.0, 0.0),
        "collections_12m": ((asked[12] < 0.02).astype(np.int16) + (asked[12] < 0.004)).astype(np.int16),
        "chargeoffs_12m": (asked[13] < 0.012).astype(np.int16),
    }
