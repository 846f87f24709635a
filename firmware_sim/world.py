"""The engine: lets wearables live second by second, and carries what they send to radios.

A second of motion is computed when it begins; nothing of it leaves the wearable before it
has been measured. Each wearable's seconds end at a phase of its own, so that adverts spread
over the second; they are handed on at two times of the second, because waking up for each
of them would cost a replay more than everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contract.advert import COMPANY_ID
from contract.clock import Clock
from contract.protocols import HeardAdvert
from contract.units import NS_PER_MS, NS_PER_S, ns_to_seconds
from firmware_sim.air import LINK_FLOOR_DBM
from firmware_sim.radio import SimulatedRadio
from firmware_sim.sensing import Measures, SampleRing, Summariser, quantise
from firmware_sim.transfers import Timebase
from firmware_sim.wearable import SecondSummary, Wearable

SLOTS_PER_S: Final = 2
SLOT_NS: Final = NS_PER_S // SLOTS_PER_S

ADVERT_DELAY_NS: Final = 8 * NS_PER_MS
"""From the end of a second to the advert in the air: Bluetooth adds up to 10 ms at random
to each advertising interval, and here the wearable's own phase plays that part."""

NO_SERVICE_DATA: Final[Mapping[str, bytes]] = {}


class MotionSource(Protocol):
    """Where the motion of a group of wearables comes from."""

    rate_hz: float
    """Samples per second of what `next_second` gives next."""
    gaps: bool
    """Whether there may be NaN."""
    epoch: int
    """Another value means that `next_second` no longer continues what was before: another
    recording, perhaps at another rate."""

    def next_second(self) -> NDArray[np.float32] | None:
        """The next second, (rows, 3, n) in g; none when there is no more."""
        ...


class Air(Protocol):
    """Signal strengths, second by second, per gateway and wearable (in the world's order)."""

    def next_second(self) -> tuple[list[list[int]], list[list[bool]]]:
        """RSSI in dBm, and whether the advert arrives."""
        ...


class _Second(NamedTuple):
    """A computed second of a group, until its wearables have ended it."""

    first: int
    summaries: list[SecondSummary]
    magnitude_g: NDArray[np.float32]


class Group:
    """Wearables that share a source of motion, a sampling rate and a ring.

    Parameters
    ----------
    wearables
        One per row of the source.
    source
        Their motion.
    phases_ns
        Where in the second each one's own seconds end. A source with several epochs needs 0
        for all: the last second of one must be over as the next begins.
    """

    def __init__(
        self, wearables: Sequence[Wearable], source: MotionSource, phases_ns: Sequence[int]
    ) -> None:
        self.wearables = wearables
        self.phases_ns = phases_ns
        self._source = source
        self._epoch: int | None = None
        self._ring = SampleRing(0, 1.0)
        self._summariser = Summariser(0, 1.0)
        self._seconds: dict[int, _Second] = {}

    def advance(self, second: int, start_ns: int) -> bool:
        """Compute `second`, which begins at `start_ns`; false if the source has no more."""
        samples = self._source.next_second()
        if samples is None:
            return False
        if self._source.epoch != self._epoch:
            self._begin_epoch(start_ns)
        first = self._ring.end
        gaps = self._source.gaps
        self._ring.append(quantise(samples))
        measures = self._summariser.push(samples, gaps=gaps)
        self._seconds[second] = _Second(first, _as_numbers(measures), measures.magnitude_g)
        self._seconds.pop(second - 2, None)
        return True

    def _begin_epoch(self, start_ns: int) -> None:
        self._epoch = self._source.epoch
        rows, rate_hz = len(self.wearables), self._source.rate_hz
        self._ring = SampleRing(rows, rate_hz)
        self._summariser = Summariser(rows, rate_hz)
        for row, wearable in enumerate(self.wearables):
            timebase = Timebase(start_ns + self.phases_ns[row], 0, rate_hz)
            wearable.attach(self._ring, row, timebase)

    def end_second(self, row: int, second: int, end_ns: int) -> bytes | None:
        """A wearable's second is over; the manufacturer data of its advert, if it sends one."""
        computed = self._seconds.get(second)
        if computed is None:
            return None
        return self.wearables[row].end_second(
            computed.summaries[row], computed.magnitude_g[row], computed.first, end_ns
        )


def _as_numbers(measures: Measures) -> list[SecondSummary]:
    return [
        SecondSummary(*values)
        for values in zip(
            measures.measured.tolist(),
            measures.mean_g.tolist(),
            measures.min_g.tolist(),
            measures.max_g.tolist(),
            measures.deviation_g.tolist(),
            measures.saturated.tolist(),
            strict=True,
        )
    ]


