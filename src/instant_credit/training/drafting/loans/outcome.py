"""Which column tells how a loan went, and which of its texts are bad. Edge.

Names and texts are weighed by words (`lexicon`); a person may say both. Texts that no word explains, such as A, B, C and D, are never
guessed: the draft then has no events, and says what to add.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from instant_credit.errors import Refused
from instant_credit.outcome.events import EventKind
from instant_credit.training.drafting.reading.profile import Column, is_writable
from instant_credit.training.drafting.words import cell_texts, closed_names, lexicon
from instant_credit.training.drafting.words.cell_texts import NULL_TEXTS
from instant_credit.training.drafting.words.lexicon import list_words

VALUES_MAX: Final = 30
_BALANCE_ROWS: Final = 200
_BALANCE_MAX: Final = 0.01
_GUESSED_VALUES_MAX: Final = 12
_CANDIDATES_MAX: Final = 8
_OTHERS_MAX: Final = 3
_ALIKE_MIN: Final = 0.7
_CANDIDATE_SCORE_MIN: Final = 0.0
_DECISION_SCORE: Final = 6.0
_SURE_WEIGHT: Final = 8
_ONE_KIND: Final = (
    "every row that tells it says {}, and a model needs good and bad loans: bring those of the other kind too"
)
_UNSAID: Final = frozenset({"status", "result", "decision"})
_YES: Final = frozenset({"1", "y", "yes", "true", "t", "ja", "si", "sí", "oui"})
_NO: Final = frozenset({"0", "n", "no", "false", "f", "nein", "non", "nie"})
_POLICY: Final = re.compile(r"does not meet the credit policy\.?\s*(status:)?\s*", re.IGNORECASE)
_NOT: Final = re.compile(r"\bnot (fully )?(paid|repaid|good|approved|settled)", re.IGNORECASE)
_WRITTEN_OFF: Final = lexicon.Lexicon(
    words=frozenset({"written", "loss", "defaut"}),
    stems=("charg", "chg", "default", "writeoff", "ausfall", "ausgefallen", "abgeschrieben", "fallid"),
    ends=("ausfall",),
)
_PAID: Final = lexicon.Lexicon(
    words=frozenset({"paid", "pif", "repaid", "closed", "completed", "settled", "finished", "p"})
)


class OutcomeText(Struct, frozen=True, kw_only=True):
    """One text of the outcome column: its rows, and what it tells; None = not known, or not resolved."""

    text: str
    rows: int
    kind: EventKind | None
    is_bad: bool = False


class Outcome(Struct, frozen=True, kw_only=True, eq=False):
    """The outcome column.

    Attributes
    ----------
    texts : all its texts, the commonest first.
    labels : int8[n], 1 bad, 0 good, -1 neither.
    others : other columns that could have been meant.
    file, day : of an outcome told by the rows of a joined file: its name, and the column and format that date its rows.
    """

    column: str
    texts: tuple[OutcomeText, ...]
    labels: NDArray[np.int8]
    others: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    file: str | None = None
    day: tuple[str, str] | None = None

    @property
    def own_column(self) -> str:
        """The column's name in its own file."""
        return self.column if self.file is None else self.column[len(self.file) + 1 :]

    @property
    def is_told(self) -> bool:
        """Whether it is known which texts are bad and which are good."""
        kinds = {one.is_bad for one in self.texts if one.kind is not None}
        return kinds == {True, False}

    @property
    def bad_rate(self) -> float:
        """Share of bad among the labelled rows."""
        labelled = self.labels[self.labels >= 0]
        return float(labelled.mean()) if labelled.size else 0.0


def find_outcome(columns: Sequence[Column], told: str | None, bad: Sequence[str]) -> Outcome | None:
    """The outcome among `columns`; None when no column looks like one.

    Parameters
    ----------
    columns : of the tape, in its order.
    told : the column that a person named. bad : its texts that a person called bad.

    Raises
    ------
    Refused : there is no such column or text.
    """
    if told is not None:
        column = next((one for one in columns if one.name == told), None)
        if column is None:
            raise Refused(
                f"--outcome {told}: the tape has no such column; it has {', '.join(one.name for one in columns[:60])}"
            )
        if not _list_texts(column) or len(_list_texts(column)) > VALUES_MAX:
            raise Refused(
                f"--outcome {told}: it has {column.distinct:,} different texts; an outcome has 2 to {VALUES_MAX}"
            )
        return _read_outcome(column, bad, ())
    likely = [(score, one) for score, one in _rank(columns) if score >= cell_texts.OUTCOME_SCORE_MIN]
    likely.sort(key=lambda one: _is_decision(one[1]))
    if bad:
        likely = [(score, one) for score, one in likely if {text for text, _ in _list_texts(one)} >= set(bad)]
        if not likely:
            raise Refused(
                f"--bad {' --bad '.join(bad)}: no likely outcome column has these texts; name the column with --outcome"
            )
    if not likely:
        return None
    best = likely[0][0]
    others = [one.name for score, one in likely[1:] if score >= _ALIKE_MIN * best]
    return _read_outcome(likely[0][1], bad, tuple(others[:_OTHERS_MAX]))


