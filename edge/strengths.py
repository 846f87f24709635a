"""How strongly each second's adverts were heard, and by which receiver: what rooms are told from.

Smoothed strengths (`edge.wearables.RSSI_SMOOTHING`) follow somebody who walks by three seconds late
and hold what is long over; the filter of rooms smooths by itself and wants each second as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from contract.protocols import HeardAdvert
from contract.units import seconds_to_ns

LEAST_DBM: Final = -126
MOST_DBM: Final = 20
"""What a controller can have measured. HCI says 127 where it has not (Core 5.4, vol. 4, part E,
7.7.65.2), and proxies have been seen to send the same number with its sign lost."""

DECIMALS: Final = 1
"""Of a mean: finer than a dB only where several adverts came."""

OWN_RADIO: Final = ""
"""In the place of a receiver's name: the gateway's own adapters, however many."""

QUIET_NS: Final = seconds_to_ns(10)
"""What has heard something within so long works: in any house something advertises each second."""

BUSY_DEVICES: Final = 3
"""Enrolled devices that do not all fall silent at once by themselves. A receiver that heard so many
and then nothing for `QUIET_NS` is down. One that heard fewer may be alone with somebody who has
just gone, which is no reason to believe it less; it is given `DEAF_NS`."""

DEAF_NS: Final = seconds_to_ns(90)
"""As of radios and proxies (`edge.health.RADIO_SILENT_NS`)."""


class SecondMeans:
    """Strengths of one wearable's adverts since they were last taken, by receiver."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[str, list[int]] = {}
        """By receiver: sum in dBm, and how many."""

    def add(self, receiver: str, rssi_dbm: int) -> None:
        """An advert came. Called for each."""
        if not LEAST_DBM <= rssi_dbm <= MOST_DBM:
            return
        sums = self._sums.get(receiver)
        if sums is None:
            self._sums[receiver] = [rssi_dbm, 1]
        else:
            sums[0] += rssi_dbm
            sums[1] += 1

    def take(self) -> Mapping[str, float]:
        """Mean in dBm by receiver, and begin anew."""
        if not self._sums:
            return {}
        sums, self._sums = self._sums, {}
        return {name: round(total / count, DECIMALS) for name, (total, count) in sums.items()}


class _Receiver:
    """What one receiver has heard of late. Times are monotonic nanoseconds."""

    __slots__ = ("devices", "heard_ns")

    def __init__(self, heard_ns: int) -> None:
        self.heard_ns = heard_ns
        self.devices: dict[str, int] = {}
        """Enrolled ones that it heard of late, and when."""

    def works(self, now_ns: int) -> bool:
        silent_ns = now_ns - self.heard_ns
        if silent_ns <= QUIET_NS:
            return True
        heard_at_last = sum(self.heard_ns - at_ns <= QUIET_NS for at_ns in self.devices.values())
        return heard_at_last < BUSY_DEVICES and silent_ns <= DEAF_NS

    def forget(self, now_ns: int) -> None:
        """Whom it heard before its last seconds matters to nobody, and says who was there when; nor
        do those matter once it is deaf whoever they were.
        """
        since_ns = self.heard_ns - QUIET_NS if now_ns - self.heard_ns <= DEAF_NS else now_ns
        self.devices = {name: at_ns for name, at_ns in self.devices.items() if at_ns >= since_ns}


class Hearing:
    """Which of the receivers that this gateway hears with work.

    The silence of one that works says that somebody is not near it; the silence of another says
    nothing. So this is judged within seconds, long before anybody is told of a fault.
    """

    def __init__(self) -> None:
        self._receivers: dict[str, _Receiver] = {}

    def note(self, batch: Sequence[HeardAdvert], now_ns: int) -> None:
        """Adverts came, of anybody."""
        for receiver in {heard.receiver for heard in batch}:
            known = self._receivers.get(receiver)
            if known is None:
                self._receivers[receiver] = _Receiver(now_ns)
            else:
                known.heard_ns = now_ns

    def second(
        self, taken: Iterable[tuple[str, Mapping[str, float]]], now_ns: int
    ) -> dict[str, dict[str, float]]:
        """One more second is over.

        Parameters
        ----------
        taken
            Of each device the means that were taken of it.

        Returns
        -------
        dict
            Receiver to device to mean in dBm; a receiver that works and heard none of them is there
            with nothing in it, one that does not work is not there.
        """
        strengths: dict[str, dict[str, float]] = {}
        for device, means in taken:
            for receiver, mean_dbm in means.items():
                strengths.setdefault(receiver, {})[device] = mean_dbm
        for receiver, heard in strengths.items():
            devices = self._receivers.setdefault(receiver, _Receiver(now_ns)).devices
            for device in heard:
                devices[device] = now_ns
        for each in self._receivers.values():
            each.forget(now_ns)
        return {
            receiver: strengths.get(receiver, {})
            for receiver, each in self._receivers.items()
            if each.works(now_ns)
        }

    def forget(self, enrolled: Iterable[str], receivers: Iterable[str]) -> None:
        """Follow a configuration: devices and proxies that are gone are not remembered."""
        known = set(enrolled)
        kept = {OWN_RADIO, *receivers}
        self._receivers = {name: each for name, each in self._receivers.items() if name in kept}
        for each in self._receivers.values():
            each.devices = {name: at_ns for name, at_ns in each.devices.items() if name in known}
