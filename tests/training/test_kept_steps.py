"""A training by kept steps: the same bundle, and nothing finished is made again, wherever it was stopped."""

from datetime import date

import msgspec
import numpy as np
import pytest

from instant_credit.errors import Refused
from instant_credit.record.queue_steps import Form, form_of
from instant_credit.training.fitting.scorecard import fit_scorecard
from instant_credit.training.fitting.selection import SelectOptions
from instant_credit.training.forms import BUNDLE, MODEL, SCORECARD
from instant_credit.training.manifest import encode_training
from instant_credit.training.plans import ByDate, ByFolds, ByShare
from instant_credit.training.workshop import build_training
from tests.training.fitting.searching import search_in
from tests.training.loans import QUICK, invent_set

SET = invent_set(1_200)
FAST = msgspec.structs.replace(QUICK, iterations=8)
BY_DATE = ByDate(test_from=date(2021, 7, 1), calibration_months=6)


class Stop(Exception):
    pass


class Kept:
    """Steps in a dictionary that stop before one of them is made, or after."""

    def __init__(self) -> None:
        self.results: dict[str, bytes] = {}
        self.made: list[str] = []
        self.left = 10_000

    def take(self, name: str, make, form: Form):
        if name not in self.results:
            if not self.left:
                raise Stop
            self.left -= 1
            self.made.append(name)
            self.results[name] = form.encode(make())
        return form.decode(self.results[name])


def train(steps=None, plan=BY_DATE, **more):
    told = {} if steps is None else {"steps": steps}
    return build_training(SET, plan, more.pop("parameters", FAST), **more, **told)


@pytest.mark.parametrize(
    "plan", [BY_DATE, ByFolds(folds=2), ByShare(test_share=0.3)], ids=lambda plan: type(plan).__name__
)
@pytest.mark.parametrize(
    "more", [{}, {"segment": "purpose", "selecting": SelectOptions(most=3)}], ids=["plain", "rich"]
)
def test_steps_that_are_kept_give_the_same_training(plan, more):
    alone, kept = train(plan=plan, **more), Kept()
    by_steps = train(kept, plan, **more)
    assert by_steps.bundle_raw == alone.bundle_raw
    assert encode_training(by_steps.manifest) == encode_training(alone.manifest)
    assert by_steps.model.pds.tobytes() == alone.model.pds.tobytes()
    assert by_steps.model.fit_raws.tobytes() == alone.model.fit_raws.tobytes()
    assert by_steps.scorecard_tested.pds.tobytes() == alone.scorecard_tested.pds.tobytes()
    assert by_steps.model.quality == alone.model.quality
    made = list(kept.made)
    assert len(set(made)) == len(made)
    assert train(kept, plan, **more).bundle_raw == alone.bundle_raw
    assert kept.made == made


def test_a_training_that_is_stopped_after_each_step_makes_none_twice():
    alone, kept = train(plan=ByFolds(folds=2)), Kept()
    for _ in range(100):
        kept.left = 1
        try:
            training = train(kept, ByFolds(folds=2))
        except Stop:
            continue
        break
    assert training.bundle_hash == alone.bundle_hash
    assert len(set(kept.made)) == len(kept.made)
    assert kept.made[0] == "prepare fold 1"
    assert kept.made[-1] == "bundle"


def test_a_search_that_finished_is_not_searched_again(tmp_path):
    kept = Kept()
    first = train(kept, ByFolds(folds=2), searching=search_in(tmp_path / "one", trials=3))
    again = train(kept, ByFolds(folds=2), searching=search_in(tmp_path / "two", trials=3))
    assert not (tmp_path / "two").exists()
    assert encode_training(again.manifest) == encode_training(first.manifest)
    assert len(again.manifest.fold_searches) == 2


def test_forms_keep_every_bit():
    training = train()
    for form, made in ((MODEL, training.fitted), (SCORECARD, training.scorecard), (BUNDLE, training.bundle)):
        raw = form.encode(made)
        assert form.encode(form.decode(raw)) == raw
    card = SCORECARD.decode(SCORECARD.encode(training.scorecard))
    assert card.score(SET.matrix).tobytes() == training.scorecard.score(SET.matrix).tobytes()
    fitted = MODEL.decode(MODEL.encode(training.fitted))
    assert fitted.score(SET.matrix).tobytes() == training.fitted.score(SET.matrix).tobytes()


def test_a_scorecard_keeps_numbers_that_json_can_t_write():
    card = fit_scorecard(SET.matrix, SET.labels, SET.columns)
    odd = msgspec.structs.replace(card.variables[0], weights=np.array([np.inf, -0.0, np.nan]))
    back = SCORECARD.decode(SCORECARD.encode(msgspec.structs.replace(card, variables=(odd,))))
    assert back.variables[0].weights.tobytes() == odd.weights.tobytes()


@pytest.mark.parametrize("form", [MODEL, SCORECARD, BUNDLE, form_of(SelectOptions)])
@pytest.mark.parametrize("raw", [b"", b"\x00", b"{}", b"\xc1", b"[" * 5_000])
def test_bytes_of_another_form_are_refused(form, raw):
    with pytest.raises(Refused):
        form.decode(raw)


def test_a_watch_that_raises_ends_the_fit():
    told = []

    def watch(done: int, _: int) -> None:
        told.append(done)
        if done == 3:
            raise Stop

    with pytest.raises(Stop):
        train(watch=watch)
    assert told == [1, 2, 3]
