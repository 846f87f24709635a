"""What a gateway must do on the real BlueZ, as its broker and its wearables see it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from contract.clock import Clock
from contract.events import Event, EventKind
from contract.messages import CommandName
from contract.units import NS_PER_S
from firmware_sim import SimulatedHome
from tools.test_bluez.peripherals import OnTheAir, Peripheral
from tools.test_bluez.witness import Witness

if TYPE_CHECKING:
    from tools.test_bluez.guest import Daemons

LOOK_S: Final = 0.05
MEASURED_S: Final = 10.0
BREAK_AFTER: Final = 8
"""Of the 33 packets of a window."""


class CheckFailedError(Exception):
    """What was expected has not come; the message says what has."""


class Scene(NamedTuple):
    """Everybody who takes part, beside the gateway."""

    home: SimulatedHome
    air: OnTheAir
    witness: Witness
    daemons: Daemons
    clock: Clock

    def peripheral(self, number: int) -> Peripheral:
        """What resident `number` wears, as it is on the air."""
        wearable = self.home.plan.wearable_of(f"resident-{number}")
        return self.air.peripherals[wearable.address]

    def seconds_since(self, since_ns: int) -> float:
        """Of the monotonic clock."""
        return (self.clock.monotonic_ns() - since_ns) / NS_PER_S

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that nobody tells."""
        while not condition():
            await self.clock.sleep(LOOK_S)

    async def suspected(self, number: int) -> tuple[float, Event]:
        """Let a resident fall; seconds from the impact to the suspicion, and that."""
        since_ns = self.clock.monotonic_ns()
        known = len(self.home.truth)
        self.home.fall(f"resident-{number}")

        def impacts() -> list[int]:
            return [each.at_us for each in self.home.truth[known:] if each.what == "fall_impact"]

        came_ns, event = await self.witness.event(
            EventKind.FALL_SUSPECTED, f"wearable-{number}", since_ns
        )
        wall_us = (self.clock.now_ns() - (self.clock.monotonic_ns() - came_ns)) // 1000
        return (wall_us - impacts()[-1]) / 1e6, event


class Check(NamedTuple):
    """One thing that must work."""

    what: str
    limit_s: float
    run: Callable[[Scene], Awaitable[str]]


async def scan(scene: Scene) -> str:
    """Everybody is heard."""
    devices = {each.device for each in scene.home.plan.wearables}
    begun_ns = scene.clock.monotonic_ns()
    await scene.witness.until(lambda: devices <= set(scene.witness.rssi_dbm))
    return f"all {len(devices)} heard {scene.seconds_since(begun_ns):.1f} s after its start"


async def strength(scene: Scene) -> str:
    """Each one's signal moves."""
    seen = scene.witness.rssi_dbm
    await scene.witness.until(lambda: all(len(set(each)) >= 3 for each in seen.values()))
    every = [value for each in seen.values() for value in each]
    return f"{min(every):.0f} to {max(every):.0f} dBm"


async def stream(scene: Scene) -> str:
    """A held link brings samples, and adverts go on beside it."""
    witness, peripheral = scene.witness, scene.peripheral(1)
    await witness.until(lambda: witness.count("samples_decoded") > 0)
    samples, adverts = witness.count("samples_decoded"), witness.count("adverts_heard")
    sent, begun_ns = peripheral.notified, scene.clock.monotonic_ns()
    await scene.clock.sleep(MEASURED_S)
    seconds = scene.seconds_since(begun_ns)
    before = witness.count("samples_decoded")
    await witness.until(lambda: witness.count("samples_decoded") > before)
    if witness.count("packets_lost"):
        raise CheckFailedError(f"{witness.count('packets_lost'):.0f} packets were lost")
    decoded = (witness.count("samples_decoded") - samples) / scene.seconds_since(begun_ns)
    heard = (witness.count("adverts_heard") - adverts) / scene.seconds_since(begun_ns)
    notified = (peripheral.notified - sent) / seconds
    return f"{decoded:.0f} samples/s, {notified:.1f} packets/s, beside {heard:.1f} adverts/s"


async def button(scene: Scene) -> str:
    """A press is told, and written back."""
    return await _pressed(scene, 4)


async def _pressed(scene: Scene, number: int) -> str:
    device = f"wearable-{number}"
    pressed_ns = scene.clock.monotonic_ns()
    scene.home.press_button(f"resident-{number}")
    came_ns, _ = await scene.witness.event(EventKind.HELP_REQUESTED, device, pressed_ns)
    await scene.until(lambda: not scene.peripheral(number).pending("button"))
    return (
        f"told after {(came_ns - pressed_ns) / NS_PER_S:.2f} s, "
        f"written back after {scene.seconds_since(pressed_ns):.2f} s"
    )


