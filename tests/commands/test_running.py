import asyncio
import os
import signal
import time

import pytest

from instant_credit.commands.running import run_stoppable


def test_ctrl_c_ends_a_long_computation_where_it_stands_and_cleans_up(capsys):
    reached = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            until = time.monotonic() + 30
            while time.monotonic() < until:
                pass
            reached.append("the end")
        finally:
            await asyncio.sleep(0)
            reached.append("clean-up")

    with pytest.raises(KeyboardInterrupt):
        run_stoppable(work(), left="nothing was recorded")
    assert reached == ["clean-up"]
    assert capsys.readouterr().err == "Stopped: nothing was recorded\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_while_waiting_ends_the_wait_and_cleans_up():
    reached = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            reached.append("clean-up")

    with pytest.raises(KeyboardInterrupt):
        run_stoppable(work(), left="nothing")
    assert reached == ["clean-up"]


def test_what_runs_to_its_end_is_given_back_and_says_nothing(capsys):
    async def work() -> int:
        return 7

    assert run_stoppable(work(), left="nothing") == 7
    assert capsys.readouterr() == ("", "")
