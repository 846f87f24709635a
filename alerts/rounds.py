"""Keeps the manual checks to the losses of cover, and raises what nobody has looked after.

Like the escalation: what is due is claimed in one transaction, told outside any, and what became
of it is written in another; a claim that runs out is told again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from alerts import checks, cover, faults
from alerts.channels import Channel, Notice
from alerts.checks import CheckLogKind
from alerts.clockwatch import ClockWatch
from alerts.escalation import CLAIM_S, RETRY_S, channel_for, deliver
from alerts.recipients import in_charge
from alerts.records.database import DATABASE_ERRORS, Database
from alerts.records.models import ManualCheck, Staff
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.ids import IdSource
from contract.messages import Priority
from contract.units import US_PER_S

KIND: Final = "manual_check"
"""What a channel is told that it is about."""

_CLAIM_US: Final = round(CLAIM_S * US_PER_S)

log = structlog.get_logger(__name__)


class _Raise(NamedTuple):
    """One overdue check with the messages about it."""

    check: str
    calls: list[tuple[Notice, Channel]]


class Rounds:
    """Does what is due whenever it is woken.

    Parameters
    ----------
    every_s
        Seconds between two looks at a bed without cover.
    watch
        Asked before times are compared.
    counts
        Where it is counted how often people were interrupted for a check.
    """

    def __init__(  # noqa: PLR0917 - collaborators, as of the escalation's worker
        self,
        home: str,
        clock: Clock,
        ids: IdSource,
        database: Database,
        channels: Sequence[Channel],
        watch: ClockWatch,
        *,
        every_s: int,
        counts: Counter[str],
    ) -> None:
        self._home = home
        self._clock = clock
        self._ids = ids
        self._database = database
        self._channels = channels
        self._watch = watch
        self._every_s = every_s
        self._counts = counts
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look soon; only from the event loop."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as sending:
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    raised = await self._database.run(self._look)
                except DATABASE_ERRORS as error:
                    log.error("manual_checks_not_kept", error=str(error))
                    await self._clock.sleep(RETRY_S)
                    self._wake.set()
                    continue
                for each in raised:
                    sending.create_task(self._tell(each))

    def _look(self) -> list[_Raise]:
        """Read first: most changes of a home are none of cover, and need no write."""
        self._watch.check()
        moment_us = now_us(self._clock)
        with self._database.session() as session:
            due_us = checks.next_at_us(session, self._home)
            is_due = due_us is not None and due_us <= moment_us
            losses = cover.losses(session, self._home, moment_us)
            if not is_due and not checks.differs(session, self._home, losses, self._every_s):
                return []
        with self._database.transaction(self._home) as session:
            losses = cover.losses(session, self._home, moment_us)
            if checks.differs(session, self._home, losses, self._every_s):
                checks.reconcile(
                    session,
                    self._home,
                    losses,
                    every_s=self._every_s,
                    now_us=moment_us,
                    ids=self._ids,
                )
            rows = checks.overdue(session, self._home, moment_us)
            people = in_charge(session, self._home) if rows else []
            return [self._claim(row, people, moment_us) for row in rows]

    def _claim(self, row: ManualCheck, people: Sequence[Staff], moment_us: int) -> _Raise:
        row.claimed_until_us = moment_us + _CLAIM_US
        calls = []
        for person in people:
            if person.contact:
                notice = Notice(
                    row.id, Priority.MEDIUM, KIND, None, KIND, person.id, person.contact
                )
                calls.append((notice, channel_for(person.contact, self._channels)))
        return _Raise(row.id, calls)

    async def _tell(self, raised: _Raise) -> None:
        errors = await asyncio.gather(
            *(deliver(channel, notice) for notice, channel in raised.calls)
        )
        told = [
            (notice, channel, error)
            for (notice, channel), error in zip(raised.calls, errors, strict=True)
        ]
        self._counts["manual_checks_raised"] += 1
        try:
            await self._database.run(self._record, raised.check, told)
        except DATABASE_ERRORS as error:
            log.error("manual_check_not_recorded", check=raised.check, error=str(error))

    def _record(self, check: str, told: list[tuple[Notice, Channel, str | None]]) -> None:
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home) as session:
            row = session.get_one(ManualCheck, check)
            who = ", ".join(notice.recipient for notice, _, _ in told) or "the board only"
            checks.write_log(session, row, CheckLogKind.OVERDUE, moment_us, detail=who)
            for notice, channel, error in told:
                about = faults.About(f"staff:{notice.recipient}")
                cause, what = FaultCause.CHANNEL_FAILED, CheckLogKind.NOTIFIED
                if error is None:
                    faults.clear(session, self._home, cause, about, now_us=moment_us)
                else:
                    what = CheckLogKind.NOT_NOTIFIED
                    detail = (
                        f"{notice.recipient} could not be told by {channel.name}: {error}. "
                        "Check the contact and the network."
                    )
                    faults.report(
                        session, self._home, cause, about, detail=detail, now_us=moment_us
                    )
                checks.write_log(session, row, what, moment_us, by=notice.recipient, detail=error)
            if row.ended_at_us is None and row.claimed_until_us is not None:
                row.claimed_until_us = None
                row.raised += 1
                row.next_at_us = moment_us + row.every_s * US_PER_S
        log.warning("manual_check_overdue", check=check, told=len(told))
