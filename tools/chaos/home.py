"""The home of sixty as processes: each service and server one of its own, in a folder, with
proxies between them.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

import psutil

from contract.clock import Clock, ScaledClock, SystemClock, now_us
from firmware_sim import HomePlan, SimulatedHome
from messaging.mosquitto import Mosquitto, free_port
from tools.chaos import witness
from tools.chaos.plan import GATEWAYS, SERVICES
from tools.chaos.proxy import Proxy
from tools.postgresql import PostgreSQL
from tools.zygote import Zygote
from wardlight.air import AirServer
from wardlight.settings import load_settings

STAFF: Final = ("mei", "kin", "lan", "siu")
"""Three carers, each with a third of the residents, and a manager."""

SMALL_DISK_BYTES: Final = 48 * 1024 * 1024
"""Of a gateway: its ballast of 4 MB, and hours of what it keeps; of the store as much for every
20 minutes of home time. Small, so that it is full at once."""

KEPT: Final = {"raw_days": 30_000, "minute_days": 30_001}
"""Seconds of the 1970s are kept: what a gateway measured before it knew the time must have
arrived, and what a store later does with it is not what chaos is about."""

STEP_BYTES: Final = 1 << 20


class Server(Protocol):
    """What can be killed and started again: mosquitto, PostgreSQL, influxd."""

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        ...

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        ...

    async def start(self) -> None:
        """Start it and wait until it answers."""
        ...

    def stop(self) -> None:
        """End it in order."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class Telephones:
    """Answers every page that is sent, and counts by person."""

    def __init__(self) -> None:
        self.port = 0
        self.rung: Counter[str] = Counter()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Answer nobody any more."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
            lengths = [
                int(line.split(":")[1])
                for line in head
                if line.lower().startswith("content-length:")
            ]
            await reader.readexactly(sum(lengths))
            # Counted once it has come whole, whatever the caller learns of it.
            self.rung[head[0].split(" ")[1].strip("/")] += 1
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return  # the caller was killed in the middle of it
        finally:
            writer.close()


class Disk:
    """A small disk of its own for one folder (tmpfs), that can be filled; only as root."""

    def __init__(self, folder: Path, size: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        done = subprocess.run(  # noqa: S603 - our own arguments
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "wardlight-chaos", str(folder)],  # noqa: S607
            capture_output=True,
            check=False,
        )
        self.there = done.returncode == 0
        """Whether the machine let us."""

    def fill(self) -> None:
        """To the last page."""
        with (self._folder / "filler").open("ab", buffering=0) as filler:
            for size in (STEP_BYTES, 4096):
                with suppress(OSError):
                    while filler.write(bytes(size)) == size:
                        pass

    def free(self) -> None:
        """As it was."""
        (self._folder / "filler").unlink(missing_ok=True)

    def end(self) -> None:
        """Unmount; what is there is gone."""
        if self.there:
            subprocess.run(  # noqa: S603 - our own arguments
                ["umount", "--lazy", str(self._folder)],  # noqa: S607
                check=False,
            )


