"""`instant-credit experiment`: experiments on the command line."""

import click

from instant_credit.commands import experiment_readouts, experiment_statistics


@click.group("experiment")
def experiment() -> None:
    """Freeze what experiments brought, read them out, write their memos, promote what was better."""


for _command in (*experiment_statistics.COMMANDS, *experiment_readouts.COMMANDS):
    experiment.add_command(_command)
