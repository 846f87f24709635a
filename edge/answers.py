"""Answers given at the gateway itself: at its page or by the siren's button."""

from __future__ import annotations

from contract.clock import Clock
from contract.events import SIREN_BUTTON, Event, EventKind
from edge.outbox import EventOutbox
from edge.reporter import About, Reporter
from edge.siren_control import SirenControl
from edge.siren_policy import REMEMBERED


class Answers:
    """Makes each answer one event, whose receipt the outbox waits for."""

    def __init__(
        self, reporter: Reporter, siren: SirenControl, outbox: EventOutbox, clock: Clock
    ) -> None:
        self._reporter = reporter
        self._siren = siren
        self._outbox = outbox
        self._clock = clock
        self._given: dict[str, Event] = {}

    async def acknowledge(self, incident_or_event: str, by: str = SIREN_BUTTON) -> Event:
        """Somebody is going: the siren stops, and the alert service is told.

        Parameters
        ----------
        incident_or_event
            An incident's id, or that of an alarm of it: a gateway without the alert service
            knows only its own events.
        by
            Who or what.

        Returns
        -------
        Event
            The acknowledgement; the same one when asked again, until the alarm is raised anew.
        """
        policy = self._siren.policy
        stands = policy.silences(incident_or_event)
        incident = policy.acknowledge(
            incident_or_event, self._outbox.pending.values(), self._clock.monotonic_ns()
        )
        for name in (incident, incident_or_event):
            if stands and name in self._given:
                return self._given[name]
        about = About(incident=incident, by=by, key=f"{incident}:acknowledged")
        event = await self._reporter.emit(EventKind.ACKNOWLEDGED, about)
        for name in (incident, incident_or_event):
            self._given[name] = event
        while len(self._given) > REMEMBERED:
            del self._given[next(iter(self._given))]
        return event
