"""What is done about an adapter that hears nothing: a ladder, one rung after the other.

Its last will and its status stay healthy while an adapter is deaf (OpenMQTTGateway #1278,
FIELD): only adverts heard prove that it hears. The rungs are those of habluetooth and Theengs
#264: restart the scan, switch the adapter off and on, restart the Bluetooth service, ask for a
reboot. Each waits for its effect before the next, and is told.

Pure: what the rungs do is behind `Remedies`, and time is the clock's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

import structlog

from contract.clock import Clock
from contract.units import NS_PER_S, seconds_to_ns
from edge.waiting import WaitedTooLongError, within
from edge.wearables import NEVER

_log = structlog.get_logger(__name__)

SILENT_NS: Final = seconds_to_ns(90)
"""An adapter that hears nobody for so long has stopped (habluetooth, FIELD): in any house
something advertises each second. BlueZ forgets its devices after 180 s; two rungs fit in before."""

CHECK_S: Final = 30.0
"""Between two looks (habluetooth, FIELD)."""

EFFECT_NS: Final = seconds_to_ns(60)
"""What a rung has to show for itself before the next. A restarted scan hears within seconds, a
restarted service has its adapters back within twenty; twice the time of a look covers both."""

MEMORY_NS: Final = seconds_to_ns(600)
"""A rung that was used so lately did not last: the next silence begins one higher. Otherwise an
adapter that goes deaf each two minutes would have its scan restarted all day, and nobody told
more than that."""

AGAIN_NS: Final = seconds_to_ns(3_600)
"""After a person was asked, the ladder is climbed once an hour: what is dead stays dead, and what
somebody plugged in again comes back by itself. More often would only cut links."""


class Rung(IntEnum):
    """What is tried, in this order."""

    SCAN = 1
    POWER = 2
    SERVICE = 3
    PERSON = 4


LIMIT_S: Final[Mapping[Rung, float]] = MappingProxyType(
    {Rung.SCAN: 20.0, Rung.POWER: 30.0, Rung.SERVICE: 60.0, Rung.PERSON: 20.0}
)
"""How long a rung may take before it is given up: BlueZ may never answer (``InProgress``, FIELD).
A scan is ended and begun (5 and 10 s at most), the adapter's power takes two calls more, and
systemd waits up to 30 s for a service that does not end."""

DONE: Final[Mapping[Rung, str]] = MappingProxyType(
    {
        Rung.SCAN: "its scan was restarted",
        Rung.POWER: "it was switched off and on",
        Rung.SERVICE: "the Bluetooth service was restarted",
        Rung.PERSON: "nothing that this gateway can do has helped: switch the gateway off and on "
        "at its plug; if that does not help, exchange the adapter",
    }
)

NOT_DONE: Final[Mapping[Rung, str]] = MappingProxyType(
    {
        Rung.SCAN: "its scan could not be restarted",
        Rung.POWER: "it could not be switched off and on",
        Rung.SERVICE: "the Bluetooth service could not be restarted",
    }
)


class RemedyFailedError(RuntimeError):
    """Something could not be done about a deaf adapter; the reason is the message."""


class Remedies(Protocol):
    """What the rungs do. Each returns once it is done, and raises `RemedyFailedError` if it cannot
    be.
    """

    async def restart_scan(self, adapter: str) -> None:
        """End the scan and begin it again."""
        ...

    async def power_cycle(self, adapter: str) -> None:
        """Switch the adapter off and on."""
        ...

    async def restart_service(self) -> None:
        """Restart bluetoothd; all links of all adapters are lost."""
        ...

    async def reboot(self) -> None:
        """Restart the machine."""
        ...


class _Ladder:
    """Where one adapter stands."""

    __slots__ = ("detail", "heard_ns", "ready_ns", "rung", "used", "watched", "watched_ns")

    def __init__(self) -> None:
        self.heard_ns: Callable[[], int] = lambda: NEVER
        self.watched = False
        self.watched_ns = 0
        self.rung: Rung | None = None
        """The highest one of this silence, while it lasts."""
        self.detail: str | None = None
        self.ready_ns = 0
        """Before then the last rung may still show its effect."""
        self.used: dict[Rung, int] = {}
        """When each rung was last tried."""

    def silent_ns(self, now_ns: int) -> int:
        return now_ns - max(self.heard_ns(), self.watched_ns)

    def next_rung(self, now_ns: int) -> Rung | None:
        """The one to try now; none once a person was asked."""
        asked_ns = self.used.get(Rung.PERSON)
        if asked_ns is not None and self.rung is Rung.PERSON and now_ns - asked_ns < AGAIN_NS:
            return None
        lately = [rung for rung, at_ns in self.used.items() if now_ns - at_ns < MEMORY_NS]
        return Rung(min(max(lately, default=0) + 1, Rung.PERSON))


class Deaf(NamedTuple):
    """An adapter that hears nothing."""

    adapter: str
    detail: str
    """How long it had heard nothing, and what was done last."""


class Watchdog:
    """Looks at every adapter that it was told of, and climbs the ladder for those that are deaf.

    Parameters
    ----------
    remedies
        What the rungs do.
    reboot_when_deaf
        Whether the machine is restarted when no adapter hears anything and all else has failed;
        otherwise a person is asked to.
    """

    def __init__(self, clock: Clock, remedies: Remedies, *, reboot_when_deaf: bool = False) -> None:
        self._clock = clock
        self._remedies = remedies
        self._reboots = reboot_when_deaf
        self._ladders: dict[str, _Ladder] = {}
        self._do: Mapping[Rung, Callable[[str], Awaitable[None]]] = {
            Rung.SCAN: remedies.restart_scan,
            Rung.POWER: remedies.power_cycle,
            Rung.SERVICE: self._restart_service,
        }

    def watch(self, adapter: str, heard_ns: Callable[[], int]) -> None:
        """Begin to look at an adapter that should hear from now on.

        Parameters
        ----------
        heard_ns
            Says when it last heard an advert, on the clock's monotonic time; `NEVER` if it has not.
        """
        ladder = self._ladders.setdefault(adapter, _Ladder())
        ladder.heard_ns = heard_ns
        ladder.watched = True
        ladder.watched_ns = self._clock.monotonic_ns()

    def forget(self, adapter: str) -> None:
        """It is gone. What was tried is remembered: a restart of the service takes every adapter
        away for a moment, and the ladder must not begin anew for it.
        """
        ladder = self._ladders.get(adapter)
        if ladder is not None:
            ladder.watched = False

    def deaf(self) -> list[Deaf]:
        """What stands now, by adapter."""
        return [
            Deaf(name, ladder.detail)
            for name, ladder in sorted(self._ladders.items())
            if ladder.watched and ladder.detail is not None
        ]

    async def run(self) -> None:
        """Look each `CHECK_S` until cancelled."""
        while True:
            await self._clock.sleep(CHECK_S)
            await self.check()

    async def check(self) -> None:
        """Look at every adapter once, and try the next rung where it is due."""
        for name, ladder in sorted(self._ladders.items()):
            now_ns = self._clock.monotonic_ns()
            if not ladder.watched:
                continue
            if ladder.silent_ns(now_ns) < SILENT_NS:
                # A silence that was told has ended once something was heard, and not by a
                # new beginning of the watch alone.
                if ladder.detail is not None and ladder.heard_ns() >= ladder.watched_ns:
                    _log.info("adapter_hears_again", adapter=name)
                    ladder.rung = ladder.detail = None
                continue
            rung = ladder.next_rung(now_ns) if now_ns >= ladder.ready_ns else None
            if rung is not None:
                await self._try(name, ladder, rung)

    async def _try(self, name: str, ladder: _Ladder, rung: Rung) -> None:
        if rung is Rung.SERVICE and self._somebody_hears():
            # It would cut the links and deafen those that hear.
            rung = Rung.PERSON
        silent_s = ladder.silent_ns(self._clock.monotonic_ns()) // NS_PER_S
        failed = await self._attempt(name, rung)
        now_ns = self._clock.monotonic_ns()
        ladder.used[rung] = now_ns
        ladder.ready_ns = now_ns if failed else now_ns + EFFECT_NS
        what = f"{NOT_DONE[rung]} ({failed})" if failed else self._done(rung)
        _log.warning("adapter_silent", adapter=name, silent_s=silent_s, rung=rung.name, tried=what)
        if ladder.rung is None or rung > ladder.rung:
            # A second climb says nothing new: a person stays asked.
            ladder.rung = rung
            ladder.detail = f"{name} has heard nothing for {silent_s} s; {what}"
        if rung is Rung.PERSON and self._restarts_machine():
            await self._reboot(name, ladder, silent_s)

    async def _attempt(self, name: str, rung: Rung) -> str | None:
        """Do it; returns why it failed, if it did."""
        do = self._do.get(rung)
        if do is None:
            return None
        try:
            await within(self._clock, LIMIT_S[rung], do(name), "it")
        except (RemedyFailedError, WaitedTooLongError) as error:
            return str(error)
        return None

    def _done(self, rung: Rung) -> str:
        if rung is Rung.PERSON and self._restarts_machine():
            return "nothing else has helped: this gateway restarts now"
        return DONE[rung]

    async def _restart_service(self, adapter: str) -> None:
        await self._remedies.restart_service()
        # One restart is everybody's.
        now_ns = self._clock.monotonic_ns()
        for name, ladder in self._ladders.items():
            if name != adapter:
                ladder.used[Rung.SERVICE] = now_ns
                ladder.ready_ns = max(ladder.ready_ns, now_ns + EFFECT_NS)

    def _somebody_hears(self) -> bool:
        now_ns = self._clock.monotonic_ns()
        return any(
            ladder.watched and now_ns - ladder.heard_ns() < SILENT_NS
            for ladder in self._ladders.values()
        )

    def _restarts_machine(self) -> bool:
        return self._reboots and not self._somebody_hears()

    async def _reboot(self, name: str, ladder: _Ladder, silent_s: int) -> None:
        try:
            await within(self._clock, LIMIT_S[Rung.PERSON], self._remedies.reboot(), "a reboot")
        except (RemedyFailedError, WaitedTooLongError) as error:
            _log.error("reboot_failed", adapter=name, reason=str(error))
            ladder.detail = (
                f"{name} has heard nothing for {silent_s} s; {DONE[Rung.PERSON]} "
                f"(it could not restart itself: {error})"
            )
