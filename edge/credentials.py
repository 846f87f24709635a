"""Whether the broker will go on letting this gateway in: its certificate, before it ends and when
it is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.units import NS_PER_S, US_PER_S, seconds_to_ns
from edge.faults import FaultBook

LOOK_S: Final = 10.0
"""Between two looks: well within the 60 s after which the loss of the broker is told."""

REFUSED_NS: Final = seconds_to_ns(20)
"""A broker that is being restarted, or a rotation under way, may refuse for some seconds."""

SOON_DAYS: Final = 30
"""A month for somebody to come by with a new enrolment; as the doctor has it."""

READ_NS: Final = 3_600 * NS_PER_S
"""The file is read once an hour: it changes every two years."""

_DAY_S: Final = 86_400


class CredentialWatch:
    """Raises the faults of a gateway's certificate, and clears them.

    Parameters
    ----------
    faults, clock
        The gateway's.
    refused
        Why the broker does not let us in because of a certificate; None while that is not so.
    ends_at
        When our certificate ends. May raise `OSError` or `ValueError`.
    """

    def __init__(
        self,
        faults: FaultBook,
        clock: Clock,
        refused: Callable[[], str | None],
        ends_at: Callable[[], datetime],
    ) -> None:
        self._faults = faults
        self._clock = clock
        self._refused = refused
        self._ends_at = ends_at
        self._refused_since_ns: int | None = None
        self._read_ns: int | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """One look."""
        now_ns = self._clock.monotonic_ns()
        await self._look_at_refusal(now_ns)
        if self._read_ns is None or now_ns - self._read_ns >= READ_NS:
            self._read_ns = now_ns
            await self._look_at_end()

    async def _look_at_refusal(self, now_ns: int) -> None:
        why = self._refused()
        if why is None:
            self._refused_since_ns = None
            await self._faults.clear(
                FaultCause.CERTIFICATE_REFUSED, "the broker lets this gateway in again"
            )
            return
        if self._refused_since_ns is None:
            self._refused_since_ns = now_ns
            # It may have been renewed in the meantime; or this is why.
            self._read_ns = None
        if now_ns - self._refused_since_ns >= REFUSED_NS:
            await self._faults.raise_fault(FaultCause.CERTIFICATE_REFUSED, why)

    async def _look_at_end(self) -> None:
        try:
            ends = self._ends_at()
        except (OSError, ValueError) as error:
            await self._faults.raise_fault(
                FaultCause.CERTIFICATE_EXPIRING,
                f"this gateway's certificate cannot be read: {error}; enrol it again",
            )
            return
        if not self._clock.synced():
            # Nobody knows; what an earlier session has raised stands until somebody does.
            self._read_ns = None
            return
        left_s = ends.timestamp() - now_us(self._clock) / US_PER_S
        if left_s >= SOON_DAYS * _DAY_S:
            await self._faults.clear(FaultCause.CERTIFICATE_EXPIRING, "the certificate is renewed")
            return
        days = int(left_s // _DAY_S)
        when = f"ends in {days} days" if days >= 0 else "has ended"
        await self._faults.raise_fault(
            FaultCause.CERTIFICATE_EXPIRING,
            f"this gateway's certificate {when}, on {ends:%d %B %Y}: renew it (wardlight provision "
            "rotate), or the broker will not let this gateway in",
        )
