"""Words by which a draft guesses what a column or a value is. Edge.

A name is compared word by word after `list_words` has taken it apart: "SeriousDlqin2yrs" is serious, dlqin, 2, yrs. Guesses made by
these words are shown to a person, who has the last word; none of them opens what `application/names.py` closes.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")


def fold_text(text: str) -> str:
    """`text` without accents, as ASCII where Latin letters allow; everything else stays."""
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))


def list_words(name: str) -> list[str]:
    """The words and numbers of a column's name, in lower case: taken apart at capitals, digits and everything that is no letter."""
    return [word.lower() for word in _WORD.findall(split_capitals(name))]


def split_capitals(name: str) -> str:
    """`name` without accents, with a blank where a capital begins a word."""
    return _CAMEL.sub(" ", fold_text(name))


class Lexicon(Struct, frozen=True, kw_only=True):
    """Names of one kind: whole words, beginnings and ends of words, runs of words (joined by blanks), and the words that rule it out."""

    words: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    but: frozenset[str] = frozenset()

    def names(self, words: Iterable[str]) -> bool:
        """Whether a name of these words is of the kind."""
        told = list(words)
        if not self.but.isdisjoint(told):
            return False
        fenced = f" {' '.join(told)} "
        return (
            not self.words.isdisjoint(told)
            or any(word.startswith(self.stems) for word in told if self.stems)
            or any(word.endswith(self.ends) for word in told if self.ends)
            or any(f" {run} " in fenced for run in self.runs)
        )


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, which are divided by blanks."""
    return frozenset(text.split())


IDS: Final = Lexicon(
    words=word_set(
        "id ids key uuid guid nr no number num ident identifier index idx rownum row_id sk seq serial ref reference"
    ),
    ends=("nummer",),
    stems=("customerid", "clientid", "loanid", "memberid", "accountid", "applicationid", "userid"),
    but=word_set(
        "of type amount open count inq trades mort months days years credit_lines dependents accts accounts past"
    ),
)
PERSONS: Final = Lexicon(
    words=word_set(
        "customer client member borrower applicant person user cust owner debtor party account acct memberid clientid customerid"
    ),
    stems=("kunde",),
)
WEIGHTS: Final = Lexicon(
    words=word_set("weight weights wt wgt w pesos samplingweight sampleweight"),
    runs=("sample weight", "sampling weight", "case weight"),
    but=word_set("body height kg lbs"),
)
PRICES: Final = Lexicon(
    words=word_set("apr subgrade grade interest_rate yield zinssatz effektivzins sollzins"),
    runs=(
        *(
            "int rate",
            "interest rate",
            "sub grade",
            "risk grade",
            "loan grade",
            "initial list status",
            "initial listing status",
        ),
        *("internal score", "model score", "our score", "risk rating", "pd", "rate spread"),
        *(
            "borrower rate",
            "monthly loan payment",
            "estimated loss",
            "estimated return",
            "prosper rating",
            "prosper score",
        ),
    ),
    but=word_set("num accts ever"),
)
"""What the lender itself set after looking at the application: it encodes an older score."""

INSTALMENTS: Final = frozenset({"installment", "instalment", "emi"})

SCORES: Final = Lexicon(
    words=word_set(
        "fico cibil score scr bureau bur vantagescore vantage schufa experian equifax transunion crif beacon"
    ),
    runs=("external risk",),
)
"""Scores of a bureau, which may tell a lot and still be known in time."""

LEAKS: Final = Lexicon(
    words=word_set(
        "recoveries recovery recovered chargeoff chgoff writeoff lgd settlement prncp prepaid overpaid foreclosed repossessed npl lp investors"
    ),
    stems=("recover", "writeoff", "chargeoff", "settle", "hardship", "foreclos", "repossess", "collection_recovery"),
    runs=(
        *(
            "charge off",
            "chg off",
            "charged off",
            "write off",
            "written off",
            "last pymnt",
            "last payment",
            "next pymnt",
            "next payment",
        ),
        *(
            "total pymnt",
            "total paid",
            "paid total",
            "total payment received",
            "total rec",
            "out prncp",
            "outstanding principal",
        ),
        *(
            "paid principal",
            "paid interest",
            "paid late",
            "paid off",
            "late fee",
            "late fees",
            "pymnt plan",
            "payment plan",
        ),
        *(
            "balance gross",
            "gross balance",
            "outstanding balance",
            "remaining balance",
            "balance after",
            "balance outstanding",
        ),
        *(
            "closed date",
            "date closed",
            "close date",
            "closing date",
            "last credit pull",
            "default date",
            "date default",
            "bad date",
        ),
        *(
            "loss amount",
            "amount loss",
            "days past due current",
            "current dpd",
            "months on book",
            "mob",
            "repayment status final",
        ),
        *(
            "collection recovery",
            "recovery fee",
            "principal paid",
            "interest paid",
            "amount repaid",
            "repaid amount",
            "mis status",
        ),
        *("last fico", "current days delinquent", "defaulted cycle", "months since origination"),
        *("loan status", "debt settlement", "deferral term", "funded amnt inv", "date paid", "paid date"),
    ),
    but=word_set("12 6 24 mths ever past prior previous prev history bureau satisfactory within never"),
)
"""Names of what was filled after the decision."""

DECIDED: Final = Lexicon(
    words=word_set("funded approved disbursed disbursement appv granted sanctioned sanction"), but=word_set("date")
)
"""Names of what the decision itself may have set."""

DECISIONS: Final = word_set(
    "approve approved approval reject rejected rejection accept accepted acceptance deny denied denial decline declined refuse refused "
    "refusal granted sanctioned action decision"
)
DECISION_COMPANY: Final = word_set(
    "loan application appl credit is was has been got flag status ind indicator y n the by lender bank"
)


def tells_decision(words: Iterable[str]) -> bool:
    """Whether a name of these words is that of the lender's own decision and of nothing else."""
    told = set(words)
    return not DECISIONS.isdisjoint(told) and told <= DECISIONS | DECISION_COMPANY


