"""Words of names that point at a person, a place or a prohibited basis, in the languages that tapes come in. Edge.

They are compared as `lexicon` says, without accents: "männlich" is found as "mannlich". Guesses by these words are cautious: a column too
many is carried apart, and a person may say otherwise by another name.
"""

from collections.abc import Sequence
from typing import Final

from instant_credit.training.drafting.words.lexicon import Lexicon, word_set

IDENTITIES: Final = Lexicon(
    words=word_set(
        "name names surname firstname lastname forename fullname email mail phone telephone mobile fax address addr address1 ssn iban "
        "passport nino tin itin ip url website signature initials contact ssn4 dni nif nie pesel bsn cpf aadhaar pan imei "
        "nombre apellido apellidos nom prenom vorname nachname cognome nome adres adresse anschrift direccion telefono telefon telefone correo "
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
    but=word_set("state country flag type has own work days change area date"),
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
        "zip zipcode zip3 zip5 postcode postal plz ort stadt wohnort ville ciudad citta codpostal cp city town village municipality street tract county borough suburb ward parish"
    )
    | word_set("latitude longitude lat lon lng geo"),
    stems=("neighbo", "zipcode", "postcode", "postal"),
    runs=("area code", "dialling code"),
)
AREAS: Final = Lexicon(
    words=word_set("state region province branch district area territory department prefecture country msa metro")
)
PROHIBITED: Final = Lexicon(
    words=word_set(
        "sex gender marital marriage race ethnicity ethnic religion nationality citizenship citizen national afam black white asian "
        "minority immigrant maiden spouse wife husband mate single married salutation honorific title_mr male female man woman "
        "sexo genero geschlecht familienstand sesso sexe genre civil estado_civil пол 性别 性別 "
        "maennlich mannlich weiblich anrede herr frau ledig verheiratet rasse hautfarbe konfession gastarb gastarbeiter famges herkunft "
        "homme femme marie mariee celibataire veuf veuve enceinte grossesse "
        "hombre mujer casado casada soltero soltera viudo viuda etnia raza raca extranjero "
        "maschio femmina celibe nubile geslacht huwelijk plec pohlavi"
    ),
    stems=(
        *("gender", "marit", "marri", "nationalit", "nacionali", "nazionali", "ethnic", "religi", "citizen", "foreign"),
        *("immigra", "hispan", "latino", "latina", "divorc", "widow", "pregnan", "embaraz", "schwanger", "verheirat"),
        *("sexmale", "sexfem", "femalesex", "malesex", "geschied", "verwitw", "staatsang", "staatsburg", "staatsbuerg"),
        *("auslander", "auslaender", "sposat", "vedov", "cittadin", "ciudadan"),
    ),
    runs=(
        *("personal status", "family status", "native country", "mother tongue", "estado civil", "country birth"),
        *("etat civil", "stato civile", "stan cywilny", "burgerlijke staat", "situation familiale"),
        *("situation matrimoniale", "pays naissance", "pais nacimiento"),
    ),
    but=word_set("currency transaction transactions payment premium account unit property lien"),
)
FAMILIES: Final = Lexicon(
    words=word_set("dependents dependants children kids household family members kinder kind enfants hijos figli"),
    stems=("dependent", "dependant", "child", "famil", "unterhalt"),
)
AGES: Final = Lexicon(
    words=word_set("age edad alter eta idade leeftijd wiek vek возраст 年齢 年龄 old elder elderly"),
    stems=("altersg", "altersk", "lebensalter", "elder"),
    runs=("age years", "years old", "age in years"),
    but=word_set(
        "account acct acc accounts file credit line lines loan oldest newest average avg vehicle car property house address employment trade "
        "trades balance bal rate limit amount debt score model il rev tl op sin mo mths mortgage bank card system"
    ),
)
BIRTHS: Final = Lexicon(
    words=word_set("birth dob birthday birthdate born geburt naiss"),
    stems=("birth", "geburt", "naissance", "nacimiento", "nascimento", "nascita", "geboorte"),
    runs=("fecha nac", "date nais"),
)


def tells_person(words: Sequence[str]) -> bool:
    """Whether a name of these words tells who or what somebody is, so that it is never taken for what became of a loan."""
    return any(one.names(words) for one in (PROHIBITED, AGES, BIRTHS, PLACES, IDENTITIES))
