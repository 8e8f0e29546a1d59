"""`instant-credit worker`: runs the jobs of the queue until it is told to end."""

import asyncio
import os
import signal
import sys
from contextlib import ExitStack

import click
from prometheus_client import start_http_server

from instant_credit.api.logs import configure_logs, write_lines
from instant_credit.record.pool import open_record
from instant_credit.record.queue_taking import LOOK_SECONDS, LOST_SECONDS, Taking
from instant_credit.settings import Settings, read_settings
from instant_credit.worker.lines import JobLine, JobMetrics
from instant_credit.worker.shift import Shift

READY = "Taking jobs"


@click.command()
@click.option(
    "--lost-after",
    type=click.FloatRange(1, 3_600),
    default=LOST_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Take up a job whose worker gave no sign of life for so long; the same for all workers of a database.",
)
@click.option(
    "--metrics-port",
    type=click.IntRange(0, 65_535),
    help="Serve counters to Prometheus on this port of 127.0.0.1; default: don't.",
)
def worker(lost_after: float, metrics_port: int | None) -> None:
    """Run jobs until SIGTERM or Ctrl-C.

    One heavy job at a time runs in the whole installation, light ones beside it; more workers stand in for each other. When told to end,
    a job under way goes back to the queue with its finished steps, and the worker ends with status 0. A job whose worker was killed is
    taken up by the next one, behind its last finished step.
    """
    configure_logs(sys.stderr)
    taking = Taking(lost_seconds=lost_after, look_seconds=min(LOOK_SECONDS, lost_after / 2))
    asyncio.run(_work(read_settings(os.environ), taking, metrics_port))


async def _work(settings: Settings, taking: Taking, metrics_port: int | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    metrics, write = JobMetrics(), write_lines("job")

    def tell(line: JobLine) -> None:
        metrics.count(line)
        write(line)

    async with open_record(settings) as record:
        with ExitStack() as stack:
            if metrics_port is not None:
                server, thread = start_http_server(metrics_port, addr="127.0.0.1", registry=metrics.registry)
                click.echo(f"Counters: http://127.0.0.1:{server.server_port}/metrics")
                stack.callback(thread.join)
                stack.callback(server.server_close)
                stack.callback(server.shutdown)
            shift = Shift(record, settings, stop=stop, taking=taking, tell=tell)
            metrics.running.set_function(lambda: shift.running)
            await shift.work(lambda: click.echo(READY))