class World:
    """Everything that moves: groups of wearables, and the radios that hear them.

    Parameters
    ----------
    clock
        Drives it.
    groups
        The wearables.
    air
        How the gateways hear them.
    before_second
        Called with the number and the beginning (monotonic ns) of each second before it is
        computed: the place for residents to decide.
    """

    def __init__(
        self,
        clock: Clock,
        groups: Sequence[Group],
        air: Air,
        before_second: Callable[[int, int], None],
    ) -> None:
        self._clock = clock
        self._groups = groups
        self._air = air
        self._before_second = before_second
        self._begun = False
        self._radios: list[tuple[int, SimulatedRadio]] = []
        self._strength: list[list[int]] = []
        self._arrives: list[list[bool]] = []
        self.wearables = [wearable for group in groups for wearable in group.wearables]
        self._number = {wearable: number for number, wearable in enumerate(self.wearables)}
        self._rows = self._by_slot()

    def _by_slot(self) -> list[list[tuple[int, Group, int, int]]]:
        """Per slot of the second: (number in the world, group, row, phase) that end in it."""
        slots: list[list[tuple[int, Group, int, int]]] = [[] for _ in range(SLOTS_PER_S)]
        number = 0
        for group in self._groups:
            for row, phase_ns in enumerate(group.phases_ns):
                # Heard in the slot that begins at or after the end plus the delay.
                delay_ns = ADVERT_DELAY_NS if phase_ns else 0
                slot = -(-(phase_ns + delay_ns) // SLOT_NS)
                assert slot <= SLOTS_PER_S, "a phase leaves room for the advert in its second"
                slots[slot % SLOTS_PER_S].append((number, group, row, phase_ns))
                number += 1
        return slots

    def radio(self, gateway: int, seed: str) -> SimulatedRadio:
        """A new adapter at a gateway (its number in the air)."""

        def strength(wearable: Wearable) -> int:
            return self._strength[gateway][self._number[wearable]]

        def reaches(wearable: Wearable) -> bool:
            on_air = wearable.heard and wearable.running and bool(self._strength)
            return on_air and strength(wearable) >= LINK_FLOOR_DBM

        def reach(address: str) -> Wearable | None:
            here = [w for w in self.wearables if w.address == address and reaches(w)]
            return max(here, key=strength, default=None)

        radio = SimulatedRadio(self._clock, reach=reach, reaches=reaches, seed=seed)
        self._radios = [entry for entry in self._radios if not entry[1].closed]
        self._radios.append((gateway, radio))
        return radio

    async def run(self) -> None:
        """Live until cancelled, or until no source has more.

        Raises
        ------
        RuntimeError
            If it has been run before: wearables cannot live twice.
        """
        if self._begun:
            raise RuntimeError("this world has been run already; make another one")
        self._begun = True
        origin_ns = self._clock.monotonic_ns()
        slot = 0
        going = self._begin_second(0, origin_ns)
        while going:
            slot += 1
            while not self._needed(slot):
                slot += 1
            now_ns = origin_ns + slot * SLOT_NS
            wait_ns = now_ns - self._clock.monotonic_ns()
            # Late, it catches up, but lets others have their turn.
            await self._clock.sleep(max(0.0, ns_to_seconds(wait_ns)))
            self._end_seconds(slot, origin_ns, now_ns)
            if slot % SLOTS_PER_S == 0:
                for _, radio in self._radios:
                    radio.supervise()
                going = self._begin_second(slot // SLOTS_PER_S, now_ns)

    def _needed(self, slot: int) -> bool:
        within = slot % SLOTS_PER_S
        return (
            within == 0
            or bool(self._rows[within])
            or any(w.linked or w.is_pressed for w in self.wearables)
        )

    def _begin_second(self, second: int, start_ns: int) -> bool:
        self._before_second(second, start_ns)
        self._strength, self._arrives = self._air.next_second()
        # Every group is advanced, also behind one that has ended.
        advanced = [group.advance(second, start_ns) for group in self._groups]
        return any(advanced)

    def _end_seconds(self, slot: int, origin_ns: int, now_ns: int) -> None:
        """Adverts of the wearables whose second has ended, then what links have waiting."""
        adverts: list[tuple[int, Wearable, bytes, int]] = []
        for number, group, row, phase_ns in self._rows[slot % SLOTS_PER_S]:
            second = (now_ns - phase_ns - origin_ns) // NS_PER_S - 1
            if second < 0:
                continue
            end_ns = origin_ns + phase_ns + (second + 1) * NS_PER_S
            data = group.end_second(row, second, end_ns)
            wearable = group.wearables[row]
            if data is not None and wearable.heard:
                at_ns = min(now_ns, end_ns + ADVERT_DELAY_NS)
                adverts.append((number, wearable, data, at_ns))
        for number, wearable in enumerate(self.wearables):
            if wearable.is_pressed and wearable.heard and wearable.running:
                adverts.append((number, wearable, wearable.advert_of_press(), now_ns))
        if adverts:
            self._deliver(adverts)
        for wearable in self.wearables:
            if wearable.linked:
                wearable.pump(now_ns)

    def _deliver(self, adverts: Sequence[tuple[int, Wearable, bytes, int]]) -> None:
        for gateway, radio in self._radios:
            if not radio.listening:
                continue
            strength, arrives = self._strength[gateway], self._arrives[gateway]
            batch = [
                HeardAdvert(
                    wearable.address,
                    strength[number],
                    {COMPANY_ID: data},
                    NO_SERVICE_DATA,
                    at_ns,
                )
                for number, wearable, data, at_ns in adverts
                if arrives[number]
            ]
            if batch:
                radio.deliver(batch)
