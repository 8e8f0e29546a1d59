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
    """Names of one kind: whole words, beginnings of words, runs of words (joined by blanks), and the words that rule it out."""

    words: frozenset[str] = frozenset()
    stems: tuple[str, ...] = ()
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
            or any(f" {run} " in fenced for run in self.runs)
        )


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NULL_TEXTS: Final = frozenset(
    {
        *(
            "?",
            "NA",
            "N/A",
            "n/a",
            "na",
            "Na",
            "NaN",
            "nan",
            "NAN",
            "null",
            "NULL",
            "Null",
            "#N/A",
            "#NA",
            "#NULL!",
            "<NA>",
        ),
        *(
            "#VALUE!",
            "#DIV/0!",
            "XNA",
            "NaT",
            "\\N",
            "nil",
            "NIL",
            "--",
            "not available",
            "Not Available",
            "n.a.",
            "N.A.",
        ),
    }
)
"""Texts that mean missing wherever they stand."""

NULL_TEXTS_OF_NUMBERS: Final = NULL_TEXTS | {
    *(
        "None",
        "none",
        "NONE",
        "-",
        ".",
        "..",
        "...",
        "unknown",
        "Unknown",
        "UNKNOWN",
        "missing",
        "Missing",
        "MISSING",
        "inf",
    ),
    *("-inf", "Inf", "-Inf", "Infinity", "-Infinity", "x", "X", "*", "_"),
}
"""Texts that mean missing in a column of numbers or days, and may be values in a column of categories."""

NEGATIVE_CODES: Final = frozenset(
    {-1, -2, -3, -4, -5, -6, -7, -8, -9, -77, -88, -99, -777, -888, -999, -9999, -99999, -999999}
)
POSITIVE_CODES: Final = frozenset(
    {
        88,
        96,
        97,
        98,
        99,
        888,
        996,
        997,
        998,
        999,
        8888,
        9996,
        9997,
        9998,
        9999,
        99999,
        999999,
        9999999,
        99999999,
        999999999,
    }
)

IDS: Final = Lexicon(
    words=_set(
        "id ids key uuid guid nr no number num ident identifier index idx rownum row_id sk seq serial ref reference"
    ),
    stems=("customerid", "clientid", "loanid", "memberid", "accountid", "applicationid", "userid"),
    but=_set("of type amount open count inq trades mort months credit_lines dependents"),
)
PERSONS: Final = Lexicon(
    words=_set(
        "customer client member borrower applicant person user cust owner debtor party account acct memberid clientid customerid"
    ),
)
IDENTITIES: Final = Lexicon(
    words=_set(
        "name names surname firstname lastname forename fullname email mail phone telephone mobile fax address addr address1 ssn iban "
        "passport nino tin itin ip url website signature initials contact ssn4 dni nif nie pesel bsn cpf aadhaar pan imei "
        "nombre apellido apellidos nom prenom vorname nachname cognome nome adres adresse direccion telefono telefon correo "
        "имя фамилия отчество телефон адрес 姓名 名前 氏名 电话 地址"
    ),
    runs=(
        *(
            "first name",
            "last name",
            "full name",
            "e mail",
            "social security",
            "identity number",
            "national id",
            "tax id",
            "card number",
        ),
        *(
            "account number",
            "drivers license",
            "driver licence",
            "passport number",
            "loan officer",
            "account manager",
            "birth place",
        ),
    ),
    but=_set("state country flag type has own work"),
)
STAFF: Final = Lexicon(
    words=_set("officer agent broker underwriter clerk analyst employee salesperson advisor adviser teller")
)
FREE_TEXTS: Final = Lexicon(
    words=_set(
        "desc description comment comments remark remarks note notes text memo message narrative title emp_title employer"
    ),
    runs=("emp title", "job title", "employer name", "loan title"),
)
PLACES: Final = Lexicon(
    words=_set(
        "zip zipcode zip3 zip5 postcode postal plz city town village municipality street tract county borough suburb ward parish"
    )
    | _set("latitude longitude lat lon lng geo"),
    stems=("neighbo", "zipcode", "postcode", "postal"),
)
AREAS: Final = Lexicon(
    words=_set("state region province branch district area territory department prefecture country msa metro")
)
PROHIBITED: Final = Lexicon(
    words=_set(
        "sex gender marital marriage race ethnicity ethnic religion nationality citizenship citizen national afam black white hispanic "
        "latino asian minority foreign immigrant maiden pregnant spouse wife husband single married salutation honorific title_mr "
        "sexo genero geschlecht familienstand staatsangehoerigkeit sesso sexe civil estado_civil пол 性别 性別"
    ),
    stems=("gender", "marit", "nationalit", "ethnic", "religi", "citizen", "foreign", "immigra", "hispanic"),
    runs=("personal status", "family status", "native country", "mother tongue", "estado civil", "country birth"),
)
FAMILIES: Final = Lexicon(
    words=_set("dependents dependants children kids household family members"), stems=("dependent", "child", "famil")
)
AGES: Final = Lexicon(
    words=_set("age edad alter eta leeftijd возраст 年齢 年龄"),
    runs=("age years", "years old", "age in years"),
    but=_set("account file credit line loan oldest newest average vehicle car property house address employment trade"),
)
BIRTHS: Final = Lexicon(
    words=_set("birth dob birthday birthdate born nacimiento geburtsdatum geburt"), stems=("birth",)
)
WEIGHTS: Final = Lexicon(
    words=_set("weight weights wt wgt w pesos samplingweight sampleweight"),
    runs=("sample weight", "sampling weight", "case weight"),
    but=_set("body height kg lbs"),
)
PRICES: Final = Lexicon(
    words=_set("apr subgrade grade interest_rate"),
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
    ),
)
"""What the lender itself set after looking at the application: it encodes an older score."""

