"""A simulated home: residents who live in it, what they wear, and the radios that hear it."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.clock import Clock
from contract.protocols import RecordedStream
from contract.units import NS_PER_MS, ns_to_us
from firmware_sim.air import Propagation
from firmware_sim.broken import Breakage, BrokenSensors
from firmware_sim.motion import MOTION_HZ, MotionModel
from firmware_sim.plan import GatewayPlan, HomePlan, WearablePlan, ZonePlan, demo_home
from firmware_sim.radio import SimulatedRadio
from firmware_sim.recordings import at_motion_rate
from firmware_sim.residents import AFTERMATHS, Resident
from firmware_sim.room_air import RoomAir
from firmware_sim.room_sensors import RoomSensor
from firmware_sim.wearable import Corruption, Wearable
from firmware_sim.world import SLOT_NS, SLOTS_PER_S, Group, World

__all__ = [
    "GatewayPlan",
    "HomePlan",
    "SimulatedHome",
    "TruthEntry",
    "WearablePlan",
    "ZonePlan",
    "demo_home",
]

_BEFORE_SLOT_MS: Final = (10, 40)
"""A wearable's second ends so long before a slot: time for the advert, little to wait."""


class TruthEntry(NamedTuple):
    """Something that truly happened."""

    at_us: int
    """Wall time, microseconds since 1970."""
    resident: str
    what: str
    """``lies``, ``turns_over``, ``sits``, ``stands``, ``walks``, ``enters``, ``fall_begins``,
    ``fall_impact``, ``gets_up``, ``helped_up``, ``presses_button``, ``heard``, ``not_heard``,
    ``worn``, ``not_worn``, ``reboots``, ``plays_recording``, ``slides``, ``naps``, ``sleeps``,
    ``opens_door``, ``goes_out``."""
    zone: str
    """Where the resident was."""
    detail: str = ""


