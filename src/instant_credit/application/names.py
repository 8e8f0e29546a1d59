"""Names that give a fact away: which legal uses the name of an attribute, or of one of its categories, still allows.

A safety net under the declared `legal` of every attribute, not a proof: a prohibited basis under another name is not recognised.
Names are compared word by word (between `_`). Where two kinds are named, either may be declared: a disability pension is
assistance income as well as a health fact.
"""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from instant_credit.application.product import Legal


class NamedKind(Struct, frozen=True, kw_only=True):
    """Facts of one kind by their names: whole names, words, beginnings of words, and runs of words but for innocent ones."""

    told: str
    allowed: frozenset[Legal]
    wholes: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    innocent: tuple[str, ...] = ()

    def names(self, name: str) -> bool:
        """Whether `name` speaks of this kind."""
        fenced = f"_{name}_"
        for run in self.innocent:
            fenced = fenced.replace(f"_{run}_", "_")
        words = fenced.strip("_").split("_")
        return (
            name in self.wholes
            or not self.words.isdisjoint(words)
            or any(word.startswith(self.stems) for word in words)
            or any(f"_{run}_" in fenced for run in self.runs)
        )


PROHIBITED_BASES: Final = NamedKind(
    told='a prohibited basis; declare legal = "prohibited"',
    allowed=frozenset({Legal.PROHIBITED}),
    # Race, colour, religion, national origin, sex, marital status and the exercise of rights under the Consumer Credit
    # Protection Act (12 CFR 1002.2(z)), childbearing (1002.5(d)(3)), health (12 CFR 1022.30), and what the law of the European
    # Union calls special categories of personal data (Regulation (EU) 2016/679, article 9).
    words=frozenset(
        {
            *("race", "races", "color", "colour", "colored", "coloured", "skin", "caste", "creed", "church", "faith"),
            *("sex", "male", "female", "lgbt", "wife", "husband", "spouse", "spousal", "single", "union", "unions"),
            *("hiv", "drug", "drugs", "dna", "ccpa", "facebook", "instagram", "linkedin", "followers", "friends"),
        }
    ),
    stems=(
        *("racial", "ethnic", "hispan", "latino", "latina", "ancest", "tribe", "tribal", "immigra", "nationality"),
        *("religi", "belief", "muslim", "christian", "jewish", "hindu", "gender", "sexual", "transgend"),
        *("marit", "marri", "divorc", "widow", "pregnan", "matern", "patern", "childbear", "birthplace", "birthcountr"),
        *(
            "health",
            "medical",
            "medicine",
            "medicat",
            "illness",
            "disease",
            "diagnos",
            "disab",
            "handicap",
            "psychiatr",
        ),
        *("genetic", "genom", "biometric", "politic", "unionis", "unioniz", "dispute"),
    ),
    runs=(
        *("national_origin", "country_of_birth", "birth_country", "place_of_birth", "birth_place", "mother_tongue"),
        *("native_language", "first_language", "social_network", "social_networks", "social_media", "civil_status"),
        *("family_status", "familial_status", "birth_control", "consumer_rights", "personal_status"),
        *("foreign_worker", "foreign_born"),
    ),
    innocent=(
        *("credit_union", "credit_unions", "single_family", "single_unit", "single_loan", "single_payment"),
        *("single_premium", "single_account"),
    ),
)
"""What may not bear on a decision. A credit union is a lender, a single-family home a house. `personal_status` is a column of a much
used tape that tells sex and marriage in codes."""

PLACES: Final = NamedKind(
    told='a place finer than a state, which can stand for a prohibited basis; declare legal = "prohibited" or leave it out',
    allowed=frozenset({Legal.PROHIBITED}),
    words=frozenset({"postcode", "postal", "zip", "zipcode", "city", "street", "tract", "county", "borough"}),
    stems=("neighbourhood", "neighborhood"),
)

AGES: Final = NamedKind(
    told='age; declare legal = "age"',
    allowed=frozenset({Legal.AGE, Legal.PROHIBITED}),
    wholes=frozenset({"age", "age_years", "age_months", "age_days"}),
    words=frozenset({"birth", "birthdate", "birthday", "birthyear", "born", "dob", "elderly"}),
    runs=(
        *("age_in_years", "age_band", "age_group", "age_class", "age_bracket", "age_at"),
        *("applicant_age", "borrower_age", "customer_age", "client_age", "person_age", "years_old", "years_of_age"),
        *("age_of_applicant", "age_of_borrower", "age_of_customer"),
    ),
    innocent=("country_of_birth", "place_of_birth", "birth_country", "birth_place", "birth_control"),
)
"""`age` counts in the company of a person only: an age of a file is credit history. A country of birth tells of national origin."""

ASSISTANCE_INCOMES: Final = NamedKind(
    told='income that counts in full whatever its kind; declare legal = "assistance_income"',
    allowed=frozenset({Legal.ASSISTANCE_INCOME, Legal.PROHIBITED}),
    words=frozenset(
        {"assistance", "alimony", "welfare", "benefit", "benefits", "annuity", "ssi", "ssdi", "tanf", "snap"}
    ),
    stems=("pension", "retire", "parttime"),
    runs=(
        "child_support",
        "part_time",
        "social_security",
        "separate_maintenance",
        "food_stamps",
        "unemployment_income",
    ),
    innocent=("amt_annuity", "loan_annuity", "credit_annuity", "retirement_account", "retirement_accounts"),
)
"""Source: 12 CFR 1002.2(z) and 1002.6(b)(5). A loan's annuity is its instalment, a retirement account an asset."""

_KINDS: Final = (PROHIBITED_BASES, PLACES, AGES, ASSISTANCE_INCOMES)


def find_denied_names(name: str, legal: Legal) -> Iterator[str]:
    """What `name` tells of that `legal` does not say, as ends of sentences; nothing when one of the named kinds was declared."""
    named = [kind for kind in _KINDS if kind.names(name)]
    if not any(legal in kind.allowed for kind in named):
        yield from (kind.told for kind in named)
