"""The ladder for a deaf adapter: a timeline of what is heard in, a timeline of rungs out."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from contract.clock import VirtualClock
from edge.radio.watchdog import (
    AGAIN_NS,
    CHECK_S,
    EFFECT_NS,
    LIMIT_S,
    MEMORY_NS,
    SILENT_NS,
    RemedyFailedError,
    Rung,
    Watchdog,
)
from edge.wearables import NEVER

S = 1_000_000_000


class Air:
    """Adapters that hear when they are told to, and remedies that are written down."""

    def __init__(self, clock: VirtualClock, **options: bool) -> None:
        self.clock = clock
        self.heard: dict[str, int] = {}
        self.log: list[tuple[float, str]] = []
        self.failing: dict[str, str] = {}
        self.hanging: set[str] = set()
        self.helps: dict[str, str] = {}
        self.watchdog = Watchdog(clock, self, **options)

    def add(self, name: str) -> None:
        self.heard[name] = NEVER
        self.watchdog.watch(name, lambda: self.heard[name])

    def hear(self, *names: str) -> None:
        for name in names:
            self.heard[name] = self.clock.monotonic_ns()

    async def _did(self, what: str, adapter: str | None = None) -> None:
        self.log.append((round(self.clock.monotonic_ns() / S), what))
        if what in self.hanging:
            await asyncio.Event().wait()
        if what in self.failing:
            raise RemedyFailedError(self.failing[what])
        if self.helps.get(what) is not None:
            self.hear(self.helps[what])

    async def restart_scan(self, adapter: str) -> None:
        await self._did(f"scan {adapter}")

    async def power_cycle(self, adapter: str) -> None:
        await self._did(f"power {adapter}")

    async def restart_service(self) -> None:
        await self._did("service")

    async def reboot(self) -> None:
        await self._did("reboot")

    @property
    def said(self) -> list[str]:
        return [each.detail for each in self.watchdog.deaf()]


def played(play, **options):
    """Run `play(air)` beside the watchdog; returns the air afterwards."""
    clock = VirtualClock()
    air = Air(clock, **options)

    async def main() -> None:
        watching = asyncio.create_task(air.watchdog.run())
        try:
            await play(air)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    clock.run(main())
    return air


def test_each_rung_in_its_turn_and_each_is_told():
    seen: list[list[str]] = []

    async def play(air):
        air.add("hci0")
        for _ in range(12):
            await air.clock.sleep(30.5)
            if air.said and (not seen or seen[-1] != air.said):
                seen.append(air.said)

    air = played(play)
    assert air.log == [(90, "scan hci0"), (150, "power hci0"), (210, "service")]
    assert seen == [
        ["hci0 has heard nothing for 90 s; its scan was restarted"],
        ["hci0 has heard nothing for 150 s; it was switched off and on"],
        ["hci0 has heard nothing for 210 s; the Bluetooth service was restarted"],
        [
            "hci0 has heard nothing for 270 s; nothing that this gateway can do has helped: switch "
            "the gateway off and on at its plug; if that does not help, exchange the adapter"
        ],
    ]


def test_what_is_heard_ends_it():
    async def play(air):
        air.add("hci0")
        air.helps["scan hci0"] = "hci0"
        await air.clock.sleep(119)
        assert air.said != []
        await air.clock.sleep(2)
        assert air.said == []

    assert played(play).log == [(90, "scan hci0")]


def test_an_adapter_that_hears_is_left_alone():
    async def play(air):
        air.add("hci0")
        for _ in range(100):
            await air.clock.sleep(80)
            air.hear("hci0")

    assert played(play).log == []


def test_a_rung_that_did_not_last_is_not_the_first_again():
    async def play(air):
        air.add("hci0")
        air.helps = {"scan hci0": "hci0", "power hci0": "hci0"}
        await air.clock.sleep(1_500)

    air = played(play)
    # Each of the first two helps for a moment only; the third silence goes to the service.
    assert [what for _, what in air.log[:3]] == ["scan hci0", "power hci0", "service"]


def test_after_ten_good_minutes_it_begins_below_again():
    async def play(air):
        air.add("hci0")
        air.helps["scan hci0"] = "hci0"
        await air.clock.sleep(100)
        for _ in range(10):
            await air.clock.sleep(60)
            air.hear("hci0")
        await air.clock.sleep(130)

    air = played(play)
    assert [what for _, what in air.log] == ["scan hci0", "scan hci0"]


def test_a_rung_that_fails_is_said_and_the_next_comes_at_the_next_look():
    async def play(air):
        air.add("hci0")
        air.failing["scan hci0"] = "org.bluez.Error.InProgress"
        await air.clock.sleep(95)
        assert air.said == [
            "hci0 has heard nothing for 90 s; its scan could not be restarted "
            "(org.bluez.Error.InProgress)"
        ]
        await air.clock.sleep(30)

    assert played(play).log == [(90, "scan hci0"), (120, "power hci0")]


def test_a_rung_that_hangs_is_given_up():
    async def play(air):
        air.add("hci0")
        air.hanging = {"scan hci0", "power hci0", "service"}
        await air.clock.sleep(90 + sum(LIMIT_S.values()) + 5 * CHECK_S)
        assert "switch the gateway off and on" in air.said[0]

    air = played(play)
    assert [what for _, what in air.log] == ["scan hci0", "power hci0", "service"]


def test_the_service_is_not_restarted_under_an_adapter_that_hears():
    async def play(air):
        air.add("hci0")
        air.add("hci1")
        for _ in range(40):
            await air.clock.sleep(10)
            air.hear("hci1")
        assert len(air.said) == 1
        assert "exchange the adapter" in air.said[0]

    assert [what for _, what in played(play).log] == ["scan hci0", "power hci0"]


def test_two_deaf_adapters_share_one_restart_of_the_service():
    async def play(air):
        air.add("hci0")
        air.add("hci1")
        await air.clock.sleep(600)
        assert len(air.said) == 2

    assert [what for _, what in played(play).log].count("service") == 1


def test_an_adapter_that_the_restart_took_away_does_not_begin_anew():
    async def play(air):
        air.add("hci0")
        await air.clock.sleep(215)
        air.watchdog.forget("hci0")
        assert air.said == []
        await air.clock.sleep(5)
        air.add("hci0")
        assert "service was restarted" in air.said[0]
        await air.clock.sleep(125)
        assert "switch the gateway off and on" in air.said[0]

    assert [what for _, what in played(play).log] == ["scan hci0", "power hci0", "service"]


def test_the_machine_restarts_only_where_that_is_wanted_and_nobody_hears():
    async def deaf(air):
        air.add("hci0")
        await air.clock.sleep(300)

    assert "reboot" not in [what for _, what in played(deaf).log]
    air = played(deaf, reboot_when_deaf=True)
    assert air.log[-1] == (270, "reboot")
    assert air.said == [
        "hci0 has heard nothing for 270 s; nothing else has helped: this gateway restarts now"
    ]

    async def half_deaf(air):
        air.add("hci0")
        air.add("hci1")
        for _ in range(60):
            await air.clock.sleep(10)
            air.hear("hci1")

    assert "reboot" not in [what for _, what in played(half_deaf, reboot_when_deaf=True).log]


def test_a_reboot_that_is_refused_leaves_it_to_a_person():
    async def play(air):
        air.add("hci0")
        air.failing["reboot"] = "polkit said no"
        await air.clock.sleep(300)
        assert air.said[0].endswith("(it could not restart itself: polkit said no)")
        assert "at its plug" in air.said[0]

    played(play, reboot_when_deaf=True)


def test_once_a_person_is_asked_the_ladder_is_climbed_once_an_hour_and_stays_told():
    async def play(air):
        air.add("hci0")
        await air.clock.sleep(300)
        asked = air.said
        for _ in range(8 * 60):
            await air.clock.sleep(60)
            assert air.said == asked

    air = played(play)
    services = [at for at, what in air.log if what == "service"]
    assert len(services) == 8
    assert all(later - earlier >= 3_600 for earlier, later in pairwise(services))


@given(
    st.lists(
        st.tuples(
            st.integers(1, 240), st.sampled_from([(), ("hci0",), ("hci1",), ("hci0", "hci1")])
        ),
        max_size=40,
    ),
    st.booleans(),
)
def test_whatever_is_heard_it_never_flaps(steps, helps):
    async def play(air):
        air.add("hci0")
        air.add("hci1")
        if helps:
            air.helps = {"scan hci0": "hci0", "power hci1": "hci1"}
        for seconds, names in steps:
            await air.clock.sleep(seconds)
            air.hear(*names)

    air = played(play)
    times: dict[str, list[float]] = {}
    for at, what in air.log:
        times.setdefault(what, []).append(at)
    for what, at in times.items():
        gaps = [later - earlier for earlier, later in pairwise(at)]
        assert all(gap >= MEMORY_NS / S for gap in gaps), what
    for name in ("hci0", "hci1"):
        own = [at for at, what in air.log if what.endswith(name)]
        assert all(later - earlier >= EFFECT_NS / S for earlier, later in pairwise(own))


def test_the_times_fit_each_other():
    assert SILENT_NS / S >= 2 * CHECK_S
    assert EFFECT_NS / S >= CHECK_S
    assert AGAIN_NS > MEMORY_NS > SILENT_NS + 3 * EFFECT_NS
    assert set(LIMIT_S) == set(Rung)
