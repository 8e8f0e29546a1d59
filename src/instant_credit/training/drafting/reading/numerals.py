"""How a column writes its numbers: plainly, with signs of currency and thousands, with a decimal comma, with a unit behind. Edge.

Which of point and comma is the decimal sign, a text may prove: "0,804", "95,67" and "13.218,32" can only have a decimal comma, since thousands
come in threes and begin with no 0; "0.804" and "1,234.50" can only have a decimal point. "1,234" may be either. The column's proofs decide for the column, and
where it has none, those of the file.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct

from instant_credit.training.tapes.cells import WHOLE_MAX

_PLAIN: Final = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_CURRENCIES: Final = ("$", "€", "£", "¥", "₹", "₽", "USD", "EUR", "GBP", "CHF", "Rs.", "Rs", "kr", "Kč", "zł")
_BLANKS: Final = (" ", "\u00a0", "\u202f", "'", "’", "_")
_POINT: Final = re.compile(r"[+-]?([1-9]\d{0,2}(,\d{3})+(\.\d*)?|\d+(\.\d*)?|\.\d+)", re.ASCII)
_COMMA: Final = re.compile(r"[+-]?([1-9]\d{0,2}(\.\d{3})+(,\d*)?|\d+(,\d*)?|,\d+)", re.ASCII)
_SUFFIXED: Final = re.compile(r"([+-]?[\d.,]+)\s*([^\d.,\s+-][^\d]{0,19})", re.ASCII)
_LOOKED_AT: Final = 5_000
_SHARE_MIN: Final = 0.95
_DIGITS_MAX: Final = 40

DecimalSign = Literal[".", ","]


class Numerals(Struct, frozen=True, kw_only=True):
    """`remove` are texts to cut out, `decimal` the decimal sign, `suffix` what stands behind; `rows` how many rows are numbers then."""

    remove: tuple[str, ...] = ()
    decimal: DecimalSign = "."
    suffix: str = ""
    rows: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether the importer reads these numbers without being told anything."""
        return not self.remove and self.decimal == "." and not self.suffix

    def read(self, text: str) -> float:
        """The number, NaN when it is none or too large for the importer."""
        if self.suffix:
            text = text.removesuffix(self.suffix).strip()
        for one in self.remove:
            text = text.replace(one, "")
        if self.decimal != ".":
            text = text.replace(self.decimal, ".")
        text = text.strip()
        if len(text) > _DIGITS_MAX or not _PLAIN.fullmatch(text):
            return float("nan")
        number = float(text)
        return number if abs(number) <= WHOLE_MAX else float("nan")


def find_numerals(counts: Sequence[tuple[str, int]], of_file: DecimalSign = ".") -> Numerals:
    """The way of writing that makes most rows numbers; the plain one when no other does clearly better.

    Parameters
    ----------
    counts : distinct texts with their rows. of_file : the file's decimal sign, for a column that proves none.
    """
    plain = _count(Numerals(), counts)
    looked_at = counts[:_LOOKED_AT]
    rows = sum(count for _, count in looked_at)
    is_plain = _count(Numerals(), looked_at).rows >= _SHARE_MIN * rows
    if is_plain and of_file == "." and not any("," in text or text.count(".") > 1 for text, _ in looked_at):
        return plain
    candidate = _find_candidate([text for text, _ in looked_at], of_file)
    is_comma = candidate is not None and candidate.decimal == ","
    if candidate is None or (is_plain and not is_comma):
        return plain
    found = _count(candidate, looked_at)
    if found.rows < 0.5 * rows:
        return plain
    return _count(candidate, counts) if is_comma or found.rows > plain.rows else plain


def choose_decimal(columns: Iterable[Sequence[str]]) -> DecimalSign:
    """The decimal sign that most columns prove; of as many the one that more texts prove, and the point when nothing tells.

    Parameters
    ----------
    columns : of each column some distinct texts.
    """
    columns_by_sign, texts_by_sign = Counter[str](), Counter[str]()
    for texts in columns:
        if not any("," in text or "." in text for text in texts):
            continue
        bare, _, _ = _strip(texts)
        proofs = _count_proofs(bare)
        if proofs["."] == proofs[","] or sum(map(_is_number, bare)) < 0.5 * len(texts):
            continue
        columns_by_sign[max(proofs, key=lambda sign: proofs[sign])] += 1
        texts_by_sign += proofs
    comma, point = ((columns_by_sign[sign], texts_by_sign[sign]) for sign in ",.")
    return "," if comma > point else "."


def _count_proofs(bare: Sequence[str]) -> Counter[str]:
    """How many texts are a number with a decimal point alone, or with a decimal comma alone."""
    point = sum(_POINT.fullmatch(text) is not None and _COMMA.fullmatch(text) is None for text in bare)
    comma = sum(_COMMA.fullmatch(text) is not None and _POINT.fullmatch(text) is None for text in bare)
    return Counter({".": point, ",": comma})


def _is_number(text: str) -> bool:
    return _POINT.fullmatch(text) is not None or _COMMA.fullmatch(text) is not None


def _count(numerals: Numerals, counts: Sequence[tuple[str, int]]) -> Numerals:
    rows = sum(count for text, count in counts if (number := numerals.read(text)) == number)
    return Numerals(remove=numerals.remove, decimal=numerals.decimal, suffix=numerals.suffix, rows=rows)


def _find_candidate(texts: Sequence[str], of_file: DecimalSign) -> Numerals | None:
    """How the texts write numbers where they are not plain; None where no digit is in them."""
    bare, signs, suffix = _strip(texts)
    if not bare:
        return None
    proofs = _count_proofs(bare)
    decimal: DecimalSign = of_file
    if proofs["."] != proofs[","]:
        decimal = "." if proofs["."] > proofs[","] else ","
    has_comma, has_point = (any(sign in text for text in bare) for sign in ",.")
    point, comma = (sum(form.fullmatch(text) is not None for text in bare) for form in (_POINT, _COMMA))
    if decimal == "." or comma < 0.5 * len(bare) or comma < point:
        return Numerals(remove=(*signs, *((",",) if has_comma and point else ())), suffix=suffix)
    return Numerals(
        remove=(*signs, *((".",) if has_point else ())), decimal="," if has_comma or has_point else ".", suffix=suffix
    )


def _strip(texts: Sequence[str]) -> tuple[list[str], tuple[str, ...], str]:
    """The texts with a digit without signs of currency and the unit behind them, these signs, and that unit."""
    digits = [text for text in texts if any(one.isdigit() for one in text)]
    suffix = _find_suffix(digits)
    bare = [text.removesuffix(suffix).strip() for text in digits]
    signs = tuple(one for one in (*_CURRENCIES, *_BLANKS) if any(one in text for text in bare))
    bare = [_cut(text, signs) for text in bare]
    suffix = suffix or _find_suffix(bare)
    return [text.removesuffix(suffix).strip() for text in bare], signs, suffix


def _cut(text: str, signs: Sequence[str]) -> str:
    for sign in signs:
        text = text.replace(sign, "")
    return text.strip()


def _find_suffix(texts: Sequence[str]) -> str:
    """The one text that stands behind nearly all numbers."""
    found = Counter(match[2].strip() for text in texts if (match := _SUFFIXED.fullmatch(text)) is not None)
    if not found:
        return ""
    suffix, times = found.most_common(1)[0]
    return suffix if times >= _SHARE_MIN * len(texts) else ""
