"""One run of chaos: begin, injure, care, settle, judge."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from alerts import Database, Desk, ResolutionOutcome
from alerts.errors import DeskError
from alerts.records.models import Incident
from contract.clock import SystemClock, now_us, within
from contract.ids import UuidSource
from contract.units import NS_PER_S, US_PER_S
from tools.chaos import judge, stored, witness
from tools.chaos.falls import only_clear_falls
from tools.chaos.home import SMALL_DISK_BYTES, STAFF, Home
from tools.chaos.inject import Done, Injector
from tools.chaos.judge import Loss, What
from tools.chaos.plan import (
    GATEWAYS,
    ROUND_S,
    WARM_UP_S,
    Injury,
    Need,
    home_of_sixty,
    plan_injuries,
    plan_needs,
)

RATE: Final = 5.0
"""Seconds of the home for each of the machine. Everything that the machine does seems five times
slower to the home; more, and two busy cores do no longer keep up with sixty wearables."""

HOURS: Final = 0.3
"""Of the home: 18 minutes in which every fault comes once and forty people need help; with the
starts and the end five minutes of a busy machine."""

START_LIMIT_S: Final = 120.0
"""The machine's seconds until the board knows of every service."""

SETTLE_S: Final = 600.0
"""Home time for everything to arrive after the last fault: resends pause for at most 60 s."""

AFTERWARDS_S: Final = 30.0
"""Home time after that in which what is doubled would show."""

CARE_S: Final = (75.0, 130.0, 160.0)
"""Home time from a page until somebody is there and says what it was, by turns: the escalation
goes on to the floor, and to the whole home. No sooner than a second gateway's word of the same
happening can be on its way (a link that hangs, a broker that stands still: a minute), which in
a home, at its true speed, the keep-alive limits to 20 s."""

ABOUT_CARE_S: Final = 2.0
_LOOK_S: Final = 1.0

_log = structlog.get_logger(__name__)


class Options(NamedTuple):
    """What a run is asked to be."""

    folder: Path
    seed: int
    store: str = "sqlite"
    hours: float = HOURS
    rate: float = RATE
    sabotage: bool = False
    """Lose something on purpose."""


class Report(NamedTuple):
    """What a run was."""

    options: Options
    injected: list[Done]
    left_out: list[str]
    alarms: int
    answered: int
    pages: int
    steps_late: int
    points_made: int
    points_stored: int
    invented: list[str]
    insisted: list[str]
    losses: list[Loss]

    @property
    def passed(self) -> bool:
        """Nothing was lost, and there was something to lose."""
        return not self.losses and bool(self.injected) and bool(self.alarms)