INSTALMENTS: Final = frozenset({"installment", "instalment", "emi"})

LEAKS: Final = Lexicon(
    words=_set(
        "recoveries recovery recovered chargeoff chgoff writeoff lgd settlement prncp prepaid overpaid foreclosed repossessed npl"
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
        *("loan status", "debt settlement", "deferral term", "funded amnt inv", "date paid", "paid date"),
    ),
    but=_set("12 6 24 mths ever past prior previous prev history bureau satisfactory within never"),
)
"""Names of what was filled after the decision."""

DECIDED: Final = Lexicon(
    words=_set("funded approved disbursed disbursement appv granted sanctioned sanction"), but=_set("date")
)
"""Names of what the decision itself may have set."""

MONEY: Final = Lexicon(
    words=_set(
        "amount amt amnt bal balance balances income inc salary wage wages earnings price cost costs expense expenses expenditure debt debts "
        "asset assets limit payment payments pymnt pmt instalment installment revenue turnover profit value equity savings deposit "
        "deposits mortgage mort loan principal prncp due credit spend bill gross appv rent fee fees downpayment goods saldo betrag "
        "monto importe ingreso ingresos renta montant revenu sum total_bal worth funding approved disbursement utilized loanamount"
    ),
    stems=("annual_inc", "loanamnt", "loanamount", "mortdue", "applicantincome", "coapplicantincome"),
    but=_set(
        "ratio pct percent percentage util utilization utilisation rate count cnt num number nr no n months month mths mo years year yrs days "
        "term type status flag lines line accounts accts trades open history since purpose code class grade score age inq inquiries id freq "
        "frequency time times date dti mos period duration to"
    ),
)
PERCENTS: Final = Lexicon(
    words=_set("pct percent percentage perc util utilization utilisation rate"),
    stems=("percent", "utiliz", "utilis"),
)
RATIOS: Final = Lexicon(
    words=_set("ratio ltv dti lti cltv share proportion fraction portion rat"),
    stems=("ratio",),
    runs=("to income", "to value", "debt inc"),
)
MONTHS: Final = Lexicon(
    words=_set("months month mths mnths mos mo term duration tenor plazo laufzeit maturity"),
    but=_set("last per monthly count"),
)
YEARS: Final = Lexicon(words=_set("years yrs seniority tenure length"), but=_set("last"))
CODES: Final = Lexicon(
    words=_set(
        "code codes type class category cat segment status purpose reason job occupation occup profession education edu school degree housing home "
        "property sector industry naics sic channel branch region state product group kind level urban rural employment "
        "franchise method mode plan guarantor scheme model make brand manufacturer bank dealer supplier pincode currentpincode country "
        "history ownership residence"
    ),
    stems=("categor", "educat", "occupat", "employ", "housing", "purpos", "franchis", "supplier", "branch", "manufact"),
    but=_set(
        "months month mths years yrs days since amount amt balance count cnt num number no age score ratio pct percent length time"
    ),
)
ORDERS: Final = Lexicon(
    words=_set("pay dpd delinquency delq days past due number num count cnt times nr no inq inquiries"),
    stems=("delinq",),
)
DATES: Final = Lexicon(
    words=_set(
        "date dt day dat datum fecha issued issue opened birth dob birthday on d since at timestamp time fy dates дата 日付 日期"
    ),
    stems=("date", "datum"),
    but=_set("days daysterm months mths update_count"),
)
AS_OF_DATES: Final = (
    (_set("application applied apply appl request requested submitted submission"), 10),
    (_set("approval approved decision decided"), 9),
    (_set("issue issued origination originated orig granted booking booked contract signed loan start"), 8),
    (_set("disbursement disbursed disbursal funded funding"), 5),
    (_set("date datum fecha day d month period vintage observation obs snapshot as_of asof"), 3),
    (
        _set(
            "last next end close closed maturity due default chargeoff paid birth dob earliest first opened cr line since"
        ),
        -9,
    ),
)
"""How much each of these words in a date's name speaks for the day on which the facts were known."""

