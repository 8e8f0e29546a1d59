"""`instant-credit experiment`: experiments on the command line."""

import click

from instant_credit.commands import experiment_readouts, experiment_statistics
from instant_credit.commands.experiment_life import LIFE


@click.group("experiment")
def experiment() -> None:
    """Plan, start, ramp and stop experiments, freeze and read them out, promote what was better (docs/experiments.md)."""


for _command in (*LIFE, *experiment_statistics.COMMANDS, *experiment_readouts.COMMANDS):
    experiment.add_command(_command)
