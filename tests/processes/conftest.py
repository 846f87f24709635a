"""The services as processes of their own, as a home runs them.

A start reads the program's code, which takes a second or two of the processor. Whoever starts
them `typed` starts ``wardlight NAME --config …``; the others are forked from a process that has
read it (`tools.zygote`) and are the same from there on.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from contract.clock import Clock, ScaledClock, SystemClock, now_us
from firmware_sim import demo_home
from messaging.mosquitto import Mosquitto, free_port
from tools.zygote import Zygote
from wardlight.roster import demo_settings
from wardlight.settings import Settings

REPOSITORY = Path(__file__).parents[2]
SERVICES = ("gateway", "ingest", "alerts", "web")
LIMIT_S = 60.0
"""Real seconds that anything may take on a machine under load; nothing waits for its end."""


async def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S):
    """Wait in real time until `condition` gives something, and return it."""
    clock = SystemClock()
    end_ns = clock.monotonic_ns() + round(limit_s * 1e9)
    while clock.monotonic_ns() < end_ns:
        found = condition()
        if found:
            return found
        await clock.sleep(0.02)
    pytest.fail(f"{what}: not within {limit_s:.0f} s")


class Typed:
    """A process that a shell starts."""

    def __init__(self, name: str, config: Path, log: Path) -> None:
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "wardlight.cli", name, "--config", str(config)],
                stdout=output,
                stderr=output,
                cwd=REPOSITORY,
            )
        self.pid = self.process.pid

    def status(self) -> int | None:
        return self.process.poll()


class Forked:
    """A process that has read its code already."""

    def __init__(self, zygote: Zygote, name: str, config: Path, log: Path) -> None:
        self.zygote = zygote
        log.touch()
        self.pid = zygote.start(name, config, str(log.with_suffix("")), {})

    def status(self) -> int | None:
        return self.zygote.status(self.pid)


class Service:
    """One process with its log."""

    def __init__(self, name: str, log: Path, process: Typed | Forked) -> None:
        self.name = name
        self.log = log
        self.process = process

    def lines(self, event: str) -> list[dict]:
        """What it logged under this name."""
        return [line for line in self.all_lines() if line.get("event") == event]

    def all_lines(self) -> list[dict]:
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines()
            if line.startswith("{") and line.endswith("}")
        ]

    def waits(self) -> set[str]:
        """What it says that it waits for."""
        return {line["what"] for line in self.lines("waiting_for")} | {
            "the broker" for _ in self.lines("broker_not_reached")
        }

    @property
    def runs(self) -> bool:
        return self.process.status() is None

    def send(self, number: signal.Signals) -> None:
        if self.runs:
            os.kill(self.process.pid, number)

    async def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Signal it; its exit status and how many real seconds it took."""
        clock = SystemClock()
        began_ns = clock.monotonic_ns()
        self.send(number)
        await until(lambda: not self.runs, f"{self.name} ends")
        status = self.process.status()
        assert status is not None
        return status, (clock.monotonic_ns() - began_ns) / 1e9


class ProcessHome:
    """A folder, a configuration, a broker, and the processes that were started."""

    def __init__(
        self, folder: Path, rate: float, database: str | None, zygote: Callable[[], Zygote]
    ) -> None:
        self.folder = folder
        self.zygote = zygote
        self.clock: Clock = SystemClock() if rate == 1.0 else ScaledClock(rate)
        self.rate = rate
        self.mosquitto = Mosquitto(folder / "mosquitto", SystemClock())
        self.web_port = free_port()
        self.database = database or f"sqlite:///{folder / 'records' / 'records.sqlite'}"
        self.plan = demo_home()
        self.settings = demo_settings(self.plan, Settings())
        self.contact: dict[str, str] = {}
        self.gateway_lines: list[str] = []
        self.broker_lines: list[str] = []
        self.services: list[Service] = []
        self.origin_us = now_us(SystemClock())
        if rate != 1.0:
            self.clock = ScaledClock(rate, self.origin_us)

    @property
    def store(self) -> Path:
        return self.folder / "store" / "store.sqlite"

    def write_config(self) -> Path:
        path = self.folder / "home.toml"
        lines = [
            *("[home]", 'id = "demo"'),
            *("[clock]", f"rate = {self.rate}", f"origin_us = {self.origin_us}"),
            *("[broker]", *(self.broker_lines or [f'url = "{self.mosquitto.url}"'])),
            *("[gateway]", f'folder = "{self.folder / "gateway-a"}"', "seed = 7"),
            *(self.gateway_lines or ['radio = "simulated"']),
            *("[ingest]", f'store = "{self.store}"'),
            *("[alerts]", f'database = "{self.database}"'),
            *("[web]", f"port = {self.web_port}"),
        ]
        for gateway in self.settings.gateways[:1]:
            lines += ["[[gateways]]", f'name = "{gateway.name}"', f'zone = "{gateway.zone}"']
        for person in self.settings.staff:
            lines += ["[[staff]]", f'id = "{person.id}"', f'name = "{person.name}"']
            lines += [f'role = "{person.role}"', f'floor = "{person.floor}"']
            lines += [f"residents = {json.dumps(list(person.residents))}"]
            if person.id in self.contact:
                lines += [f'contact = "{self.contact[person.id]}"']
        for resident in self.settings.residents:
            lines += ["[[residents]]"]
            for key, value in resident.model_dump(exclude_none=True).items():
                lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}"]
        path.write_text("\n".join(lines) + "\n")
        return path

    def start(self, name: str, log: str | None = None, *, typed: bool = False) -> Service:
        config, path = self.write_config(), self.folder / f"{log or name}.log"
        process = Typed(name, config, path) if typed else Forked(self.zygote(), name, config, path)
        self.services.append(Service(name, path, process))
        return self.services[-1]

    async def board(self, check: Callable[[dict], object], what: str) -> dict:
        """What the board's API says, once `check` holds of it."""
        clock = SystemClock()
        last: object = "no answer"
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.web_port}") as browser:
            end_ns = clock.monotonic_ns() + round(LIMIT_S * 1e9)
            while clock.monotonic_ns() < end_ns:
                try:
                    last = (await browser.get("/api/v1/board")).raise_for_status().json()
                    if check(last):
                        return last
                except httpx.HTTPError as error:
                    last = repr(error)
                await clock.sleep(0.05)
        pytest.fail(f"{what}: not within {LIMIT_S:.0f} s; last: {last}")

    def end_all(self) -> None:
        for service in self.services:
            service.send(signal.SIGKILL)
        asyncio.run(until(lambda: not any(each.runs for each in self.services), "all have ended"))
        self.mosquitto.stop()


@pytest.fixture(scope="session")
def zygote(tmp_path_factory):
    """Where processes come from."""
    made = Zygote(tmp_path_factory.mktemp("zygote"))
    yield made
    made.end()


@pytest.fixture
def make_home(request, tmp_path):
    """Makes homes: ``make_home(rate=…, database="sqlite" | "postgresql")``."""
    made: list[ProcessHome] = []
    databases: list[str] = []

    def make(*, rate: float = 1.0, database: str = "sqlite") -> ProcessHome:
        url = None
        if database == "postgresql":
            databases.append(f"home_{os.getpid()}_{len(databases)}")
            url = request.getfixturevalue("postgresql").make_database(databases[-1])
        made.append(ProcessHome(tmp_path, rate, url, lambda: request.getfixturevalue("zygote")))
        return made[-1]

    yield make
    for home in made:
        home.end_all()
    for name in databases:
        request.getfixturevalue("postgresql").drop_database(name)


@pytest.fixture
def eventually():
    return until
