"""Why a step of an escalation comes late: what a worker can honestly say about it.

Said in the incident's own log, beside the step, so that whoever asks afterwards why nobody came
for a minute finds an answer (DESIGN 6: on time, or late with a recorded reason).
"""

from __future__ import annotations

from typing import Final

from contract.clock import Clock
from contract.units import ns_to_seconds

LATE_S: Final = 10.0
"""From which a step is called late, as the auditor does: a worker is late by milliseconds."""


class Lookout:
    """Remembers when a worker looked for due steps last, and what kept it from looking.

    Parameters
    ----------
    clock
        Its monotonic side measures absences.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun_ns = clock.monotonic_ns()
        self._looked_ns: int | None = None
        self._obstacle: str | None = None

    def hindered(self, error: Exception) -> None:
        """The records could not be used."""
        self._obstacle = type(getattr(error, "orig", None) or error).__name__

    def looked(self) -> None:
        """What is due was seen and taken."""
        self._looked_ns = self._clock.monotonic_ns()
        self._obstacle = None

    def why(self) -> str:
        """Why something that was due before is taken only now."""
        since_ns = self._begun_ns if self._looked_ns is None else self._looked_ns
        absent_s = ns_to_seconds(self._clock.monotonic_ns() - since_ns)
        if self._obstacle is not None:
            return f"the records could not be used for {absent_s:.0f} s ({self._obstacle})"
        if self._looked_ns is None:
            return f"no worker took it; this one began {absent_s:.0f} s ago"
        if absent_s > LATE_S / 2:
            return f"no worker took it; this one had stood still for {absent_s:.0f} s"
        return "another worker held it"
