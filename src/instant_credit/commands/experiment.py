"""`instant-credit experiment`: experiments on the command line."""

import click

from instant_credit.commands.experiment_readouts import COMMANDS


@click.group("experiment")
def experiment() -> None:
    """Read experiments out, write their memos, promote what was better."""


for _command in COMMANDS:
    experiment.add_command(_command)