DATES: Final = Lexicon(
    words=word_set(
        "date dt day dat datum fecha issued issue opened birth dob birthday on d since at timestamp time fy dates дата 日付 日期"
    ),
    stems=("date", "datum"),
    ends=("datum",),
    but=word_set("days daysterm months mths update_count"),
)
AS_OF_DATES: Final = (
    (Lexicon(runs=("as of",), words=word_set("asof")), 15),
    (
        Lexicon(
            words=word_set(
                "application applied apply appl app request requested submitted submission solicitud demande domanda aanvraag wniosek"
            ),
            stems=("antrag",),
        ),
        10,
    ),
    (Lexicon(words=word_set("approval approved decision decided"), stems=("bewillig", "aprobacion", "entscheid")), 9),
    (
        Lexicon(
            words=word_set(
                "issue issued origination originated orig granted booking booked book bkg contract signed loan start abschluss contrato"
            ),
            stems=("vertrag",),
        ),
        8,
    ),
    (
        Lexicon(
            words=word_set("disbursement disbursed disbursal funded funding desembolso"), stems=("auszahl", "desembol")
        ),
        5,
    ),
    (
        Lexicon(
            words=word_set("date dt dte datum fecha day d month period vintage observation obs snapshot stichtag"),
            ends=("datum",),
        ),
        3,
    ),
    (
        Lexicon(
            words=word_set(
                "last next end close closed maturity due default chargeoff paid birth dob earliest first opened cr line since ende"
            ),
            stems=("fallig", "faellig", "geburt", "nacimiento", "naissance"),
        ),
        -9,
    ),
)
"""How much each of these words in a date's name speaks for the day on which the facts were known."""

AMOUNT_ROLE: Final = frozenset(
    {
        *word_set("kreditbetrag kreditsumme darlehensbetrag loanamt creditamount montant importe monto"),
        *(
            "loan amnt",
            "loan amount",
            "amount",
            "amount requested",
            "requested amount",
            "credit amount",
            "loan amt",
            "loanamount",
        ),
        *(
            "principal",
            "requested amnt",
            "amount of loan",
            "loan size",
            "funded amnt",
            "amnt",
            "amt credit",
            "amt requested",
        ),
        *("loan", "loan principal", "amount cents", "requested amount cents", "disbursed amount", "duration amount"),
    }
)
TERM_ROLE: Final = frozenset(
    {
        *word_set("laufzeit plazo duree"),
        *(
            "term",
            "term months",
            "duration",
            "loan term",
            "duration in month",
            "duration in months",
            "loan duration",
            "months",
        ),
        *(
            "time",
            "loan amount term",
            "laufzeit monate",
            "laufzeit in monaten",
            "tenor",
            "tenure months",
            "duration months",
            "loan term months",
            "maturity months",
        ),
    }
)
INCOME_ROLE: Final = frozenset(
    {
        *word_set("jahreseinkommen"),
        *(
            "annual inc",
            "annual income",
            "income annual",
            "yearly income",
            "annual salary",
            "amt income total",
            "income year",
        ),
        *("income yearly", "gross annual income", "annual gross income", "person income"),
    }
)
"""Whole names, word by word, that are certain enough to price with."""
