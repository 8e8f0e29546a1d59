"""Texts of cells by which a draft guesses what they tell: nothing, a sex, a name, a good or a bad outcome. Edge."""

from typing import Final

from instant_credit.training.drafting.words.lexicon import Lexicon, word_set

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

OUTCOME_WORDS: Final = (
    (
        word_set(
            "default defaulted bad seriousdlqin dlqin chargeoff delinquent baddebt npl isbad isdefault bankrupt ausfall impago defaut "
            "gekundigt gekuendigt ausgefallen inkasso abgeschrieben contentieux impaye moroso fallido"
        ),
        8,
    ),
    (word_set("target label outcome goodbad good_bad y class creditability kredit riskperformance zielvariable"), 8),
    (word_set("status result performance risk flag response churn deny denied loan_status mis"), 4),
    (word_set("good paid repaid fully creditworthy"), 3),
    (
        word_set(
            "history hist prior previous prev past file ever existing checking account marital employment civil personal home"
        ),
        -7,
    ),
    (
        word_set(
            "amount amt balance date income rate limit bill pay number num count months mths within days score type purpose verification"
        ),
        -7,
    ),
    (word_set("settlement hardship plan term flag_date"), -7),
    (word_set("verified insurance initial listing disbursement method application housing emp list"), -7),
)
OUTCOME_SCORE_MIN: Final = 5.0

BAD_NAMES: Final = Lexicon(
    words=word_set(
        "default defaulted bad dlqin chargeoff delinquent late loss npl deny denied declined reject rejected rejection refused isbad isdefault baddebt arrears ausfall impago defaut bankrupt "
        "gekundigt gekuendigt ausgefallen inkasso abgeschrieben contentieux impaye moroso fallido"
    ),
    stems=("delinq", "default", "charg", "writ", "den", "seriousdlq"),
)
GOOD_NAMES: Final = Lexicon(
    words=word_set(
        "good paid repaid creditability creditworthy approve approved approval accept accepted granted performing kredit fully survived"
    ),
    but=word_set("bad default"),
)
BAD_TEXTS: Final = Lexicon(
    words=word_set(
        "bad default defaulted chgoff chargeoff charged delinquent loss npl arrears denied deny declined rejected reject refused overdue "
        "unpaid writeoff written bankrupt failed ko foreclosed malo mauvais schlecht defaut contentieux impago"
    ),
    stems=(
        *(
            "chargeoff",
            "chargedoff",
            "chgoff",
            "default",
            "delinq",
            "nonperform",
            "gekundigt",
            "gekuendigt",
            "ausfall",
            "ausgefallen",
        ),
        *("inkasso", "abgeschrieben", "impay", "moros", "fallid", "defaill"),
    ),
    ends=("ausfall",),
    runs=("late 31", "not paid", "non performing"),
)
GOOD_TEXTS: Final = Lexicon(
    words=word_set(
        "good paid pif repaid performing closed completed matured approved accepted ok fully bueno bon gut finished settled p"
    ),
    but=word_set("not un"),
)
OPEN_TEXTS: Final = Lexicon(
    words=word_set("current open active issued running grace late pending progress ongoing process outstanding")
)
DENIALS: Final = word_set(
    "no not non never without kein keine keinen nicht nie ohne pas sans aucun aucune jamais sin nunca ningun"
)
"""Words that turn a bad text into a good one; `FILLERS` may stand in between."""
FILLERS: Final = word_set("de d en in a im bei any")
LENDER_TEXTS: Final = word_set("denied deny declined rejected reject refused approved accepted approve accept granted")
"""Words of a lender's own decision, which says nothing of repayment."""

SEX_TEXTS: Final = word_set(
    "m f male female man woman men women w mann frau männlich weiblich hombre mujer homme femme herr mr mrs ms miss h"
)
MARITAL_TEXTS: Final = word_set(
    "single married divorced widow widowed widower separated unmarried cohabiting partner ledig verheiratet geschieden verwitwet soltero casado "
    "divorciado viudo celibataire marie separate bachelor spinster"
)
FIRST_NAMES: Final = word_set(
    "james john robert michael william david richard joseph thomas charles mary patricia jennifer linda elizabeth barbara susan jessica sarah "
    "karen nancy lisa margaret sandra ashley emily anna maria jose juan carlos luis ana carmen pedro miguel antonio francisco mohammed muhammad "
    "ahmed ali fatima omar hassan wei li ming jing yan priya raj amit rahul anita sunita peter paul hans klaus jürgen sabine ursula petra marie "
    "pierre jean luc claire giulia marco giovanni luca olga ivan sergei natasha elena dmitri jan piotr katarzyna eva pavel tomas jana ada grace "
    "alan george edward henry alice emma olivia noah liam daniel matthew mark steven andrew kevin brian laura julia sofia lucas kim lee"
)
