import itertools
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import optuna
import pytest

from instant_credit.errors import Refused
from instant_credit.training.fitting import search
from instant_credit.training.fitting.choice import list_presets
from instant_credit.training.fitting.fit import FitParameters
from instant_credit.training.fitting.inner import FOLD_KIND_MIN
from instant_credit.training.fitting.space import SPACE
from instant_credit.training.manifest import encode_training
from instant_credit.training.plans import ByFolds, deal_folds
from instant_credit.units import days_from_date
from tests.training.fitting.searching import BY_DATE, SET, TINY, TRIALS, make_searcher, search_in, train
from tests.training.loans import QUICK, invent_set

ROOT = Path(__file__).resolve().parents[3]
IS_TEST = SET.days >= days_from_date(BY_DATE.test_from)


class Stopped(BaseException):
    """As a key press would."""


@pytest.fixture
def quickly(monkeypatch):
    """Trials get a figure that follows from their parameters without a fit."""

    def measure(_inner, parameters: FitParameters) -> float:
        return 1 / (1 + abs(parameters.depth - 3) + abs(np.log(parameters.learning_rate / 0.04)))

    monkeypatch.setattr(search, "measure_inner", measure)


def find_journal(folder: Path) -> Path:
    [journal] = folder.glob("*.journal")
    return journal


def list_tried(found):
    return [(one.parameters, one.auc) for one in found.trials]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    return train(tmp_path_factory.mktemp("unbroken"))


