"""Starts services by forking a process that has read all their code already.

A service that is killed sixty times in ninety seconds would otherwise spend most of that time
importing. From the fork on everything is as in ``wardlight NAME --config …``: a process of its
own with its own event loop, files and connections, that can be killed.

`Zygote` is the end that asks; run as a script, this is the process that forks. It reads one
JSON line per order from standard input, and answers each with one: a start with the process id,
the question for an end with the exit status.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent


class Zygote:
    """Where processes come from.

    Parameters
    ----------
    folder
        For their logs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tools.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            text=True,
        )

    def start(
        self,
        service: str,
        config: Path,
        log: str,
        environment: Mapping[str, str],
        *,
        wall: Path | None = None,
    ) -> int:
        """Start a service; its process id.

        Parameters
        ----------
        log
            Name of its log, or its path if it is to be elsewhere, without the suffix.
        environment
            Added to ours.
        wall
            Of a gateway: file of a `tools.chaos.clocks.WrongClock`, which it then lives by.
        """
        order = {
            "service": service,
            "config": str(config),
            "log": str(self.folder / f"{log}.log"),
            "environment": dict(environment),
            "wall": None if wall is None else str(wall),
        }
        return int(self._answer(order))

    def status(self, pid: int) -> int | None:
        """Exit status of what was started, as in `subprocess.Popen.poll`: None while it runs, the
        negative number of the signal that killed it.
        """
        answer: int | None = self._answer({"ended": pid})
        return answer

    def _answer(self, order: Mapping[str, object]) -> Any:
        assert self.process.stdin is not None, "made with pipes"
        assert self.process.stdout is not None, "made with pipes"
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def end(self) -> None:
        """End where processes come from; those that were started go on."""
        assert self.process.stdin is not None, "made with pipes"
        assert self.process.stdout is not None, "made with pipes"
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def _run(order: dict[str, Any]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.update(order["environment"])
    try:
        if order["wall"] is not None:
            from tools.chaos.clocks import run_gateway_with_wrong_clock

            return run_gateway_with_wrong_clock(Path(order["config"]), Path(order["wall"]))
        from wardlight.cli import app

        app([order["service"], "--config", order["config"]])
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException:  # noqa: BLE001 - it is said, and this process ends
        traceback.print_exc()
    return 1


def _read_code() -> None:
    """All that any of the services reads at its start."""
    for name in (
        "alerts.records.migrate",
        "dashboards.web",
        "edge",
        "ingest",
        "tools.chaos.clocks",
        "wardlight.air",
        "wardlight.cli",
        "wardlight.services",
        "wardlight.stores",
    ):
        importlib.import_module(name)
    from alerts import AppriseChannel
    from contract.clock import SystemClock

    AppriseChannel(SystemClock(), "")  # reads its plugins


def _note_ends(ended: dict[int, int]) -> None:
    """At once, so that a process that ended is gone for whoever looks for it."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        ended[pid] = os.waitstatus_to_exitcode(status)


def _start(order: dict[str, Any], ended: dict[int, int]) -> int:
    # It may end before we have forgotten who had its number before.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pid = os.fork()
    if pid == 0:
        os._exit(_run(order))
    ended.pop(pid, None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    return pid


def main() -> None:
    """Fork whatever is asked for until the other end is gone."""
    _read_code()
    assert threading.active_count() == 1, "a fork takes one thread along"
    ended: dict[int, int] = {}
    signal.signal(signal.SIGCHLD, lambda *_: _note_ends(ended))
    for line in sys.stdin:
        order = json.loads(line)
        answer = ended.get(order["ended"]) if "ended" in order else _start(order, ended)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
