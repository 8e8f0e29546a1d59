"""What a number measures, by its name and its size: money, shares, months, years, a count, or nothing as a code. Edge."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from instant_credit.training.drafting.guessing.guess import Kind
from instant_credit.training.drafting.words.lexicon import Lexicon, word_set

MONEY: Final = Lexicon(
    words=word_set(
        "amount amt amnt bal balance balances income incomes inc salary wage wages earnings price cost costs expense expenses expenditure debt "
        "debts asset assets limit lim payment payments pymnt pmt instalment installment revenue turnover profit value equity savings deposit "
        "deposits mortgage mort loan principal prncp due credit spend bill gross appv rent fee fees downpayment goods saldo betrag liability "
        "liabilities monto importe ingreso ingresos renta renda montant revenu sum total_bal worth funding approved disbursement utilized "
        "networth netw hexp miete einkommen gehalt lohn hoehe salario sueldo cuota salaire loyer"
    ),
    stems=("annual_inc", "loanamnt", "mortdue", "creditam", "kreditbetr", "darlehen", "nettoeink"),
    ends=(
        "amount",
        "income",
        "amt",
        "amnt",
        "inc",
        "betrag",
        "einkommen",
        "gehalt",
        "summe",
        "kosten",
        "miete",
        "umsatz",
    ),
    runs=("monthly pay", "mthly pay", "hi lim", "net worth"),
    but=word_set(
        "ratio pct percent percentage util utilization utilisation rate count cnt num number nr no n months month mths mo years year yrs days "
        "day term type status flag lines line accounts accts trades open history since purpose code class grade score age inq inquiries id freq "
        "frequency time times date dti mos period duration to debtinc per growth margin bureau quant anzahl turnover_ratio"
    ),
)
"""Words that end a name say the same where they are glued to another: appinc, loanamt, Kreditbetrag."""

_OPEN_TO_BUY: Final = Lexicon(runs=("open to buy",))
_PERCENTS: Final = Lexicon(
    words=word_set("pct percent percentage perc util utilization utilisation rate"),
    stems=("percent", "utiliz", "utilis", "prozent"),
)
_RATIOS: Final = Lexicon(
    words=word_set(
        "ratio ltv lvr dti lti cltv share proportion fraction portion rat debtinc pirat hirat lvrat hrat obrat dir hir loanprc anteil quote"
    ),
    stems=("ratio",),
    ends=("quote",),
    runs=("to income", "to value", "debt inc"),
)
_PERCENT_RATIOS: Final = frozenset({"dti", "debtinc"})
_SPANS: Final = Lexicon(
    words=word_set("clage"),
    runs=(
        *(
            "mths since",
            "months since",
            "month since",
            "mos since",
            "m since",
            "mo since",
            "mo sin",
            "mths sin",
            "m in file",
        ),
        *("number of months", "num months", "no of months", "nr of months", "months in", "mths in", "anzahl monate"),
    ),
)
"""Names that count months, whatever else they name."""

_YEAR_SPANS: Final = Lexicon(words=word_set("yoj yjob"), runs=("number of years", "num years", "no of years"))
_COUNTS: Final = Lexicon(
    words=word_set(
        "pay dpd delinquency delq past due number num count counts cnt nbr times nr no inq inqs inquiries enq enquiries ninq clno derog quant qty "
        "acc accts accounts trades tl lines liens bankruptcies collections chargeoff children kids dependents dependants kinder anzahl nombre numero"
    ),
    stems=("linespast", "delinq", "derog", "inquir", "dependent", "dependant", "dlq"),
    runs=("pub rec", "public record", "public records", "open il", "open rv", "open act", "req credit bureau"),
    but=word_set("max worst score status flag type code phone"),
)
_MONTHS: Final = Lexicon(
    words=word_set(
        "months month mths mnths mos mo term duration tenor plazo laufzeit maturity monate monaten meses mois duree"
    ),
    stems=("laufzeit",),
    but=word_set("last per monthly count"),
)
_YEARS: Final = Lexicon(
    words=word_set("years yrs seniority tenure length jahre jahren anos annees"), but=word_set("last past")
)
CODES: Final = Lexicon(
    words=word_set(
        "cd code codes type class category cat segment status purpose reason job occupation occup profession education edu school degree housing home "
        "property sector industry naics sic channel branch region state product group kind level urban rural employment "
        "franchise method mode plan guarantor scheme model make brand manufacturer bank dealer supplier pincode currentpincode country "
        "history ownership residence beruf wohn verw moral laufkont sparkont buerge weitkred telef"
    ),
    stems=("categor", "educat", "occupat", "employ", "housing", "purpos", "franchis", "supplier", "branch", "manufact"),
    but=word_set(
        "months month mths years yrs days since amount amt balance count cnt num number no age score ratio pct percent length time"
    ),
)


def is_measured(words: Sequence[str]) -> bool:
    """Whether a name says that its numbers measure something, so that they number nobody, however long they are."""
    return _names_money(words) or _PERCENTS.names(words) or _RATIOS.names(words)


def choose_measure(words: Sequence[str], values: Sequence[float], *, is_whole: bool, median: float) -> tuple[Kind, str]:
    """The kind of a number and the unit of its variable.

    Parameters
    ----------
    words : of its name. values : its distinct numbers, rising. is_whole : whether all of them are whole. median : of its rows.
    """
    plain = Kind.WHOLE if is_whole else Kind.REAL
    largest = max(abs(values[0]), abs(values[-1]))
    if _names_money(words) and largest >= 20 and largest < 1e12 and _has_cents(values):
        return Kind.AMOUNT, "cents"
    if _PERCENTS.names(words) or _RATIOS.names(words):
        if abs(median) <= 1.5 and not is_whole:
            return Kind.REAL, "ratio"
        is_percent = _PERCENTS.names(words) or not _PERCENT_RATIOS.isdisjoint(words)
        return plain, "percent" if is_percent else "number"
    return plain, _choose_unit(words, largest, is_whole=is_whole)


def _choose_unit(words: Sequence[str], largest: float, *, is_whole: bool) -> str:
    """Of a number that is neither money nor a share: names that say what they count come before words of time in them."""
    if _SPANS.names(words):
        return "months" if is_whole else "number"
    if _YEAR_SPANS.names(words):
        return "years"
    if _COUNTS.names(words):
        return "count" if is_whole else "number"
    if _MONTHS.names(words):
        return "months" if is_whole else "number"
    return "years" if _YEARS.names(words) and largest < 150 else "number"


def _names_money(words: Iterable[str]) -> bool:
    told = list(words)
    return MONEY.names(told) or _OPEN_TO_BUY.names(told)


def _has_cents(values: Sequence[float]) -> bool:
    """Whether nearly all amounts are whole cents."""
    told = np.array(values)
    with np.errstate(over="ignore"):
        return bool(np.mean(np.abs(told * 100 - np.round(told * 100)) < 1e-4) >= 0.9)
