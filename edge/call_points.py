"""Wall call points: a press is an alarm at once, and one press is one alarm."""

from __future__ import annotations

import hashlib
from typing import Final

from contract.events import EventKind, Evidence
from contract.messages import SensorConfig
from contract.units import NS_PER_S, US_PER_S, seconds_to_ns
from edge.counters import Counts
from edge.outbox import EventOutbox
from edge.outbox_rows import Counter
from edge.reporter import About, Reporter
from edge.sensors import Press
from edge.timebase import SessionTime

PRESS: Final = "press"
PRESSES_HELD_BACK: Final = "presses_held_back"
"""Counted."""
CALL_POINT_DETECTOR: Final = "call_point/1"

REPEATED_AFTER_RESTART_NS: Final = seconds_to_ns(30)
"""A sensor without a key numbers its packets to 255 and begins anew. A packet of the same number is
the one that was told before the process was killed if it comes within what a restart takes (some
seconds); later it is another press, and a press told twice is better than one not at all."""

KEY_SPAN_US: Final = 60 * US_PER_S
"""For the same reason such a number names a press for a minute only, between gateways, too."""

PRESSES_AT_ONCE: Final = 10
PRESS_EVERY_NS: Final = seconds_to_ns(10)
"""Of one call point so many are told at once, and then one in so long: a button that is stuck or
held sends several packets a second, for hours. Whoever presses in fear does so a few times, an
alarm stands by then, and the next press after it is told ten seconds later at most."""

_DOUBTFUL: Final = " This may be a copy of an earlier message: the sensor's fault says why."

_HOW: Final = {1: "", 2: " twice", 3: " three times", 4: " long"}


class CallPoints:
    """Reports presses, each once, also if the process is killed in between.

    Parameters
    ----------
    boot
        Id of the machine's boot.
    """

    def __init__(
        self,
        *,
        outbox: EventOutbox,
        reporter: Reporter,
        time: SessionTime,
        boot: str,
        counts: Counts,
    ) -> None:
        self._outbox = outbox
        self._reporter = reporter
        self._time = time
        self._boot = boot
        self._counts = counts
        self._told: set[Counter] = set()
        """What an earlier session told."""
        self._used_ns: dict[str, int] = {}
        """Until when the presses told of each would have used up its share, one after the other."""

    def load(self) -> None:
        """Take over what an earlier session told; the outbox has been opened."""
        self._told = {each for each in self._outbox.results if each.what.startswith(PRESS)}

    async def tell(self, press: Press) -> bool:
        """Report a press, unless an earlier session did, or there are too many; whether it was."""
        sensor, value, at_ns = press.sensor, press.value, press.at_ns
        counter = self._counter(press)
        if counter is not None and self._was_told(counter, has_key=bool(sensor.config.key)):
            return False
        if self._are_too_many(sensor.device, at_ns):
            self._counts[PRESSES_HELD_BACK] += 1
            return False
        config = sensor.config
        about = About(
            key=self._key(press),
            evidence=Evidence(detector=CALL_POINT_DETECTOR, features={"press": float(value)}),
            detail=f"The call point in {config.zone} was pressed{_HOW.get(value, '')}."
            + (_DOUBTFUL if press.is_doubtful else ""),
            device=config.device,
            resident=config.resident,
            zone=config.zone,
        )
        await self._reporter.emit(
            EventKind.HELP_REQUESTED, about, at_monotonic_ns=at_ns, result=counter
        )
        if counter is not None:
            # Only the latest can still be repeated.
            await self._outbox.forget_results(config.device, PRESS, but=counter)
        return True

    def _are_too_many(self, device: str, at_ns: int) -> bool:
        used_ns = max(self._used_ns.get(device, at_ns), at_ns)
        if used_ns - at_ns > (PRESSES_AT_ONCE - 1) * PRESS_EVERY_NS:
            return True
        self._used_ns[device] = used_ns + PRESS_EVERY_NS
        return False

    def _counter(self, press: Press) -> Counter | None:
        """What the outbox knows the press by; None where one cannot be told from the next."""
        sensor, mark, at_ns = press.sensor, press.mark, press.at_ns
        if mark is None:
            return None
        if sensor.config.key is not None:
            return Counter(sensor.device, PRESS, _enrolment(sensor.config), mark)
        return Counter(sensor.device, f"{PRESS}/{self._boot}", at_ns // NS_PER_S, mark)

    def _was_told(self, counter: Counter, *, has_key: bool) -> bool:
        if has_key:
            return counter in self._told
        return any(
            (told.device, told.what, told.counter)
            == (counter.device, counter.what, counter.counter)
            and 0 <= counter.boot - told.boot <= REPEATED_AFTER_RESTART_NS // NS_PER_S
            for told in self._told
        )

    def _key(self, press: Press) -> str:
        """The same for the same press, whoever hears it."""
        sensor, mark, at_ns = press.sensor, press.mark, press.at_ns
        about = f"{sensor.config.resident or sensor.device}:help:{sensor.device}"
        at_us = self._time.wall_us(at_ns)
        if mark is None:
            return f"{about}:at:{at_us}"
        if sensor.config.key is not None:
            return f"{about}:{mark}"
        return f"{about}:{mark}:{at_us // KEY_SPAN_US}"


def _enrolment(config: SensorConfig) -> int:
    """Tells one key and enrolment from the next; nothing can be learnt of the key by it."""
    said = f"{config.key}/{config.enrolled_us}".encode()
    return int.from_bytes(hashlib.blake2s(said, digest_size=4).digest())
