"""The journal of a search: an append-only file of optuna's, out of which a search that was killed goes on as if it had not been. Edge.

1. The file is named by a hash of everything that a trial's value follows from, and holds one study of that name: trials of other loans
   are never read.
2. One search has the file at a time. The lock goes with the process; the one that optuna keeps for single writes is cleared.
3. A trial that was begun and not ended is marked failed and counts for nothing. Since what is proposed is a function of the search's
   seed, the number and the ended trials, the trial proposed in its place is the same one.
4. An ended trial says its number, so that one that was lost in the middle is missed.
5. A last line without an end was being written when the process died, and is cut off. Any other line that can't be read is refused.
"""

import fcntl
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from instant_credit.errors import Refused
from instant_credit.record.home import naming_folder
from instant_credit.training.fitting.space import Ended, Point, Space

_NUMBER: Final = "number"
_SECONDS: Final = "seconds"
# What optuna may raise while it applies lines that are JSON and yet not its own.
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError)


class Journal:
    """An open journal; `path` is the file."""

    def __init__(self, path: Path, study: optuna.Study, space: Space) -> None:
        self.path = path
        self._study = study
        self._space = space
        self._distributions = {name: _tell_distribution(space, name) for name in space.bounds}
        self._pending: Trial | None = None

    def list_ended(self) -> list[Ended]:
        """Ended trials in order."""
        ended = self._list(TrialState.COMPLETE)
        if [trial.user_attrs.get(_NUMBER) for trial in ended] != list(range(len(ended))):
            raise _refuse(self.path, "a trial is missing in it")
        return [self._read(trial) for trial in ended]

    def propose(self, number: int, seed: int) -> Point:
        """What the trial of this number tries; `add` ends it."""
        for died in self._list(TrialState.RUNNING):
            self._study.tell(died.number, state=TrialState.FAIL)
        # Each trial has a sampler of its own, so that nothing depends on how many were drawn by this process.
        drawn = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        self._study.sampler = optuna.samplers.TPESampler(seed=drawn, multivariate=True)
        self._pending = self._study.ask(self._distributions)
        return dict(self._pending.params)

    def add(self, ended: Ended) -> None:
        """End the proposed trial, or put in one that was not proposed."""
        number = len(self._list(TrialState.COMPLETE))
        if self._pending is None:
            told = optuna.trial.create_trial(
                params=ended.point,
                distributions=self._distributions,
                value=ended.auc,
                user_attrs={_NUMBER: number, _SECONDS: ended.seconds},
            )
            self._study.add_trial(told)
            return
        self._pending.set_user_attr(_NUMBER, number)
        self._pending.set_user_attr(_SECONDS, ended.seconds)
        self._study.tell(self._pending, ended.auc)
        self._pending = None

    def _list(self, state: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=(state,))

    def _read(self, trial: FrozenTrial) -> Ended:
        seconds = trial.user_attrs.get(_SECONDS)
        value = trial.values[0] if trial.values else None
        is_sound = isinstance(value, float) and 0 <= value <= 1 and isinstance(seconds, float) and seconds >= 0
        if not is_sound or not self._space.holds(trial.params):
            raise _refuse(self.path, f"its trial {trial.number} lies outside the space or has no AUC")
        return Ended(point=dict(trial.params), auc=trial.values[0], seconds=trial.user_attrs[_SECONDS])


@contextmanager
def open_journal(folder: Path, name: str, space: Space) -> Iterator[Journal]:
    """The journal of this name in a folder; made where there is none.

    Raises
    ------
    Refused : another process has it, or it can't be read; the message names the file.
    """
    path = folder / f"{name}.journal"
    with naming_folder(folder), path.open("a+b") as held:
        path.chmod(0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"{path}: another training searches with this journal; wait for it, or stop it") from None
        for left in folder.glob(f"{name}.journal.lock*"):
            left.unlink()
        with _silenced():
            yield Journal(path, _open_study(path, name), space)


def _open_study(path: Path, name: str) -> optuna.Study:
    _check_lines(path)
    try:
        lock = JournalFileOpenLock(str(path))
        storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
        names = [study.study_name for study in storage.get_all_studies()]
        if names not in ([], [name]):
            raise _refuse(path, "it is the journal of another search")
        if names:
            return optuna.load_study(storage=storage, study_name=name)
        return optuna.create_study(storage=storage, study_name=name, direction="maximize")
    except _UNREADABLE as trouble:
        raise _refuse(path, f"optuna can't read it ({type(trouble).__name__})") from None


def _check_lines(path: Path) -> None:
    """Cut off a line that was being written; refuse a file of which another line is no JSON object."""
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            is_object = isinstance(json.loads(line), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise _refuse(path, f"line {number} can't be read")


def _refuse(path: Path, why: str) -> Refused:
    return Refused(f"{path}: {why}; delete this file, and the search begins anew")


def _tell_distribution(space: Space, name: str) -> BaseDistribution:
    bounds = space.bounds[name]
    if bounds.step is None:
        return FloatDistribution(float(bounds.low), float(bounds.high), log=bounds.is_log)
    return IntDistribution(int(bounds.low), int(bounds.high), step=bounds.step)


@contextmanager
def _silenced() -> Iterator[None]:
    """Optuna tells of each study and trial on the error stream; warnings stay."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
