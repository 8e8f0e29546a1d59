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


def word_set(text: str) -> frozenset[str]:
    """The words of `text`, which are divided by blanks."""
    return frozenset(text.split())


IDS: Final = Lexicon(
    words=word_set(
        "id ids key uuid guid nr no number num ident identifier index idx rownum row_id sk seq serial ref reference"
    ),
    stems=("customerid", "clientid", "loanid", "memberid", "accountid", "applicationid", "userid"),
    but=word_set("of type amount open count inq trades mort months credit_lines dependents"),
)
PERSONS: Final = Lexicon(
    words=word_set(
        "customer client member borrower applicant person user cust owner debtor party account acct memberid clientid customerid"
    ),
)
IDENTITIES: Final = Lexicon(
    words=word_set(
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
    but=word_set("state country flag type has own work"),
)
STAFF: Final = Lexicon(
    words=word_set("officer agent broker underwriter clerk analyst employee salesperson advisor adviser teller")
)
FREE_TEXTS: Final = Lexicon(
    words=word_set(
        "desc description comment comments remark remarks note notes text memo message narrative title emp_title employer"
    ),
    runs=("emp title", "job title", "employer name", "loan title"),
)
PLACES: Final = Lexicon(
    words=word_set(
        "zip zipcode zip3 zip5 postcode postal plz city town village municipality street tract county borough suburb ward parish"
    )
    | word_set("latitude longitude lat lon lng geo"),
    stems=("neighbo", "zipcode", "postcode", "postal"),
)
AREAS: Final = Lexicon(
    words=word_set("state region province branch district area territory department prefecture country msa metro")
)
PROHIBITED: Final = Lexicon(
    words=word_set(
        "sex gender marital marriage race ethnicity ethnic religion nationality citizenship citizen national afam black white hispanic "
        "latino asian minority foreign immigrant maiden pregnant spouse wife husband single married salutation honorific title_mr "
        "sexo genero geschlecht familienstand staatsangehoerigkeit sesso sexe civil estado_civil пол 性别 性別"
    ),
    stems=("gender", "marit", "nationalit", "ethnic", "religi", "citizen", "foreign", "immigra", "hispanic"),
    runs=("personal status", "family status", "native country", "mother tongue", "estado civil", "country birth"),
)
FAMILIES: Final = Lexicon(
    words=word_set("dependents dependants children kids household family members"),
    stems=("dependent", "child", "famil"),
)
AGES: Final = Lexicon(
    words=word_set("age edad alter eta leeftijd возраст 年齢 年龄"),
    runs=("age years", "years old", "age in years"),
    but=word_set(
        "account file credit line loan oldest newest average vehicle car property house address employment trade"
    ),
)
BIRTHS: Final = Lexicon(
    words=word_set("birth dob birthday birthdate born nacimiento geburtsdatum geburt"), stems=("birth",)
)
WEIGHTS: Final = Lexicon(
    words=word_set("weight weights wt wgt w pesos samplingweight sampleweight"),
    runs=("sample weight", "sampling weight", "case weight"),
    but=word_set("body height kg lbs"),
)
PRICES: Final = Lexicon(
    words=word_set("apr subgrade grade interest_rate"),
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

SCORES: Final = Lexicon(
    words=word_set("fico cibil score bureau vantagescore vantage schufa experian equifax transunion crif beacon"),
    runs=("external risk",),
)
"""Scores of a bureau, which may tell a lot and still be known in time."""

LEAKS: Final = Lexicon(
    words=word_set(
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
    but=word_set("12 6 24 mths ever past prior previous prev history bureau satisfactory within never"),
)
"""Names of what was filled after the decision."""

DECIDED: Final = Lexicon(
    words=word_set("funded approved disbursed disbursement appv granted sanctioned sanction"), but=word_set("date")
)
"""Names of what the decision itself may have set."""

MONEY: Final = Lexicon(
    words=word_set(
        "amount amt amnt bal balance balances income inc salary wage wages earnings price cost costs expense expenses expenditure debt debts "
        "asset assets limit payment payments pymnt pmt instalment installment revenue turnover profit value equity savings deposit "
        "deposits mortgage mort loan principal prncp due credit spend bill gross appv rent fee fees downpayment goods saldo betrag "
        "monto importe ingreso ingresos renta montant revenu sum total_bal worth funding approved disbursement utilized loanamount"
    ),
    stems=("annual_inc", "loanamnt", "loanamount", "mortdue", "applicantincome", "coapplicantincome"),
    but=word_set(
        "ratio pct percent percentage util utilization utilisation rate count cnt num number nr no n months month mths mo years year yrs days "
        "term type status flag lines line accounts accts trades open history since purpose code class grade score age inq inquiries id freq "
        "frequency time times date dti mos period duration to"
    ),
)
PERCENTS: Final = Lexicon(
    words=word_set("pct percent percentage perc util utilization utilisation rate"),
    stems=("percent", "utiliz", "utilis"),
)
RATIOS: Final = Lexicon(
    words=word_set("ratio ltv dti lti cltv share proportion fraction portion rat"),
    stems=("ratio",),
    runs=("to income", "to value", "debt inc"),
)
MONTHS: Final = Lexicon(
    words=word_set("months month mths mnths mos mo term duration tenor plazo laufzeit maturity"),
    but=word_set("last per monthly count"),
)
YEARS: Final = Lexicon(words=word_set("years yrs seniority tenure length"), but=word_set("last"))
CODES: Final = Lexicon(
    words=word_set(
        "code codes type class category cat segment status purpose reason job occupation occup profession education edu school degree housing home "
        "property sector industry naics sic channel branch region state product group kind level urban rural employment "
        "franchise method mode plan guarantor scheme model make brand manufacturer bank dealer supplier pincode currentpincode country "
        "history ownership residence"
    ),
    stems=("categor", "educat", "occupat", "employ", "housing", "purpos", "franchis", "supplier", "branch", "manufact"),
    but=word_set(
        "months month mths years yrs days since amount amt balance count cnt num number no age score ratio pct percent length time"
    ),
)
ORDERS: Final = Lexicon(
    words=word_set("pay dpd delinquency delq days past due number num count cnt times nr no inq inquiries"),
    stems=("delinq",),
)
DATES: Final = Lexicon(
    words=word_set(
        "date dt day dat datum fecha issued issue opened birth dob birthday on d since at timestamp time fy dates дата 日付 日期"
    ),
    stems=("date", "datum"),
    but=word_set("days daysterm months mths update_count"),
)
AS_OF_DATES: Final = (
    (word_set("application applied apply appl request requested submitted submission"), 10),
    (word_set("approval approved decision decided"), 9),
    (word_set("issue issued origination originated orig granted booking booked contract signed loan start"), 8),
    (word_set("disbursement disbursed disbursal funded funding"), 5),
    (word_set("date datum fecha day d month period vintage observation obs snapshot as_of asof"), 3),
    (
        word_set(
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
