"""The auditor: compares each alert with the step it should be at, and trusts nobody.

It knows the plan and the clock, not how the worker goes about its work. What it finds late it
reports as a fault, repairs where a timer is missing, and kicks the worker. If that does not
help, `stalled_for_s` grows, the service's heartbeat stops, and the gateways' sirens take over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import faults, schedule, transitions
from alerts.policy import LogKind, StepName
from alerts.records.database import DATABASE_ERRORS, Database
from alerts.records.models import EscalationStep, Incident
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.messages import IncidentState
from contract.units import US_PER_S, ns_to_seconds

AUDIT_INTERVAL_S: Final = 10.0
"""A stall is seen within this and `GRACE_S` of its beginning, a third of a step."""

GRACE_S: Final = 10.0
"""How late a step may be before it is called stalled; a worker is late by milliseconds."""

_GRACE_US: Final = round(GRACE_S * US_PER_S)

_TIMER_OF_STATE: Final = {
    IncidentState.UNPAGED: StepName.DEADLINE,
    IncidentState.OPEN: StepName.REPEAT,
    IncidentState.ACKNOWLEDGED: StepName.ARRIVAL,
}
"""What is set when a timer is missing altogether. An arrived incident waits for its people."""

log = structlog.get_logger(__name__)


class Auditor:
    """Audits at its own pace.

    Parameters
    ----------
    wake
        Kicks the worker.
    """

    def __init__(
        self, home: str, clock: Clock, database: Database, wake: Callable[[], None]
    ) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._wake = wake
        self._stalled_since_ns: int | None = None
        self._fault_open = True  # of an earlier run, perhaps: the first clean audit ends it
        self.audits = 0
        self.last_ns = clock.monotonic_ns()
        """When the last audit was done, monotonic: to be watched from outside."""

    @property
    def stalled_for_s(self) -> float:
        """How long something has been stalled, seconds; 0 when nothing is."""
        if self._stalled_since_ns is None:
            return 0.0
        return ns_to_seconds(self._clock.monotonic_ns() - self._stalled_since_ns)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(AUDIT_INTERVAL_S)
            try:
                stalled = await self._database.run(self.audit)
            except DATABASE_ERRORS as error:
                log.error("audit_failed", error=str(error))
                continue  # `last_ns` grows old, and that is watched
            self.audits += 1
            self.last_ns = self._clock.monotonic_ns()
            if not stalled:
                self._stalled_since_ns = None
                continue
            if self._stalled_since_ns is None:
                self._stalled_since_ns = self.last_ns
            self._wake()

    def audit(self) -> list[str]:
        """Look at every incident once.

        Returns
        -------
        list of str
            Ids of the incidents that are not where they should be.
        """
        moment_us = now_us(self._clock)
        if not self._fault_open and not self._database.in_motion(self._home):
            return []
        with self._database.session() as session:
            late = [incident.id for incident, _ in _find_stalled(session, self._home, moment_us)]
        if late or self._fault_open:
            self._write(moment_us)
        return late

    def _write(self, moment_us: int) -> None:
        with self._database.transaction(self._home) as session:
            stalled = _find_stalled(session, self._home, moment_us)
            for incident, missing in stalled:
                if missing is not None:
                    schedule.add(session, incident, missing, moment_us)
                    transitions.write_log(
                        session,
                        incident,
                        LogKind.STALL_REPAIRED,
                        moment_us,
                        by="auditor",
                        detail=missing,
                    )
            cause = FaultCause.ESCALATION_STALLED
            if stalled:
                where = ", ".join(
                    incident.bed or incident.subject.partition(":")[2] for incident, _ in stalled
                )
                detail = f"Calls for {where} are late. Go there now, and check the alert service."
                faults.report(
                    session, self._home, cause, faults.OWN, detail=detail, now_us=moment_us
                )
                log.error("escalation_stalled", incidents=[each.id for each, _ in stalled])
            else:
                faults.clear(session, self._home, cause, faults.OWN, now_us=moment_us)
            self._fault_open = bool(stalled)


def _find_stalled(
    session: Session, home: str, moment_us: int
) -> list[tuple[Incident, StepName | None]]:
    """Incidents that are late, each with the timer that is missing, if one is."""
    incidents = session.scalars(
        select(Incident).where(
            Incident.home == home, Incident.state.in_([state.value for state in _TIMER_OF_STATE])
        )
    ).all()
    found: list[tuple[Incident, StepName | None]] = []
    for incident in incidents:
        rows = session.scalars(
            select(EscalationStep).where(
                EscalationStep.home == home,
                EscalationStep.incident_id == incident.id,
                EscalationStep.round == incident.round,
            )
        ).all()
        try:
            missing = _missing(incident, rows, moment_us)
        except ValueError:  # a record of another version: nobody is paged for it, so say so
            log.exception("record_not_understood", incident=incident.id)
            found.append((incident, None))
            continue
        if missing is not None or any(_is_late(row, moment_us) for row in rows):
            found.append((incident, missing))
    return found


def _is_late(row: EscalationStep, moment_us: int) -> bool:
    if row.done_at_us is not None:
        return False
    allowed_us = max(row.next_at_us, row.claimed_until_us or 0) + _GRACE_US
    return moment_us > allowed_us


def _missing(incident: Incident, rows: Sequence[EscalationStep], moment_us: int) -> StepName | None:
    """The timer that ought to exist and does not."""
    state = IncidentState(incident.state)
    pending = {row.step for row in rows if row.done_at_us is None}
    if state is not IncidentState.OPEN:
        timer = _TIMER_OF_STATE[state]
        return None if timer in pending else timer
    if not pending:
        return StepName.REPEAT
    there = {row.step for row in rows}
    steps = schedule.plan_of(incident).steps[incident.first_step :]
    elapsed_us = moment_us - (incident.raised_at_us or moment_us) - _GRACE_US
    for step in steps:
        due_us = (step.after_s - steps[0].after_s) * US_PER_S
        if due_us <= elapsed_us and step.name not in there:
            return step.name
    return None