class Home:
    """Everything that runs.

    Parameters
    ----------
    folder
        Everything is below it; PostgreSQL's account must be able to enter it.
    plan
        Who lives there.
    rate
        Seconds of the home for each of the machine.
    store
        ``sqlite`` or ``influx``.
    seed
        Of the simulation.
    store_bytes
        Size of the store's disk.
    """

    def __init__(
        self, folder: Path, plan: HomePlan, *, rate: float, store: str, seed: int, store_bytes: int
    ) -> None:
        self.folder = folder
        self.plan = plan
        self.store_kind = store
        self.rate = rate
        machine = SystemClock()
        self.origin_us = now_us(machine)
        self.clock: Clock = ScaledClock(rate, self.origin_us)
        mosquitto = Mosquitto(folder / "mosquitto", machine)
        self.postgresql = PostgreSQL(folder / "postgresql", machine)
        self.servers: dict[str, Server] = {"mosquitto": mosquitto, "postgresql": self.postgresql}
        if store == "influx":
            from tools.time_series import Influxd

            self.influxd = Influxd(folder / "influxd", machine)
            self.servers["influxd"] = self.influxd
        self.proxies = {
            name: Proxy(mosquitto.port, machine) for name in (*GATEWAYS, "ingest", "alerts")
        }
        if store == "influx":
            self.proxies["store"] = Proxy(self.influxd.port, machine)
        self.disks = {
            "gateway-c": Disk(folder / "gateway-c", SMALL_DISK_BYTES),
            "store": Disk(folder / "store", store_bytes),
        }
        self.telephones = Telephones()
        self.simulation = SimulatedHome(plan, self.clock, seed)
        self.air = AirServer(self.simulation, self.clock, folder / "air.socket")
        self.zygote = Zygote(folder)
        self.web_port = free_port()
        self.pids: dict[str, int] = {}
        self.ended: list[str] = []
        """Services that ended although nobody ended them."""

    @property
    def store_file(self) -> Path:
        """The store, or beside influxd the ledger."""
        return self.folder / "store" / "store.sqlite"

    @property
    def database(self) -> str:
        """URL of the records."""
        return self.postgresql.url()

    def wall(self, gateway: str) -> Path:
        """What says how wrong a gateway's clock is."""
        return self.folder / f"{gateway}.clock"

    async def start(self) -> None:
        """Start all of it."""
        await self.telephones.start()
        await self.air.start()
        for proxy in self.proxies.values():
            await proxy.start()
        self._write_config()
        for server in self.servers.values():
            await server.start()
        if self.store_kind == "influx":
            self._make_databases()
        for name in ("alerts-1", "alerts-2", "ingest-1", "ingest-2", *GATEWAYS, "web"):
            await self.start_one(name)

    def _make_databases(self) -> None:
        """As whoever installs influxd does."""
        from wardlight.stores import databases_of, open_server

        influx = load_settings(self.folder / "home.toml").ingest.influx
        direct = influx.model_copy(update={"url": self.influxd.url})
        server = open_server(direct)
        for database in databases_of(direct):
            server.tell(f'CREATE DATABASE "{database}"')
        server.close()

    async def start_one(self, name: str) -> None:
        """Start a service or server."""
        if name in self.servers:
            await self.servers[name].start()
            return
        service, _, number = name.partition("-")
        environment = {"WARDLIGHT_BROKER__URL": self._broker_url(name, service)}
        wall = None
        if service == "gateway":
            environment["WARDLIGHT_GATEWAY__NAME"] = name
            environment["WARDLIGHT_GATEWAY__FOLDER"] = str(self.folder / name)
            environment["WARDLIGHT_GATEWAY__PRIORITY"] = str(100 + ord(number))
            wall = self.wall(name)
        self.pids[name] = self.zygote.start(
            service, self.folder / "home.toml", name, environment, wall=wall
        )

    def kill(self, name: str) -> None:
        """With SIGKILL; notes it if there was nobody to kill."""
        if name in self.servers:
            if not self.servers[name].running:
                self.ended.append(name)
            self.servers[name].kill()
            return
        try:
            os.kill(self.pids.pop(name), signal.SIGKILL)
        except ProcessLookupError:
            self.ended.append(name)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Stop, or let go on, a service, or a server with all processes that belong to it."""
        pid = self.servers[name].pid if name in self.servers else self.pids[name]
        try:
            process = psutil.Process(pid)
            everyone = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            self.ended.append(name)
            return
        for each in everyone:
            with suppress(psutil.NoSuchProcess):  # a backend of PostgreSQL that has just ended
                each.send_signal(number)

    async def install_witnesses(self) -> None:
        """Have each gateway's outbox keep a copy of what it is given."""
        for name in GATEWAYS:
            await witness.install(self.folder / name, self.clock)

    def note_ended(self) -> None:
        """Who runs no more though nobody ended it?"""
        for name in SERVICES:
            if name in self.pids and not psutil.pid_exists(self.pids[name]):
                self.ended.append(name)
        self.ended += [name for name, server in self.servers.items() if not server.running]

    async def end_services(self) -> None:
        """Everything but the servers, which are to be read from."""
        for name in [*self.pids]:
            with suppress(ProcessLookupError):
                os.kill(self.pids[name], signal.SIGCONT)
                os.kill(self.pids.pop(name), signal.SIGKILL)
        for proxy in self.proxies.values():
            await proxy.stop()
        await self.air.stop()
        self.telephones.stop()

    def end(self) -> None:
        """The rest."""
        for pid in self.pids.values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for server in self.servers.values():
            if server.running:
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(server.pid).resume()
                server.stop()
        self.zygote.end()
        for disk in self.disks.values():
            disk.end()

    def _broker_url(self, name: str, service: str) -> str:
        proxy = self.proxies.get(name) or self.proxies.get(service)
        if proxy is None:
            return f"mqtt://127.0.0.1:{self.proxies['alerts'].port}"
        return f"mqtt://127.0.0.1:{proxy.port}"

    def _write_config(self) -> None:
        path = self.folder / "home.toml"
        lines: list[str] = []
        _table(lines, "[home]", id=self.plan.home)
        _table(lines, "[clock]", rate=self.rate, origin_us=self.origin_us)
        _table(lines, "[gateway]", radio="remote", radio_socket=str(self.folder / "air.socket"))
        _table(lines, "[alerts]", database=self.database)
        _table(lines, "[web]", port=self.web_port)
        if self.store_kind == "influx":
            _table(lines, "[ingest]", kind="influx", store=str(self.store_file), **KEPT)
            url = f"http://127.0.0.1:{self.proxies['store'].port}"
            _table(lines, "[ingest.influx]", url=url)
        else:
            _table(lines, "[ingest]", store=str(self.store_file), **KEPT)
        for gateway in self.plan.gateways:
            _table(lines, "[[gateways]]", name=gateway.name, zone=gateway.zone)
        residents = [wearable.resident for wearable in self.plan.wearables]
        for number, person in enumerate(STAFF):
            is_manager = person == STAFF[-1]
            _table(
                lines,
                "[[staff]]",
                id=person,
                name=person.title(),
                role="manager" if is_manager else "care_worker",
                floor="" if is_manager else "2/F",
                contact=f"json://127.0.0.1:{self.telephones.port}/{person}",
                residents=[] if is_manager else residents[number :: len(STAFF) - 1],
            )
        for wearable in self.plan.wearables:
            _table(
                lines,
                "[[residents]]",
                id=wearable.resident,
                name=wearable.resident.title(),
                bed=wearable.bed,
                zone=wearable.zone,
                floor="2/F",
                device=wearable.device,
                address=wearable.address,
                identity=wearable.identity,
                streaming=wearable.streaming,
            )
        path.write_text("\n".join(lines) + "\n")


def _table(lines: list[str], header: str, **values: Any) -> None:
    # JSON's strings, numbers, booleans and lists are TOML's.
    lines.append(header)
    lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
