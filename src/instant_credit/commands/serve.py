"""`instant-credit serve`: the API server, one process or a supervisor with its workers."""

import os
import socket
import sys

import click

from instant_credit.api.logs import configure_logs
from instant_credit.commands.barring import barred
from instant_credit.commands.inheriting import decode_inheritance
from instant_credit.commands.listening import listen_on
from instant_credit.commands.workers import WORKERS_MAX, supervise
from instant_credit.settings import read_settings


@click.command()
@click.option("--host", help="Address to listen on; default INSTANT_CREDIT_HOST or 127.0.0.1.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), help="Port, 0 for a free one; default INSTANT_CREDIT_PORT or 8420."
)
@click.option(
    "--workers",
    type=click.IntRange(1, WORKERS_MAX),
    help="Processes that answer, under a supervisor that replaces them one by one on SIGHUP; default one without a supervisor.",
)
@click.option("--inherited", hidden=True, help="What a worker has from its supervisor.")
def serve(host: str | None, port: int | None, workers: int | None, inherited: str | None) -> None:
    """Serve the API until SIGTERM or Ctrl-C; requests under way are answered first."""
    settings = read_settings(os.environ)
    log = configure_logs(sys.stderr)
    if inherited is not None:
        given = decode_inheritance(inherited)
        sockets = [socket.socket(fileno=number) for number in given.sockets]
    else:
        given = None
        sockets = listen_on(host or settings.host, settings.port if port is None else port)
    if workers is not None:
        supervise(settings, sockets, workers)
        return
    # A supervisor answers nothing, so it does without the engine. numba looks for scipy, for matrix products that no kernel has: without
    # it a process starts a fifth of a second sooner.
    with barred("scipy"):
        from instant_credit.commands.answering import answer_on
    answer_on(sockets, settings, log, given)