class SimulatedHome:
    """Six residents, or as many as the plan has, each with a wearable on the wrist.

    What somebody is told to do (fall, be helped up, put the wearable down) begins with the
    next second; everything else takes effect at once. The same plan, seed, clock and calls
    give the same adverts and packets, byte for byte.

    Parameters
    ----------
    plan
        Who and where.
    clock
        Drives it; nothing happens before `run`.
    seed
        Decides everything that is drawn.

    Attributes
    ----------
    truth
        What happened, in the order in which it was decided.
    """

    def __init__(self, plan: HomePlan, clock: Clock, seed: int = 0) -> None:
        self.plan = plan
        self.truth: list[TruthEntry] = []
        self._clock = clock
        self._seed = seed
        rows = len(plan.wearables)
        motion = MotionModel(rows, seed)
        air = Propagation(plan, seed)
        self._residents = {
            wearable.resident: Resident(
                plan, wearable, row, motion=motion, air=air, seed=seed, note=self._note
            )
            for row, wearable in enumerate(plan.wearables)
        }
        self._row = {wearable.resident: row for row, wearable in enumerate(plan.wearables)}
        self._wearables = {w.resident: _make_wearable(w, seed) for w in plan.wearables}
        for name, wearable in self._wearables.items():
            wearable.heart_rate_bpm = self._residents[name].heart_rate_bpm
        self._motion = motion
        self._phases_ns = _phases(rows, seed)
        self._sensors = BrokenSensors(seed)
        source = _Live(motion, self._sensors)
        group = Group(list(self._wearables.values()), source, self._phases_ns)
        self._world = World(clock, [group], air, self._before_second)
        self._room_air = RoomAir(plan, seed)
        self._gateways = {gateway.name: number for number, gateway in enumerate(plan.gateways)}
        self._radios: list[tuple[str, SimulatedRadio]] = []
        self._deaf: set[str] = set()
        self._orders: list[Callable[[int], None]] = []

    # -- the protocol's side -------------------------------------------------------------------

    def radio(self, gateway: str) -> SimulatedRadio:
        """A new adapter at `gateway`, as after a restart; several hear the same wearables.

        Raises
        ------
        ValueError
            If the plan has no such gateway.
        """
        if gateway not in self._gateways:
            known = ", ".join(self._gateways)
            raise ValueError(f"this home has no gateway {gateway!r}; it has {known}")
        self._radios = [entry for entry in self._radios if not entry[1].closed]
        radio = self._world.radio(
            self._gateways[gateway], f"{self._seed}/{gateway}/{len(self._radios)}"
        )
        radio.hears = gateway not in self._deaf
        self._radios.append((gateway, radio))
        return radio

    async def run(self) -> None:
        """Live until cancelled."""
        await self._world.run()

    def _before_second(self, second: int, start_ns: int) -> None:
        orders, self._orders = self._orders, []
        for order in orders:
            order(start_ns)
        for row, resident in enumerate(self._residents.values()):
            resident.before_second(start_ns + self._phases_ns[row])
        self._let_sensors_speak(start_ns)

    def _let_sensors_speak(self, now_ns: int) -> None:
        said = self._room_air.adverts(now_ns)
        if not said:
            return
        for gateway, radio in self._radios:
            if radio.listening:
                heard = self._room_air.heard(gateway, said, now_ns)
                if heard:
                    radio.deliver(heard)

    # -- what can happen to residents ------------------------------------------------------------

    def fall(self, resident: str, *, then: str = "lies") -> None:
        """Let a resident fall, beginning with the next second.

        Parameters
        ----------
        resident
            Who; one who sits or lies gets up first (`falling.RISE_S`).
        then
            ``lies`` (breathing, small motions), ``struggles`` (moves, does not walk) or
            ``gets_up`` (lies a while, rises, walks).

        Raises
        ------
        ValueError
            If there is no such resident or aftermath.
        """
        if then not in AFTERMATHS:
            raise ValueError(f"after a fall one {', '.join(AFTERMATHS)}; not {then!r}")
        self._order(resident, lambda person, start_ns: person.fall(then, start_ns))

    def play(self, resident: str, stream: RecordedStream) -> None:
        """Let a resident move as a recorded trial did, beginning with the next second; then
        lie still in its last posture. The simulated sensor samples the recording at its own
        rate and adds its own noise.

        Raises
        ------
        ValueError
            If there is no such resident, or nothing was recorded.
        """
        script_g = at_motion_rate(stream)
        self._order(resident, lambda person, start_ns: person.play(script_g, start_ns))

    def slide(self, resident: str, zone: str) -> None:
        """Let a resident walk to `zone` and there slide to the floor, softly and slowly, and lie.

        Raises
        ------
        ValueError
            If there is no such resident, or no way there.
        """
        self._order(resident, lambda person, start_ns: person.slide(zone, start_ns))

    def nap(self, resident: str, zone: str, minutes: float) -> None:
        """Let a resident walk to `zone`, sit down there and sleep in the chair.

        Raises
        ------
        ValueError
            If there is no such resident, or no way there.
        """
        self._order(resident, lambda person, start_ns: person.nap(zone, 60 * minutes, start_ns))

    def go(self, resident: str, zone: str, minutes: float) -> None:
        """Let a resident walk to `zone` and stand about there.

        Raises
        ------
        ValueError
            If there is no such resident, or no way there.
        """
        self._order(resident, lambda person, start_ns: person.go(zone, 60 * minutes, start_ns))

    def go_out(self, resident: str, zone: str) -> None:
        """Let a resident walk to `zone`, open the door there and go where no radio hears her.

        Raises
        ------
        ValueError
            If there is no such resident, or no way there.
        """
        self._order(resident, lambda person, start_ns: person.go_out(zone, start_ns))

    def open_door(self, zone: str) -> None:
        """Somebody opens the door in `zone`, which falls shut; without a sensor it tells nobody."""
        self._room_air.open_door(zone, self._clock.monotonic_ns())

    def sleep(self, resident: str, *, signs: bool = True) -> None:
        """Let a resident lie down where she is and sleep on.

        Parameters
        ----------
        resident
            Who.
        signs
            Whether a wearable can tell her from a table: she turns over, breath and pulse reach
            the wrist. Without, nothing does.

        Raises
        ------
        ValueError
            If there is no such resident.
        """
        row = self._row[self._resident(resident).name]
        if not signs:
            self.wearable(resident).heart_rate_bpm = None

        def sleep(person: Resident, start_ns: int) -> None:
            self._motion.set_worn(row, worn=signs)
            person.sleep(start_ns, turns=signs)

        self._order(resident, sleep)

    def help_up(self, resident: str) -> None:
        """Somebody comes and puts the resident into a chair, from the next second on."""
        self._order(resident, Resident.helped_up)

    def _order(self, resident: str, what: Callable[[Resident, int], None]) -> None:
        person = self._resident(resident)
        phase_ns = self._phases_ns[self._row[resident]]
        self._orders.append(lambda start_ns: what(person, start_ns + phase_ns))

    def press_button(self, resident: str) -> None:
        """The resident asks for help."""
        self.wearable(resident).press_button()
        self._note_now(resident, "presses_button")

    def press_call_point(self, device: str, value: int = 1) -> None:
        """Somebody presses a call point on the wall: 1 short, 2 double, 3 triple, 4 long.

        Raises
        ------
        ValueError
            If there is no such sensor.
        """
        self.sensor(device).press(value)
        self._let_sensors_speak(self._clock.monotonic_ns())

    # -- what can happen to wearables and radios ---------------------------------------------------

    def set_heard(self, resident: str, heard: bool) -> None:
        """Out of the house, shielded, switched off: no radio hears it, and links break."""
        self.wearable(resident).heard = heard
        self._note_now(resident, "heard" if heard else "not_heard")

    def set_worn(self, resident: str, worn: bool, *, tells: bool = True) -> None:
        """Take the wearable off (it lies on a table, and says so) or put it on again.

        Parameters
        ----------
        resident, worn
            Whose, and which of the two.
        tells
            Whether the wearable can tell; most watches without a sensor of skin contact cannot.
        """
        self.wearable(resident).worn = worn if tells else None
        row = self._row[resident]

        def take(person: Resident, start_ns: int) -> None:
            self._motion.set_worn(row, worn)
            person.put_on() if worn else person.take_off()

        self._order(resident, take)
        self._note_now(resident, "worn" if worn else "not_worn")

    def break_sensor(self, resident: str, breakage: str) -> None:
        """Break the accelerometer of a wearable from the next second on (`Breakage`), or mend it.

        Raises
        ------
        ValueError
            If there is no such resident or breakage.
        """
        self._sensors.set(self._row[self._resident(resident).name], Breakage(breakage))

    def set_battery(self, resident: str, percent: float) -> None:
        """Set the charge, 0 to 100."""
        self.wearable(resident).set_battery(percent)

    def reboot(self, resident: str) -> None:
        """Reset the wearable: counters restart under a new boot counter."""
        self.wearable(resident).reboot()
        self._note_now(resident, "reboots")

    def share_address(self, resident_a: str, resident_b: str) -> None:
        """Give the wearable of `resident_b` the address of `resident_a`'s, as a cloned or
        misprogrammed device has. Their identities stay apart.
        """
        self.wearable(resident_b).address = self.wearable(resident_a).address

    def corrupt(self, resident: str, share: float) -> None:
        """Spoil a share (0 to 1) of the adverts and packets of a wearable from now on: cut
        short, or with wrong bits.
        """
        self.wearable(resident).corruption = (
            Corruption(share, f"{self._seed}/corrupt/{resident}") if share > 0 else None
        )

    def skew_device_clock(self, resident: str, ms: int) -> None:
        """Let the wearable's own clock jump by milliseconds, forward or back."""
        self.wearable(resident).skew_clock(ms)

    def set_radio_hearing(self, gateway: str, hears: bool) -> None:
        """Make the adapter of a gateway deaf (it stays open and says nothing), or cure it."""
        if hears:
            self._deaf.discard(gateway)
        else:
            self._deaf.add(gateway)
        for name, radio in self._radios:
            if name == gateway:
                radio.hears = hears

    # -- looking in -------------------------------------------------------------------------------

    def wearable(self, resident: str) -> Wearable:
        """The device itself: what it vibrated, which boot it is in.

        Raises
        ------
        ValueError
            If there is no such resident.
        """
        self._resident(resident)
        return self._wearables[resident]

    def sensor(self, device: str) -> RoomSensor:
        """A room sensor itself: what it measures, its battery, its key.

        Raises
        ------
        ValueError
            If there is no such sensor.
        """
        if device not in self._room_air.sensors:
            known = ", ".join(self._room_air.sensors)
            raise ValueError(f"this home has no sensor {device!r}; it has {known}")
        return self._room_air.sensors[device]

    def zone_of(self, resident: str) -> str:
        """Where a resident truly is."""
        return self._resident(resident).zone

    def _resident(self, name: str) -> Resident:
        if name not in self._residents:
            known = ", ".join(self._residents)
            raise ValueError(f"this home has no resident {name!r}; it has {known}")
        return self._residents[name]

    def _note_now(self, resident: str, what: str) -> None:
        self._note(self._clock.monotonic_ns(), resident, what, "")

    def _note(self, at_ns: int, resident: str, what: str, detail: str) -> None:
        wall_ns = at_ns + self._clock.now_ns() - self._clock.monotonic_ns()
        zone = self._residents[resident].zone
        self._room_air.notice(resident, what, zone, at_ns)
        if what == "goes_out":
            self._wearables[resident].heard = False
        self.truth.append(TruthEntry(ns_to_us(wall_ns), resident, what, zone, detail))


class _Live:
    """The motion model as a source for `Group`."""

    rate_hz = float(MOTION_HZ)
    gaps = False
    epoch = 0

    def __init__(self, motion: MotionModel, sensors: BrokenSensors) -> None:
        self._motion = motion
        self._sensors = sensors

    def next_second(self) -> NDArray[np.float32]:
        samples_g = self._motion.next_second()
        self._sensors.apply(samples_g)
        return samples_g


def _make_wearable(plan: WearablePlan, seed: int) -> Wearable:
    return Wearable(
        plan.device,
        plan.address,
        plan.identity,
        seed=str(seed),
        placement=plan.placement,
        key=plan.key,
    )


def _phases(rows: int, seed: int) -> list[int]:
    """Where in the second each wearable's own seconds end, ns: evenly over the slots."""
    drawn = random.Random(f"{seed}/phases")  # noqa: S311
    first = drawn.randrange(SLOTS_PER_S)
    return [
        (1 + (first + row) % SLOTS_PER_S) * SLOT_NS
        - drawn.randint(_BEFORE_SLOT_MS[0] * NS_PER_MS, _BEFORE_SLOT_MS[1] * NS_PER_MS)
        for row in range(rows)
    ]
