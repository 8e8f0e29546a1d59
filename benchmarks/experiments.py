"""Suite `experiments`: what experiments promise, on drawn ones whose truth is known, and how long their parts take.

Checked, each share with three standard errors of the simulation allowed:

- no difference: 10,000 experiments of each metric kind whose outcomes come 100 days late, looked at daily until the last is ripe. A false
  alarm is any look whose confidence sequence excludes the truth (`false_alarm_KIND`); beside it a z-test at 5% that is looked at as often,
  from 30 units on (`naive_false_alarm_KIND`). Again with an arm of a tenth, beside the bare formula without a least number of events
  (`bare_false_alarm_small_arm_KIND`), up to eight times the planned units, and for households with a covariate;
- an effect: all intervals at once cover it (`covers_KIND`), and the sample at which zero is excluded, as a multiple of the one with which
  a single z-test has 80% power: at most 1.5 times in the mean, 1.75 times to 80% power. A loss that the arm cuts by a third stands by
  itself: it is skewed, the arm holds fewer losses than the control, and it needs more;
- planned looks: group-sequential bounds lie within 5% of spotify-confidence's, which takes turns with ours at the same five looks and
  the same spending; false alarms of five planned looks of every kind, beside five looks at 1.96 (`unplanned_false_alarm_KIND`);
- sample ratios: eleven kinds of faults, each experiment blocked within 60 days; 1,000 sound ones blocked at most as often as stated;
- assignment while a thousand experiments run, and what a day costs: the day that is due is frozen and all of them are read out, from ten
  million exposures in an embedded database of the suite's own.

A row of a rate is one look at one experiment, from the sums of both arms to its interval; drawing is not timed. Left out: peers for
confidence sequences, since what others offer is another construction or asks for other assumptions: only the bounds of planned looks are
comparable like for like.

`--quick` draws 500 experiments of a case, 5 of each fault and 100 sound ones, whose shares carry that much more error,
and reads 20 experiments out of 200,000 exposures.
"""

from pathlib import Path

import click

from benchmarks.experiments_assignment import time_assignment
from benchmarks.experiments_planned import compare_bounds, watch_planned
from benchmarks.experiments_ratios import catch_faults, watch_clean
from benchmarks.experiments_readouts import measure_readouts
from benchmarks.experiments_sequences import watch_sequences
from benchmarks.form import Case, publish


def run(*, out: Path | None, quick: bool, seed: int) -> list[str]:
    """Run the suite; see the module's docstring. Returns the checks that failed."""
    return publish("experiments", measure(quick=quick, seed=seed), seed, out)


def measure(*, quick: bool, seed: int) -> list[Case]:
    """All cases; what is being measured is told as it begins."""
    # First of all: its peak of memory is that of this process from its start on.
    click.echo("experiments: readouts", err=True)
    cases = [measure_readouts(quick=quick, seed=seed)]
    click.echo("experiments: assignment", err=True)
    cases += [time_assignment(quick=quick, seed=seed)]
    click.echo("experiments: planned looks", err=True)
    cases += [compare_bounds(quick=quick, seed=seed), *watch_planned(quick=quick, seed=seed)]
    click.echo("experiments: sample ratios", err=True)
    cases += [catch_faults(quick=quick, seed=seed), watch_clean(quick=quick, seed=seed)]
    click.echo("experiments: confidence sequences", err=True)
    return [*cases, *watch_sequences(quick=quick, seed=seed)]