def list_candidates(columns: Sequence[Column]) -> tuple[str, ...]:
    """Columns that a person may have to name as the outcome where none was found: of few texts, the likeliest first."""
    return tuple(one.name for score, one in _rank(columns) if score > _CANDIDATE_SCORE_MIN)[:_CANDIDATES_MAX]


def tell_lonely(columns: Sequence[Column]) -> Iterator[tuple[str, str]]:
    """Columns named like an outcome that say one thing only, each with a sentence about it."""
    for column in columns:
        texts = _list_texts(column)
        is_named = any(
            weight >= _SURE_WEIGHT and group & set(column.words) for group, weight in cell_texts.OUTCOME_WORDS
        )
        if column.is_nameable and len(texts) == 1 and is_named:
            yield column.name, _ONE_KIND.format(texts[0][0])


def _rank(columns: Sequence[Column]) -> list[tuple[float, Column]]:
    """The columns with what speaks for each, the likeliest first."""
    scored = [(_score(one, place, len(columns)), one) for place, one in enumerate(columns)]
    return sorted(scored, key=lambda one: -one[0])


def _is_decision(column: Column) -> bool:
    """Whether the column tells what the lender decided rather than how a loan went."""
    if lexicon.tells_decision(column.words):
        return True
    texts = [text for text, _ in _list_texts(column)[:_GUESSED_VALUES_MAX]]
    return bool(cell_texts.LENDER_TEXTS & {word for text in texts for word in list_words(text)})


def _list_texts(column: Column) -> list[tuple[str, int]]:
    return [(text, rows) for text, rows in column.counts if text not in NULL_TEXTS]


def _score(column: Column, place: int, columns: int) -> float:
    """How much speaks for the column."""
    if not column.is_nameable or not 2 <= column.distinct <= _GUESSED_VALUES_MAX + 3:
        return 0.0
    texts = [text for text, _ in _list_texts(column)]
    if not 2 <= len(texts) <= _GUESSED_VALUES_MAX or closed_names.tells_person(column.words):
        return 0.0
    words = set(column.words) - ({"y"} if len(column.words) > 1 else set())
    score = _DECISION_SCORE if lexicon.tells_decision(words) else 0.0
    score += float(sum(weight for group, weight in cell_texts.OUTCOME_WORDS if not words.isdisjoint(group)))
    kinds = [_tell(text) for text in texts]
    score += 6.0 if True in kinds and False in kinds else 2.0 if True in kinds else 0.0
    score += 3.0 if set(texts) == {"+", "-"} else 0.0
    score += 2.0 if len(texts) == 2 else 0.0
    return score + (1.5 if place == columns - 1 else 0.5 if place == 0 else 0.0)


def _tell(text: str) -> bool | None:
    """Whether plain words call the text bad (True) or good (False)."""
    rest = _POLICY.sub("", text)
    told = list_words(rest)
    words = _strike_denied(told)
    if len(words) < len(told):
        return bool(cell_texts.BAD_TEXTS.names(words) or _NOT.search(rest))
    if cell_texts.BAD_TEXTS.names(words) or _NOT.search(rest):
        return True
    if cell_texts.GOOD_TEXTS.names(words):
        return False
    return None


def _strike_denied(words: list[str]) -> list[str]:
    """`words` without the bad ones that a word such as "no" takes back: "no default", "pas de défaut"."""
    kept, is_denied = [], False
    for word in words:
        if is_denied and cell_texts.BAD_TEXTS.names([word]):
            continue
        is_denied = word in cell_texts.DENIALS or (is_denied and word in cell_texts.FILLERS)
        kept.append(word)
    return kept


def _read_outcome(column: Column, bad: Sequence[str], others: tuple[str, ...]) -> Outcome:
    counts = _list_texts(column)
    texts = [text for text, _ in counts]
    absent = [text for text in bad if text not in texts]
    if absent:
        raise Refused(f"--bad {absent[0]}: column {column.name} has no such text; it has {', '.join(texts)}")
    verdicts, doubts = (_judge_told(texts, set(bad)), []) if bad else _judge(column.words, counts)
    table = {text: -1 if verdict is None else int(verdict) for text, verdict in verdicts.items()}
    labels = np.array([-1 if text is None else table.get(text, -1) for text in column.texts.to_list()], dtype=np.int8)
    labelled = labels[labels >= 0]
    if len(labelled) >= _BALANCE_ROWS and abs(float(labelled.mean()) - 0.5) < _BALANCE_MAX:
        doubts.append(
            "half of the rows are bad, so the sample was probably balanced: say in [weight] how many loans of each side a row stands for, or "
            "every pd is far too high"
        )
    if _is_decision(column):
        doubts.append(
            "it tells the lender's own decision, not how the loans went: a model of it repeats that decision and knows nothing of repayment; "
            "name a column that tells repayment with --outcome if there is one"
        )
    return Outcome(
        column=column.name,
        texts=tuple(_make_text(text, rows, verdicts[text]) for text, rows in counts),
        labels=labels,
        others=others,
        doubts=tuple(doubts),
    )


