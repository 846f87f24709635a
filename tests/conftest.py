"""Servers that several rooms' tests share, each started once and only if a test asks for it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from contract.clock import SystemClock
from tools.postgresql import PostgreSQL

# CI says the same of the same tree; new examples are looked for where somebody can look at them.
# No example fails because the machine was busy: how long a thing takes is not what they are about.
settings.register_profile("ci", derandomize=True, database=None, deadline=None)
settings.register_profile("here", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")

REAL_TIME = ("tests/processes/", "tests/journeys/", "tests/dashboards/test_web_browser.py")
"""Whole services that wait for each other in real time: they are run one after the other, so that
each has a core to itself, while the others use what these leave."""

OURS = frozenset(
    {
        "alerts",
        "dashboards",
        "edge",
        "evaluation",
        "firmware_sim",
        "ingest",
        "messaging",
        "wardlight",
    }
)


def pytest_collection_modifyitems(items):
    # They take longest, so they begin first.
    items.sort(key=lambda item: not item.nodeid.startswith(REAL_TIME))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class RealTimeApart(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return (
                "real time" if nodeid.startswith(REAL_TIME) else nodeid.split("::", maxsplit=1)[0]
            )

    return RealTimeApart(config, log)


@pytest.fixture(autouse=True)
def what_is_logged_is_as_before():
    """Another test in the same process may have said what is worth a line."""
    configured = structlog.get_config()
    structlog.reset_defaults()
    yield
    if structlog.get_config()["cache_logger_on_first_use"]:
        forget_cached_loggers()
    structlog.configure(**configured)


def forget_cached_loggers():
    """A command that ran in this process has set up logs for good: what was logged meanwhile would
    go its way also in later tests.
    """
    for name, module in list(sys.modules.items()):
        logger = getattr(module, "_log", None) if name.partition(".")[0] in OURS else None
        if isinstance(logger, structlog._config.BoundLoggerLazyProxy):
            vars(logger).pop("bind", None)


def pytest_runtest_setup():
    if "sqlalchemy" in sys.modules:
        share_compiled_statements()
    if "typer.testing" in sys.modules:
        build_commands_once()


@cache
def build_commands_once():
    """Typer reads the options of all our commands, 50 ms, each time that one is invoked."""
    from typer import testing

    testing._get_command = cache(testing._get_command)


@cache
def share_compiled_statements():
    """Statements are compiled once in this process, not once in each test's database: that took
    a fifth of the time of tests that open records. A service has one engine and never knows.
    """
    from sqlalchemy import Connection, Engine, event
    from sqlalchemy.util import LRUCache

    compiled = LRUCache(2_000)
    dialects = {}

    def share(connection: Connection) -> None:
        # What was compiled is kept by dialect; each engine makes one of its own.
        engine = connection.engine
        own = engine.dialect
        key = (type(own), own.server_version_info)
        engine.dialect = connection.dialect = dialects.setdefault(key, own)
        engine._compiled_cache = compiled

    event.listen(Engine, "engine_connect", share)


@pytest.fixture(scope="session")
def postgresql():
    """A PostgreSQL; in memory where that is to be had: some hundred small databases are made,
    and a crash of the machine is not what these tests are about."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    # Not in pytest's own folders: only root can reach those, and PostgreSQL is not root.
    with tempfile.TemporaryDirectory(prefix="wardlight-", dir=memory) as folder:
        Path(folder).chmod(0o711)
        server = PostgreSQL(Path(folder) / "postgresql", SystemClock())
        asyncio.run(server.start())
        try:
            yield server
        finally:
            server.stop()
