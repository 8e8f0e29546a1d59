"""`instant-credit experiment`: experiments on the command line."""

import click

from instant_credit.commands.experiment_life import LIFE
from instant_credit.commands.experiment_readouts import COMMANDS


@click.group("experiment")
def experiment() -> None:
    """Plan, start, ramp and stop experiments, read them out, promote what was better (docs/experiments.md)."""


for _command in (*LIFE, *COMMANDS):
    experiment.add_command(_command)