AMOUNT_ROLE: Final = frozenset(
    {
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

OUTCOME_WORDS: Final = (
    (_set("default defaulted bad seriousdlqin dlqin chargeoff delinquent baddebt npl isbad isdefault"), 8),
    (_set("target label outcome goodbad good_bad y class creditability kredit riskperformance"), 8),
    (_set("status result performance risk flag response churn deny denied loan_status mis"), 4),
    (_set("good paid repaid fully creditworthy"), 3),
    (
        _set(
            "history hist prior previous prev past file ever existing checking account marital employment civil personal home"
        ),
        -7,
    ),
    (
        _set(
            "amount amt balance date income rate limit bill pay number num count months days score type purpose verification"
        ),
        -7,
    ),
    (_set("settlement hardship plan term flag_date"), -7),
    (_set("verified insurance initial listing disbursement method application housing emp list"), -7),
)
OUTCOME_SCORE_MIN: Final = 5.0

BAD_NAMES: Final = Lexicon(
    words=_set(
        "default defaulted bad dlqin chargeoff delinquent late loss npl deny denied declined isbad isdefault baddebt arrears"
    ),
    stems=("delinq", "default", "charg", "writ", "den", "seriousdlq"),
)
GOOD_NAMES: Final = Lexicon(
    words=_set("good paid repaid creditability creditworthy approved performing kredit fully survived"),
    but=_set("bad default"),
)
BAD_TEXTS: Final = Lexicon(
    words=_set(
        "bad default defaulted chgoff chargeoff charged delinquent loss npl arrears denied deny declined rejected reject refused overdue "
        "unpaid writeoff written bankrupt failed ko foreclosed malo mauvais schlecht"
    ),
    stems=("chargeoff", "chargedoff", "chgoff", "default", "delinq", "nonperform"),
    runs=("late 31", "not paid", "non performing"),
)
GOOD_TEXTS: Final = Lexicon(
    words=_set("good paid pif repaid performing closed approved accepted ok fully bueno bon gut finished settled p"),
    but=_set("not un"),
)
OPEN_TEXTS: Final = Lexicon(
    words=_set("current open active issued running grace late pending progress ongoing process outstanding")
)
LENDER_TEXTS: Final = _set("denied deny declined rejected reject refused approved accepted approve accept")
"""Words of a lender's own decision, which says nothing of repayment."""

SEX_TEXTS: Final = _set(
    "m f male female man woman men women w mann frau männlich weiblich hombre mujer homme femme herr mr mrs ms miss h"
)
MARITAL_TEXTS: Final = _set(
    "single married divorced widow widowed widower separated unmarried cohabiting partner ledig verheiratet geschieden verwitwet soltero casado "
    "divorciado viudo celibataire marie separate bachelor spinster"
)
FIRST_NAMES: Final = _set(
    "james john robert michael william david richard joseph thomas charles mary patricia jennifer linda elizabeth barbara susan jessica sarah "
    "karen nancy lisa margaret sandra ashley emily anna maria jose juan carlos luis ana carmen pedro miguel antonio francisco mohammed muhammad "
    "ahmed ali fatima omar hassan wei li ming jing yan priya raj amit rahul anita sunita peter paul hans klaus jürgen sabine ursula petra marie "
    "pierre jean luc claire giulia marco giovanni luca olga ivan sergei natasha elena dmitri jan piotr katarzyna eva pavel tomas jana ada grace "
    "alan george edward henry alice emma olivia noah liam daniel matthew mark steven andrew kevin brian laura julia sofia lucas kim lee"
)
