"""Faults: what is not being monitored, raised once and cleared when it ends."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

from contract.clock import Clock
from contract.events import Event, EventKind, Evidence, FaultCause
from contract.units import seconds_to_ns
from edge.outbox_rows import Standing
from edge.reporter import About, Reporter
from edge.wearables import Wearable

QUIET_S: Final = 600.0
"""A fault that is a happening and not a state (a rejected packet, a jump of the clock) ends
when it has not happened again for ten minutes: long enough that one that comes back every
few minutes stays one fault, and does not knock at each return."""


PART: Final = "/"
"""Between a gateway's name and that of its part. No identifier of a device has one."""


class FaultKey(NamedTuple):
    """What a fault is about; the same one is raised only once until it is cleared."""

    cause: FaultCause
    subject: str
    """A device, the gateway's name, or a part of it (`FaultBook.part`)."""

    @property
    def text(self) -> str:
        """As in `Event.key`."""
        return f"{self.subject}:fault:{self.cause.value}"


class _Stand(NamedTuple):
    """How a fault stands."""

    ends_ns: int | None
    """When it ends by itself, monotonic; None: when somebody clears it."""
    detail: str
    """What was said of it last."""


class FaultBook:
    """The faults that stand.

    They outlive a lost connection and a restart: what an earlier session raised is known
    again, and is cleared by this one when it ends.
    """

    def __init__(self, reporter: Reporter, clock: Clock) -> None:
        self._reporter = reporter
        self._clock = clock
        self._standing: dict[FaultKey, _Stand] = {}
        self.also_enrolled: Container[str] = frozenset()
        """Devices of the configuration in force that are no wearables."""

    def restore(self, events: list[Event]) -> None:
        """Take over what stood when the last session ended."""
        for event in events:
            if event.cause is not None:
                key = FaultKey(event.cause, event.device or event.gateway)
                self._standing[key] = _Stand(self._ends_ns(event.cause), event.detail or "")

    @property
    def standing(self) -> list[FaultKey]:
        """Everything that has been raised and not cleared, in a fixed order."""
        return sorted(self._standing)

    def stands(self, cause: FaultCause, subject: str) -> bool:
        """Whether this fault has been raised and not cleared."""
        return FaultKey(cause, subject) in self._standing

    def any_of(self, cause: FaultCause) -> list[str]:
        """Subjects of which this fault stands."""
        return sorted(key.subject for key in self._standing if key.cause is cause)

    def devices(self, causes: frozenset[FaultCause]) -> dict[str, list[str]]:
        """Those of `causes` that stand, by subject."""
        found: dict[str, list[str]] = {}
        for key in sorted(self._standing):
            if key.cause in causes:
                found.setdefault(key.subject, []).append(key.cause.value)
        return found

    async def leave(self, cause: FaultCause, subject: str) -> None:
        """Hold it no longer and say nothing: another gateway, which holds it as well, will."""
        key = FaultKey(cause, subject)
        if key in self._standing:
            del self._standing[key]
            await self._reporter.forget(key.text)

    def causes(self) -> list[str]:
        """Causes that stand now, each once."""
        return sorted({key.cause.value for key in self._standing})

    def part(self, name: str) -> str:
        """The subject for a part of this gateway, such as its adapter ``hci0``. Each gateway of
        a home has one of that name.
        """
        return f"{self._reporter.sender.gateway}{PART}{name}"

    async def raise_fault(
        self,
        cause: FaultCause,
        detail: str,
        wearable: Wearable | None = None,
        *,
        subject: str | None = None,
        zone: str | None = None,
        evidence: Evidence | None = None,
        renew: bool = False,
    ) -> None:
        """Say that something is wrong, unless it has been said.

        Parameters
        ----------
        subject
            What it is about, where that is neither a wearable nor the whole gateway.
        zone
            Where that is, if not where the gateway is.
        evidence
            What is known of it, for machines.
        renew
            Whether a fault that stands is said again when `detail` has changed: who reads it
            sees the newest. For details that change seldom, such as what was tried last.
        """
        key = FaultKey(cause, subject or self._subject(wearable))
        before = self._standing.get(key)
        is_said = before is not None and (not renew or before.detail == detail)
        # Before the report, which may find a fault itself: it must not be told twice.
        self._standing[key] = _Stand(
            self._ends_ns(cause), before.detail if before is not None and is_said else detail
        )
        if not is_said:
            await self._report(EventKind.FAULT, key, detail, wearable, zone=zone, evidence=evidence)

    async def clear(
        self,
        cause: FaultCause,
        detail: str,
        wearable: Wearable | None = None,
        *,
        subject: str | None = None,
        zone: str | None = None,
    ) -> None:
        """Say that it is over, if it was raised."""
        if not self._standing:
            return
        key = FaultKey(cause, subject or self._subject(wearable))
        if key in self._standing:
            del self._standing[key]
            await self._report(EventKind.FAULT_CLEARED, key, detail, wearable, zone=zone)

    async def expire(self, by_device: dict[str, Wearable]) -> None:
        """End what has not happened again, and what concerned a device that is gone."""
        now_ns = self._clock.monotonic_ns()
        for key, stand in list(self._standing.items()):
            # Without anyone enrolled the configuration has not come yet.
            is_gone = (
                bool(by_device)
                and key.subject != self._reporter.sender.gateway
                and PART not in key.subject
                and key.subject not in by_device
                and key.subject not in self.also_enrolled
            )
            if is_gone or (stand.ends_ns is not None and stand.ends_ns <= now_ns):
                del self._standing[key]
                detail = "it is no longer enrolled" if is_gone else "it has not happened again"
                await self._report(EventKind.FAULT_CLEARED, key, detail, by_device.get(key.subject))

    async def _report(
        self,
        kind: EventKind,
        key: FaultKey,
        detail: str,
        wearable: Wearable | None,
        *,
        zone: str | None = None,
        evidence: Evidence | None = None,
    ) -> None:
        device = key.subject if key.subject != self._reporter.sender.gateway else None
        about = About(
            wearable=wearable,
            key=key.text,
            cause=key.cause,
            detail=detail,
            device=device,
            zone=zone,
            evidence=evidence,
        )
        await self._reporter.emit(
            kind, about, standing=Standing(key.text, raised=kind is EventKind.FAULT)
        )

    def _ends_ns(self, cause: FaultCause) -> int | None:
        if cause not in _HAPPENINGS:
            return None
        return self._clock.monotonic_ns() + seconds_to_ns(QUIET_S)

    def _subject(self, wearable: Wearable | None) -> str:
        return wearable.device if wearable is not None else self._reporter.sender.gateway


DISTRUST: Final = frozenset(
    {
        FaultCause.NOT_WORN,
        FaultCause.WEAR_UNKNOWN,
        FaultCause.SENSOR_FAULT,
        FaultCause.BATTERY_LOW,
        FaultCause.CLOCK_DRIFT,
    }
)
"""Faults of a wearable that several gateways judge, each by what it hears (`edge.trust`)."""

_HAPPENINGS: Final = frozenset(
    {
        FaultCause.ADDRESS_CONFLICT,
        FaultCause.CLOCK_JUMPED,
        FaultCause.EVENT_REJECTED,
        FaultCause.PACKET_REJECTED,
        FaultCause.PUBLISH_REFUSED,
        FaultCause.SAMPLES_LATE,
        FaultCause.SCAN_STARVED,
        FaultCause.TELEMETRY_DROPPED,
        FaultCause.WEARABLE_REBOOTED,
    }
)
"""Faults that happen at a moment; the others are states that somebody sees end."""