class Run:
    """One run."""

    def __init__(self, options: Options) -> None:
        plan = home_of_sixty()
        self.length_s = options.hours * 3_600.0
        self.options = options
        self.home = Home(
            options.folder,
            plan,
            rate=options.rate,
            store=options.store,
            seed=options.seed,
            store_bytes=SMALL_DISK_BYTES * max(1, round(self.length_s / ROUND_S)),
        )
        self.injector = Injector(self.home)
        self.injuries = plan_injuries(options.seed, options.store, self.length_s - WARM_UP_S)
        self.needs = plan_needs(options.seed, plan, self.length_s - WARM_UP_S)
        self._begun_ns = 0
        self._made: list[witness.Made] = []
        self._database = Database(self.home.database)

    async def play(self) -> Report:
        """All of it; the home is ended in any case."""
        try:
            with only_clear_falls():
                return await self._play()
        finally:
            self._database.close()
            await self.home.end_services()
            self.home.end()

    async def _play(self) -> Report:
        home = self.home
        living = asyncio.create_task(home.simulation.run())
        caring: asyncio.Task[None] | None = None
        try:
            await home.start()
            await home.install_witnesses()
            await self._until_everybody_is_there(START_LIMIT_S)
            _log.info("home_runs", residents=len(home.plan.wearables))
            self._begun_ns = home.clock.monotonic_ns()
            caring = asyncio.create_task(self._care())
            async with asyncio.TaskGroup() as deeds:
                deeds.create_task(self._need_help())
                if self.options.sabotage:
                    deeds.create_task(self._sabotage())
                for injury in self.injuries:
                    deeds.create_task(self._injure(injury))
            _log.info("last_fault_is_over", injected=len(self.injector.done))
            others = [
                Loss(What.OTHER, f"{name} had ended by itself") for name in home.ended
            ] + await self._settle()
            if living.done():
                living.result()
            return await self._judge(others)
        finally:
            tasks = [living] if caring is None else [living, caring]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    # -- what happens ---------------------------------------------------------------------

    async def _reach(self, at_s: float) -> None:
        gone_s = (self.home.clock.monotonic_ns() - self._begun_ns) / NS_PER_S
        await self.home.clock.sleep(max(0.0, at_s - gone_s))

    async def _injure(self, injury: Injury) -> None:
        await self._reach(injury.at_s)
        await self.injector.inject(injury)

    async def _sabotage(self) -> None:
        """What was measured during an outage disappears from the card."""
        await self._reach(WARM_UP_S)
        await self.injector.empty_outbox(GATEWAYS[0])

    async def _need_help(self) -> None:
        for need in self.needs:
            await self._reach(need.at_s)
            self._begin(need)

    def _begin(self, need: Need) -> None:
        if need.is_fall:
            self.home.simulation.fall(need.resident)
        else:
            self.home.simulation.press_button(need.resident)

    async def _care(self) -> None:
        """Somebody sees each alert, sooner or later, goes there, helps, and says so."""
        desk = Desk(
            self._database, self.home.clock, UuidSource(self.home.clock), self.home.plan.home
        )
        while True:
            await self.home.clock.sleep(ABOUT_CARE_S)
            helped: list[str] = []
            with suppress(SQLAlchemyError, DeskError):  # the records are away: later
                await asyncio.to_thread(self._visit, desk, helped)
            for resident in helped:
                self.home.simulation.help_up(resident)

    def _visit(self, desk: Desk, helped: list[str]) -> None:
        """Answer what has waited long enough; adds whom to help up."""
        moment_us = now_us(self.home.clock)
        for incident in desk.board().incidents:
            if incident.paged_at_us is None:
                continue
            patience_s = CARE_S[int(incident.id[-1], 16) % len(CARE_S)]
            if moment_us - incident.paged_at_us < patience_s * US_PER_S:
                continue
            desk.arrive(incident.id, STAFF[0])
            if incident.resident_id is not None:
                helped.append(incident.resident_id)
            desk.resolve(incident.id, STAFF[0], ResolutionOutcome.ASSISTED)

    # -- the end --------------------------------------------------------------------------

    async def _until_everybody_is_there(self, limit_s: float) -> None:
        """The board says that every gateway and service is online; in the machine's seconds.

        Raises
        ------
        TimeoutError
            If it does not in time.
        """
        machine = SystemClock()

        async def ask() -> None:
            url = f"http://127.0.0.1:{self.home.web_port}"
            async with httpx.AsyncClient(base_url=url) as browser:
                while not await _is_everybody_there(browser):
                    await machine.sleep(_LOOK_S / 2)

        await within(machine, limit_s, ask())

    async def _settle(self) -> list[Loss]:
        """Wait until everything has arrived, or long enough; what did not come back."""
        home = self.home
        self._made = [each for name in GATEWAYS for each in witness.read(home.folder / name)]
        end_ns = home.clock.monotonic_ns() + round(SETTLE_S * NS_PER_S)
        while home.clock.monotonic_ns() < end_ns:
            await home.clock.sleep(home.rate * _LOOK_S)
            if await asyncio.to_thread(self._has_arrived):
                break
        await home.clock.sleep(AFTERWARDS_S)
        home.note_ended()
        losses = [Loss(What.OTHER, f"{name} runs no more") for name in home.ended]
        try:
            await self._until_everybody_is_there(START_LIMIT_S)
        except TimeoutError:
            losses.append(Loss(What.OTHER, "the board does not say that everybody is online"))
        return losses

    def _has_arrived(self) -> bool:
        up_to, ahead = stored.read_ledger(self.home.store_file)
        if any(
            each.sequence > up_to.get((each.gateway, each.session), 0)
            and (each.gateway, each.session, each.sequence) not in ahead
            for each in self._made
        ):
            return False
        try:
            incidents = self._incidents()
        except SQLAlchemyError:
            return False
        truth = judge.true_alarms(self.home.simulation.truth)
        return judge.judge_alarms(truth, incidents).answered == len(truth)

    def _incidents(self) -> list[Incident]:
        with self._database.session() as session:
            return list(session.scalars(select(Incident)))

    async def _judge(self, others: list[Loss]) -> Report:
        home = self.home
        moment_us = now_us(home.clock)
        truth = judge.true_alarms(home.simulation.truth)
        with self._database.session() as session:
            incidents = list(session.scalars(select(Incident)))
            losses = [
                *others,
                *judge.judge_pages(session, home.telephones.rung),
                *judge.judge_steps(session, moment_us),
            ]
            steps_late = judge.count_late(session)
        alarms = judge.judge_alarms(truth, incidents)
        await home.end_services()
        if home.store_kind == "influx":
            content = stored.read_influx(home.influxd.url, "wardlight")
        else:
            content = stored.read_sqlite(home.store_file)
        points = judge.judge_points(self._made, content)
        losses += alarms.losses
        losses += points.losses
        losses += judge.judge_events(truth, content)
        losses += [Loss(What.OTHER, text) for text in stored.read_letters(home.store_file)]
        return Report(
            self.options,
            self.injector.done,
            list(self.injector.left_out),
            len(truth),
            alarms.answered,
            home.telephones.rung.total(),
            steps_late,
            points.made,
            points.stored,
            alarms.invented,
            alarms.insisted,
            losses,
        )


async def _is_everybody_there(browser: httpx.AsyncClient) -> bool:
    try:
        answer = (await browser.get("/api/v1/board")).raise_for_status()
    except httpx.HTTPError:
        return False
    services = answer.json()["services"]
    return len(services) >= len(GATEWAYS) + 2 and all(each["online"] for each in services)
