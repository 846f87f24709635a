"""Starts services by forking a process that has read all their code already.

Run as a script. A service that is killed sixty times in ninety seconds would otherwise spend
most of that time importing. From the fork on everything is as in ``wardlight NAME --config …``:
a process of its own with its own event loop, files and connections, that can be killed.

Reads one JSON line per start from standard input, and answers each with the process id.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback

import alerts  # noqa: F401 - read here, used by whoever is forked
import dashboards.web  # noqa: F401
import edge  # noqa: F401
import ingest  # noqa: F401
import wardlight.air
import wardlight.services  # noqa: F401
from alerts import AppriseChannel
from alerts.records import migrate  # noqa: F401
from contract.clock import SystemClock
from wardlight.cli import app


def run(order: dict) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, source in ((0, nothing), (1, log), (2, log)):
        os.dup2(source, target)
    os.environ.update(order["environment"])
    try:
        app([order["service"], "--config", order["config"]])
    except SystemExit as error:
        return int(error.code or 0)
    except BaseException:  # noqa: BLE001 - it is said, and this process ends
        traceback.print_exc()
    return 1


def main() -> None:
    AppriseChannel(SystemClock(), "")  # reads its plugins
    assert threading.active_count() == 1, "a fork takes one thread along"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os._exit(run(order))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


main()
