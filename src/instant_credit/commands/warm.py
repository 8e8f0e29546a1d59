"""Compile every kernel in one process: numba's cache must not be written by two compilers at once."""

import pkgutil
from importlib import import_module

import click

import instant_credit


@click.command()
def warm() -> None:
    """Compile the kernels and keep them in numba's cache."""
    names = [
        m.name for m in pkgutil.walk_packages(instant_credit.__path__, "instant_credit.") if m.name.endswith(".kernels")
    ]
    for name in names:
        import_module(name)
    click.echo(f"{len(names)} kernel modules are compiled and cached")