async def window(scene: Scene) -> str:
    """A candidate's window is read, a fall seen in it, and the counter written back."""
    peripheral = scene.peripheral(2)
    sent = peripheral.notified
    seconds, event = await scene.suspected(2)
    _must_be_measured(event)
    await scene.until(lambda: not peripheral.pending("candidate"))
    return f"suspected {seconds:.2f} s after the impact, by {peripheral.notified - sent} packets"


async def broken_window(scene: Scene) -> str:
    """A link that breaks in mid-window is made anew, and the window goes on."""
    peripheral = scene.peripheral(3)
    connections = peripheral.connections
    peripheral.break_after = BREAK_AFTER
    seconds, event = await scene.suspected(3)
    _must_be_measured(event)
    await scene.until(lambda: not peripheral.pending("candidate"))
    links = peripheral.connections - connections
    if links < 2:
        raise CheckFailedError(f"it took {links} link only: nothing was broken")
    return f"suspected {seconds:.2f} s after the impact, over {links} links"


def _must_be_measured(event: Event) -> None:
    """Not told on the advert alone."""
    evidence = event.evidence
    if evidence is None or evidence.waveform is None:
        raise CheckFailedError(f"told without its window: {evidence}")


async def broken_stream(scene: Scene) -> str:
    """A held link that breaks comes back."""
    peripheral = scene.peripheral(1)
    connections, begun_ns = peripheral.connections, scene.clock.monotonic_ns()
    await peripheral.drop()
    await scene.until(lambda: peripheral.connections > connections)
    sent = peripheral.notified
    await scene.until(lambda: peripheral.notified > sent)
    return f"samples again after {scene.seconds_since(begun_ns):.1f} s"


async def vibration(scene: Scene) -> str:
    """A command reaches the wearer's wrist."""
    wearable = scene.home.wearable("resident-4")
    felt, begun_ns = len(wearable.vibrations), scene.clock.monotonic_ns()
    await scene.witness.command(CommandName.VIBRATE, "wearable-4")
    await scene.until(lambda: len(wearable.vibrations) > felt)
    return f"felt after {scene.seconds_since(begun_ns):.1f} s"


async def pairing(scene: Scene) -> str:
    """BlueZ and a wearable bond, by LE Secure Connections, while the gateway goes on."""
    peripheral = scene.peripheral(4)
    path = f"/org/bluez/hci0/dev_{peripheral.address.replace(':', '_')}"
    await scene.daemons.agent()
    begun_ns = scene.clock.monotonic_ns()
    await scene.daemons.call(path, "org.bluez.Device1", "Pair")
    await scene.until(lambda: peripheral.bond is not None)
    seconds = scene.seconds_since(begun_ns)
    await scene.daemons.call(path, "org.bluez.Device1", "Disconnect")
    await scene.until(lambda: not peripheral.linked)
    told = await _pressed(scene, 4)
    return f"{peripheral.bond} after {seconds:.1f} s; then a press: {told}"


async def restart(scene: Scene) -> str:
    """It dies and comes back; the gateway goes on by itself."""
    await scene.daemons.kill_bluetooth()
    scene.witness.rssi_dbm.clear()
    begun_ns = scene.clock.monotonic_ns()
    await scene.daemons.bluetooth()
    up = scene.seconds_since(begun_ns)
    peripheral = scene.peripheral(1)
    connections = peripheral.connections
    told = await _pressed(scene, 4)
    await scene.until(lambda: peripheral.connections > connections)
    again = scene.seconds_since(begun_ns)
    return f"bluetoothd up after {up:.1f} s; a press: {told}; the stream after {again:.1f} s"


CHECKS: Final = (
    Check("scan", 90.0, scan),
    Check("signal strength", 30.0, strength),
    Check("stream beside scanning", 90.0, stream),
    Check("button", 30.0, button),
    Check("window", 60.0, window),
    Check("window over a broken link", 90.0, broken_window),
    Check("stream over a broken link", 60.0, broken_stream),
    Check("vibration", 30.0, vibration),
    Check("pairing", 60.0, pairing),
    Check("bluetoothd killed", 120.0, restart),
)
"""In this order, on one gateway that runs through all of them. `asyncio.timeout` ends each."""