@pytest.mark.parametrize("calls", [2 * TRIALS - 3])
def test_a_search_that_was_killed_goes_on_to_the_same_bundle(tmp_path, unbroken, calls):
    folder = tmp_path / "searches"
    arguments = [sys.executable, "-m", "tests.training.fitting.searching", str(folder), str(calls)]
    killed = subprocess.run(arguments, cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    before = find_journal(folder).read_bytes()
    resumed = train(folder)
    assert find_journal(folder).read_bytes().startswith(before)
    assert resumed.search == unbroken.search
    assert resumed.bundle_hash == unbroken.bundle_hash
    assert resumed.training_hash == unbroken.training_hash


@pytest.mark.parametrize("calls", [1, 2, 4, 5, 6, 23, 24, 25, 26])
def test_wherever_a_search_stops_it_goes_on_to_the_same_trials(tmp_path, quickly, calls):
    whole = make_searcher(search_in(tmp_path / "whole")).search(SET, QUICK)
    read = itertools.count(1)

    def stop() -> float:
        if next(read) == calls:
            raise Stopped
        return 0.0

    broken = tmp_path / "broken"
    with pytest.raises(Stopped):
        make_searcher(search_in(broken, clock=stop)).search(SET, QUICK)
    assert make_searcher(search_in(broken)).search(SET, QUICK) == whole


@pytest.mark.parametrize("share", [0.1, 0.5, 0.93, 0.99])
def test_a_journal_cut_anywhere_goes_on_to_the_same_trials(tmp_path, quickly, share):
    whole = make_searcher(search_in(tmp_path)).search(SET, QUICK)
    journal = find_journal(tmp_path)
    raw = journal.read_bytes()
    journal.write_bytes(raw[: round(share * len(raw))])
    assert make_searcher(search_in(tmp_path)).search(SET, QUICK) == whole


def test_a_lock_left_by_a_dead_process_stops_nothing(tmp_path, quickly):
    whole = make_searcher(search_in(tmp_path)).search(SET, QUICK)
    for left in (".lock", ".lock7.rename"):
        find_journal(tmp_path).with_name(find_journal(tmp_path).name + left).touch()
    more = make_searcher(search_in(tmp_path, TRIALS + 1)).search(SET, QUICK)
    assert more.trials[:TRIALS] == whole.trials
    assert [path.suffix for path in tmp_path.iterdir()] == [".journal"]


def test_more_trials_go_on_from_fewer_and_fewer_are_the_first_of_more(tmp_path, quickly):
    whole = make_searcher(search_in(tmp_path / "whole")).search(SET, QUICK)
    few = make_searcher(search_in(tmp_path / "few", 4)).search(SET, QUICK)
    assert few.trials == whole.trials[:4]
    assert make_searcher(search_in(tmp_path / "few")).search(SET, QUICK) == whole
    assert make_searcher(search_in(tmp_path / "few", 4)).search(SET, QUICK) == few


def test_the_best_trial_makes_the_model_and_the_manifest_tells_all(unbroken):
    found = unbroken.search
    assert len(found.trials) == TRIALS
    assert found.taken.auc == max(one.auc for one in found.trials)
    assert unbroken.parameters == found.taken.parameters
    assert unbroken.choice is None
    told = msgspec.json.decode(encode_training(unbroken.manifest))
    assert told["search"]["options"] == {"trials": TRIALS, "minutes": None, "seed": 0}
    assert told["search"]["space"] == TINY.told
    assert [one["number"] for one in told["search"]["trials"]] == list(range(TRIALS))
    assert told["search"]["trials"][found.best]["auc"] == found.taken.auc
    assert (told["fold_searches"], told["versions"]["optuna"]) == ([], optuna.__version__)


def test_the_test_loans_change_nothing_in_the_search(tmp_path, unbroken):
    matrix, labels = SET.matrix.copy(), SET.labels.copy()
    labels[IS_TEST] = 1 - labels[IS_TEST]
    matrix[IS_TEST] = matrix[IS_TEST][::-1]
    changed = train(tmp_path, training_set=msgspec.structs.replace(SET, matrix=matrix, labels=labels))
    assert changed.search == unbroken.search
    assert changed.bundle_raw == unbroken.bundle_raw


def test_each_fold_searches_without_its_own_loans(tmp_path):
    folded = train(tmp_path, ByFolds(folds=2), trials=3)
    assert len(folded.manifest.fold_searches) == 2
    assert len(list(tmp_path.glob("*.journal"))) == 3
    labels = SET.labels.copy()
    held = np.flatnonzero(deal_folds(SET.persons, 2) == 0)[:40]
    labels[held] = 1 - labels[held]
    changed = train(tmp_path, ByFolds(folds=2), training_set=msgspec.structs.replace(SET, labels=labels), trials=3)
    assert changed.manifest.fold_searches[0] == folded.manifest.fold_searches[0]
    assert changed.manifest.fold_searches[1] != folded.manifest.fold_searches[1]
    assert changed.search != folded.search
    assert len(list(tmp_path.glob("*.journal"))) == 5


def test_a_trial_of_other_loans_options_or_versions_is_never_read(tmp_path, quickly):
    base = make_searcher(search_in(tmp_path, 2)).search(SET, QUICK)
    weights = SET.weights.copy()
    weights[0] = 2.0
    for number, (searcher, loans, parameters) in enumerate(
        [
            (make_searcher(search_in(tmp_path, 2)), msgspec.structs.replace(SET, weights=weights), QUICK),
            (make_searcher(search_in(tmp_path, 2, seed=1)), SET, QUICK),
            (make_searcher(search_in(tmp_path, 2, space=SPACE)), SET, QUICK),
            (make_searcher(search_in(tmp_path, 2), catboost="9"), SET, QUICK),
            (make_searcher(search_in(tmp_path, 2), by_date=False), SET, QUICK),
            (make_searcher(search_in(tmp_path, 2)), SET, msgspec.structs.replace(QUICK, seed=5)),
        ],
        start=2,
    ):
        searcher.search(loans, parameters)
        assert len(list(tmp_path.glob("*.journal"))) == number
    assert make_searcher(search_in(tmp_path, 2)).search(SET, QUICK) == base


def test_what_is_not_searched_for_is_as_it_was_given(tmp_path, quickly):
    base = FitParameters(iterations=1, depth=1, seed=7, threads=1, border_count=32)
    found = make_searcher(search_in(tmp_path)).search(SET, base)
    assert {(p.seed, p.threads, p.border_count) for p, _ in list_tried(found)} == {(7, 1, 32)}


def test_every_trial_keeps_the_bounds_and_the_presets_come_first(tmp_path, quickly):
    found = make_searcher(search_in(tmp_path, 40, space=SPACE)).search(SET, QUICK)
    assert all(SPACE.holds(SPACE.find(one.parameters)) for one in found.trials)
    assert all(set(SPACE.find(p).values()) <= set(msgspec.structs.astuple(p)) for p, _ in list_tried(found))
    assert [p for p, _ in list_tried(found)[:2]] == list(list_presets(SET.loans, QUICK.threads).values())
    assert len({p for p, _ in list_tried(found)}) == 40
    later = np.mean([auc for _, auc in list_tried(found)[25:]])
    assert later > np.mean([auc for _, auc in list_tried(found)[2:12]])


def test_what_only_the_best_preset_has_is_kept_by_the_trials_after_it(tmp_path, quickly, monkeypatch):
    presets = {"one": FitParameters(depth=2, learning_rate=0.3), "other": FitParameters(depth=3, l2_leaf_reg=7.0)}
    steered = {name: msgspec.structs.replace(one, threads=n) for n, (name, one) in enumerate(presets.items(), start=3)}
    monkeypatch.setattr(search, "list_presets", lambda *_: steered)
    found = make_searcher(search_in(tmp_path)).search(SET, QUICK)
    assert found.trials[1].auc > found.trials[0].auc
    assert [p.threads for p, _ in list_tried(found)] == [3, 4] + [4] * (TRIALS - 2)


def test_another_seed_tries_something_else(tmp_path, quickly):
    one, other = (make_searcher(search_in(tmp_path, 4, seed=seed)).search(SET, QUICK) for seed in (0, 1))
    assert one.trials[:2] == other.trials[:2]
    assert one.trials[2] != other.trials[2]


def test_no_trial_begins_after_the_minutes_and_none_is_added_later(tmp_path, quickly):
    minute = itertools.count(0, 60)
    limited = search_in(tmp_path, minutes=3.0, clock=lambda: next(minute))
    found = make_searcher(limited).search(SET, QUICK)
    assert len(found.trials) == 3
    assert make_searcher(search_in(tmp_path, minutes=3.0)).search(SET, QUICK) == found
    assert make_searcher(search_in(tmp_path, 3)).search(SET, QUICK).trials == found.trials
    assert len(make_searcher(search_in(tmp_path, minutes=1e-9)).search(SET, QUICK).trials) == 1


def test_searches_share_the_minutes(tmp_path, quickly):
    minute = itertools.count(0, 60)
    searcher = make_searcher(search_in(tmp_path, minutes=6.0, clock=lambda: next(minute)), searches=3)
    assert len(searcher.search(SET, QUICK).trials) == 2
    assert len(searcher.search(SET.take(slice(0, 1_000)), QUICK).trials) == 2


def test_steps_tell_the_best_so_far(tmp_path, quickly):
    steps = []
    found = make_searcher(search_in(tmp_path, 4, tell=steps.append)).search(SET, QUICK)
    aucs = [auc for _, auc in list_tried(found)]
    assert [(s.number, s.searches, s.ended, s.trials) for s in steps] == [(1, 1, n, 4) for n in range(5)]
    assert [s.best for s in steps] == [None, *itertools.accumulate(aucs, max)]


def test_optuna_keeps_quiet_and_its_level_is_given_back(tmp_path, quickly, capfd):
    before = optuna.logging.get_verbosity()
    make_searcher(search_in(tmp_path, 4)).search(SET, QUICK)
    assert optuna.logging.get_verbosity() == before
    assert capfd.readouterr() == ("", "")


def test_a_journal_is_its_owners_alone(tmp_path, quickly):
    folder = tmp_path / "searches"
    make_searcher(search_in(folder, 1)).search(SET, QUICK)
    assert (folder.stat().st_mode & 0o777, find_journal(folder).stat().st_mode & 0o777) == (0o700, 0o600)


def test_too_few_loans_are_refused_with_what_to_do(tmp_path):
    with pytest.raises(Refused, match=f"{FOLD_KIND_MIN} bad ones. Leave out --search"):
        make_searcher(search_in(tmp_path)).search(invent_set(60), QUICK)