def _make_text(text: str, rows: int, verdict: bool | None) -> OutcomeText:
    if verdict is None or not is_writable(text) or len(text) > 200:
        return OutcomeText(text=text, rows=rows, kind=None)
    words = list_words(_POLICY.sub("", text))
    if verdict:
        kind = EventKind.CHARGED_OFF if _WRITTEN_OFF.names(words) else EventKind.DELINQUENT
    else:
        kind = EventKind.PAID if _PAID.names(words) else EventKind.CURRENT
    return OutcomeText(text=text, rows=rows, kind=kind, is_bad=verdict)


def _judge_told(texts: Iterable[str], bad: set[str]) -> dict[str, bool | None]:
    """A person said what is bad; the rest is good, but for what says of itself that it is still open."""
    told = list(texts)
    rest = [text for text in told if text not in bad]
    are_open = [text for text in rest if cell_texts.OPEN_TEXTS.names(list_words(text))]
    open_texts = set(are_open) if len(are_open) < len(rest) else set()
    return {text: True if text in bad else None if text in open_texts else False for text in told}


def _judge(words: list[str], counts: Sequence[tuple[str, int]]) -> tuple[dict[str, bool | None], list[str]]:
    texts = [text for text, _ in counts]
    found = {text: _tell(text) for text in texts}
    if len(texts) == 1:
        return found, [_ONE_KIND.format(texts[0])]
    if True in found.values() or False in found.values():
        return _judge_words(found)
    if len(texts) != 2:
        return found, ["which of its texts are bad can't be seen: say it with --bad, or write the events"]
    return _judge_pair(words, counts)


def _judge_words(found: dict[str, bool | None]) -> tuple[dict[str, bool | None], list[str]]:
    """Plain words called some texts bad or good."""
    unknown = [text for text, verdict in found.items() if verdict is None]
    doubts = []
    if False not in found.values():
        current = [
            text for text in unknown if cell_texts.OPEN_TEXTS.names(list_words(text)) and "late" not in list_words(text)
        ]
        found |= dict.fromkeys(current, False)
        doubts += [f"{', '.join(current)} was taken for good, although it may still turn bad"] if current else []
        unknown = [text for text in unknown if text not in current]
    if len(found) == 2 and unknown and not cell_texts.OPEN_TEXTS.names(list_words(unknown[0])):
        found[unknown[0]] = not next(verdict for verdict in found.values() if verdict is not None)
        doubts.append(f"{unknown[0]} was taken for the other side")
        unknown = []
    if True not in found.values():
        doubts.append("none of its texts is bad, and a model needs good and bad loans; if one is, name it with --bad")
    if unknown:
        doubts.append(f"{', '.join(unknown)}: neither bad nor good, so these rows are not learnt from")
    return found, doubts


def _judge_pair(words: list[str], counts: Sequence[tuple[str, int]]) -> tuple[dict[str, bool | None], list[str]]:
    """Two texts that say nothing by themselves."""
    texts = [text for text, _ in counts]
    folded = {text.casefold(): text for text in texts}
    yes = next((text for one, text in folded.items() if one in _YES), None)
    no = next((text for one, text in folded.items() if one in _NO), None)
    if yes is not None and no is not None:
        is_good = cell_texts.GOOD_NAMES.names(words) and "not" not in words
        is_sure = is_good or cell_texts.BAD_NAMES.names(words) or "not" in words
        if not is_sure and not _UNSAID.isdisjoint(words) and (yes, no) != ("1", "0"):
            told = f"{yes} may tell an approval or a default: say which text is bad with --bad, or write the events"
            return dict.fromkeys(texts), [told]
        bad = no if is_good else yes
        doubts = [] if is_sure else [f"{bad} was taken for bad, as is usual; the column's name does not say it"]
        return {text: text == bad for text in texts}, doubts
    if set(texts) == {"+", "-"}:
        return {"+": False, "-": True}, ["- was taken for bad"]
    if set(texts) in ({"1", "2"}, {"-1", "1"}):
        bad = counts[-1][0]
        return {text: text == bad for text in texts}, [f"{bad} was taken for bad, because it is the rarer one"]
    return dict.fromkeys(texts), ["which of its texts is bad can't be seen: say it with --bad, or write the events"]
