"""How much a gateway hears in a second of one core, from the radio's callback to the grid.

Rates are adverts per CPU-second of this process. The bars are those of the issue that asked for
it; ratios to a peer are taken in the same run, with the same bytes.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bthome_ble import BTHomeBluetoothDeviceData
from habluetooth import BluetoothServiceInfoBleak

from contract.advert import COMPANY_ID, encode_manufacturer_data
from contract.clock import VirtualClock
from contract.identities import Identities
from contract.protocols import HeardAdvert
from contract.units import NS_PER_S
from edge.radio.backlog import Backlog
from edge.radio.bluez_scan import Scan
from edge.radio.calls import Calls
from wardlight.bench_rig import WEARABLES, Rig
from wardlight.fuzz import Fuzzed, an_advert, fuzz
from wardlight.fuzz_devices import BTHOME, TARGETS

Row = dict[str, Any]

BAR_OWN: Final = 20_000.0
BAR_STRANGERS: Final = 500_000.0
"""Adverts per CPU-second."""
BAR_GROWTH_BYTES: Final = 1_000_000
"""Over the last six days of a week: noise of the allocator, and no table."""

BAR_BTHOME: Final = 0.7
"""Of the rate of bthome-ble's parser alone."""

STRANGERS: Final = 20_000
RUNS: Final = 5
"""The best counts; the others measure the neighbours."""
RUN_S: Final = 100
"""Seconds of the home in a run."""

WEEK_MINUTES: Final = 7 * 24 * 60
DAY_MINUTES: Final = 24 * 60
STRANGERS_A_MINUTE: Final = 50
"""Each with an address that was never heard before."""

THROWS: Final = 1_000_000

_BATCH: Final = 500


def bench_radio() -> list[Row]:
    """Rates of what is heard, in about twenty seconds."""
    return [*_run(_own), *_run(_rooms), *_run(_strangers), *_forged()]


def bench_week() -> list[Row]:
    """Whether a week leaves anything behind, in some two minutes."""
    return _run(lambda rig: week(rig, WEEK_MINUTES, DAY_MINUTES))


def _run(work: Callable[[Rig], Awaitable[list[Row]]]) -> list[Row]:
    clock = VirtualClock()
    rows: list[Row] = []

    async def main(folder: Path) -> None:
        rows.extend(await work(Rig(folder, clock)))

    with tempfile.TemporaryDirectory(prefix="wardlight-bench-") as folder:
        clock.run(main(Path(folder)))
    return rows


async def _own(rig: Rig) -> list[Row]:
    """From bleak's callback through the backlog, the decoder and the keepers to the grid."""
    backlog = Backlog(rig.clock)
    scan = Scan("hci0", rig.clock, Calls(rig.clock), backlog, "active")
    batches = backlog.batches()
    best = 0.0
    second = 100
    async with rig.open() as tasks:
        for _ in range(RUNS):
            taken_s = 0.0
            for _ in range(RUN_S):
                second += 1
                heard = [
                    (
                        BLEDevice(rig.address(number, second), None, {}),
                        AdvertisementData(None, {COMPANY_ID: data}, {}, [], None, -60, ("", {})),
                    )
                    for number, data in enumerate(rig.own(second))
                ]
                begun_s = time.process_time()
                for device, advertisement in heard:
                    scan._detected(device, advertisement)  # noqa: SLF001 - what bleak calls
                await rig.gateway.listener.hear(await anext(batches), tasks)
                taken_s += time.process_time() - begun_s
                await rig.clock.sleep(0.95)
                rig.close_seconds()
            best = max(best, RUN_S * WEARABLES / taken_s)
    counts = rig.gateway.counts
    expected = RUNS * RUN_S * WEARABLES
    if counts["summaries_decoded"] != expected or rig.gateway.pipeline.late_samples:
        raise AssertionError(f"of {expected} adverts not all came to the grid: {counts}")
    return [
        _rate("own adverts, all of which roll, from bleak's callback to the grid", best, BAR_OWN)
    ]


async def _rooms(rig: Rig) -> list[Row]:
    """Room sensors, half of them encrypted: from the radio's batch to what is known of the room,
    and bthome-ble's parser alone with the same bytes in turns.
    """
    best = peer = 0.0
    parsers = {
        each.address: BTHomeBluetoothDeviceData(
            bindkey=bytes.fromhex(each.config.key) if each.config.key else None
        )
        for each in rig.sensors
    }
    async with rig.open() as tasks:
        for _ in range(RUNS):
            batches = []
            for _ in range(RUN_S):
                await rig.clock.sleep(1.0)
                batches.append(rig.rooms())
            adverts = sum(map(len, batches))
            begun_s = time.process_time()
            for batch in batches:
                await rig.gateway.listener.hear(batch, tasks)
            best = max(best, adverts / (time.process_time() - begun_s))
            given = [(parsers[each.address], _for_peer(each)) for each in itertools.chain(*batches)]
            begun_s = time.process_time()
            for parser, info in given:
                parser.update(info)
            peer = max(peer, adverts / (time.process_time() - begun_s))
    if rig.gateway.counts.all_rejected or rig.gateway.counts["adverts_repeated"]:
        raise AssertionError(f"not all adverts of room sensors were new: {rig.gateway.counts}")
    return [
        {
            "name": "BTHome sensors, half encrypted, from the radio's batch to the room",
            "value": best,
            "unit": "adverts/CPU-s",
            "against": f"{peer:,.0f} (bthome-ble's parser alone)",
            "ratio": best / peer,
            "bar": BAR_BTHOME,
            "ok": best >= BAR_BTHOME * peer,
        }
    ]


def _for_peer(heard: HeardAdvert) -> BluetoothServiceInfoBleak:
    return BluetoothServiceInfoBleak(
        name=heard.address,
        address=heard.address,
        rssi=heard.rssi_dbm,
        manufacturer_data={},
        service_data=dict(heard.service_data),
        service_uuids=[],
        source="",
        device=None,  # type: ignore[arg-type]  # nothing is connected to
        advertisement=None,
        connectable=False,
        time=heard.received_ns / NS_PER_S,
        tx_power=None,
    )


async def _strangers(rig: Rig) -> list[Row]:
    """Adverts of whom nobody has enrolled, each from another address."""
    dice = random.Random(2)  # noqa: S311

    def crowd(manufacturer: Callable[[], dict[int, bytes]], service: dict[str, bytes]) -> Crowd:
        return [
            HeardAdvert(_random_address(dice), -80, manufacturer(), service, number)
            for number in range(STRANGERS)
        ]

    def of_our_layout() -> dict[int, bytes]:
        advert = an_advert(dice.getrandbits(32), 5_000, boot_counter=dice.randrange(8))
        return {COMPANY_ID: encode_manufacturer_data(advert)}

    crowds = {
        "strangers turned away": crowd(lambda: {76: b"\x10\x05\x01\x18\x00\x00\x00"}, {}),
        "strangers' wearables of our layout turned away": crowd(of_our_layout, {}),
        "strangers' BTHome sensors turned away": crowd(dict, {BTHOME: b"\x40\x00\x01\x21\x01"}),
    }
    rows = []
    async with rig.open() as tasks:
        for name, adverts in crowds.items():
            batches = [adverts[at : at + _BATCH] for at in range(0, STRANGERS, _BATCH)]
            best = 0.0
            for _ in range(RUNS):
                begun_s = time.process_time()
                for batch in batches:
                    await rig.gateway.listener.hear(batch, tasks)
                best = max(best, STRANGERS / (time.process_time() - begun_s))
            rows.append(_rate(name, best, BAR_STRANGERS))
        # The first crowd once more.
        rows.insert(1, await _from_the_callback(rig, next(iter(crowds.values())), tasks))
    if rig.gateway.counts["adverts_foreign"] != RUNS * STRANGERS * (len(crowds) + 1):
        raise AssertionError("somebody was not turned away")
    return rows


async def _from_the_callback(rig: Rig, crowd: Crowd, tasks: asyncio.TaskGroup) -> Row:
    """The same with the radio's own part of the work, which is most of it."""
    backlog = Backlog(rig.clock)
    scan = Scan("hci0", rig.clock, Calls(rig.clock), backlog, "active")
    batches = backlog.batches()
    heard = [
        (
            BLEDevice(each.address, None, {}),
            AdvertisementData(None, dict(each.manufacturer_data), {}, [], None, -80, ("", {})),
        )
        for each in crowd
    ]
    best = 0.0
    for _ in range(RUNS):
        begun_s = time.process_time()
        for device, advertisement in heard:
            scan._detected(device, advertisement)  # noqa: SLF001 - what bleak calls
        await rig.gateway.listener.hear(await anext(batches), tasks)
        best = max(best, len(heard) / (time.process_time() - begun_s))
    return _rate(
        "strangers turned away, with the radio's own work from bleak's callback on", best, None
    )


Crowd = list[HeardAdvert]


async def week(rig: Rig, minutes: int, settled: int) -> list[Row]:
    """A home hears its own and strangers for so many minutes, one advert of each a minute.

    Parameters
    ----------
    settled
        Minutes after which every table has what it will have; growth counts from there. A
        wearable's identities repeat after 18.2 hours.
    """
    dice = random.Random(3)  # noqa: S311
    begun = 0
    async with rig.open() as tasks:
        for minute in range(minutes):
            second, now_ns = 100 + 60 * minute, rig.clock.monotonic_ns()
            batch = [
                HeardAdvert(rig.address(number, second), -60, {COMPANY_ID: data}, {}, now_ns)
                for number, data in enumerate(rig.own(second))
            ]
            batch += [
                HeardAdvert(_random_address(dice), -80, {dice.randrange(500): b"x"}, {}, now_ns)
                for _ in range(STRANGERS_A_MINUTE)
            ]
            await rig.gateway.listener.hear(batch + rig.rooms(), tasks)
            await rig.clock.sleep(60.0)
            rig.close_seconds()
            if minute == settled:
                begun = _allocated()
        grown = _allocated() - begun
    return [
        {
            "name": f"memory grown from minute {settled:,} to {minutes:,} of a home of {WEARABLES}",
            "value": grown / 1e6,
            "unit": "MB",
            "against": f"{BAR_GROWTH_BYTES / 1e6:g} MB",
            "ratio": grown / BAR_GROWTH_BYTES,
            "bar": 1.0,
            "ok": grown < BAR_GROWTH_BYTES,
        }
    ]


def _allocated() -> int:
    """Bytes that this process holds in Python's own blocks, as nearly as is known: their number
    times the mean size of the objects that there are.
    """
    gc.collect()
    objects = gc.get_objects()
    mean = sum(map(sys.getsizeof, objects)) / len(objects)
    return round(sys.getallocatedblocks() * mean)


def _forged() -> list[Row]:
    """The worst that a flood can ask: each advert of a boot and second not heard before."""
    dice = random.Random(4)  # noqa: S311
    best = 0.0
    for _ in range(RUNS):
        identities = Identities([dice.randbytes(16) for _ in range(WEARABLES)])
        forged = [b"\x01" + dice.randbytes(23) for _ in range(1_000)]
        begun_s = time.process_time()
        for data in forged:
            identities.find(data)
        best = max(best, len(forged) / (time.process_time() - begun_s))
    return [_rate("forged identities of boots never heard, the first 16,384", best, None)]


def bench_fuzz() -> list[Row]:
    """A million throws, in some two minutes."""
    each = -(-THROWS // len(TARGETS))
    begun_s = time.process_time()
    done = {name: fuzz(name, make, each, seed=1) for name, make in TARGETS.items()}
    taken_s = time.process_time() - begun_s
    thrown = sum(one.throws for one in done.values())
    wrong = [f"{name}: {text}" for name, one in done.items() for text in _wrong(one)]
    for text in wrong:
        sys.stderr.write(f"{text}\n")
    reasons = sum(len(one.reasons) for one in done.values())
    return [
        {
            "name": f"random and mutated packets at {len(done)} readers, {reasons} reasons counted",
            "value": float(thrown),
            "unit": f"thrown in {taken_s:.0f} CPU s",
            "against": "none escaped or uncounted",
            "ratio": float(len(wrong)),
            "bar": 0.0,
            "ok": not wrong,
        }
    ]


def _wrong(fuzzed: Fuzzed) -> Iterable[str]:
    yield from fuzzed.escaped
    if fuzzed.unsaid:
        yield f"{fuzzed.unsaid} were refused and counted nowhere"


def _rate(name: str, rate: float, bar: float | None) -> Row:
    return {
        "name": name,
        "value": rate,
        "unit": "adverts/CPU-s",
        "against": None if bar is None else f"{bar:,.0f}",
        "ratio": None if bar is None else rate / bar,
        "bar": None if bar is None else 1.0,
        "ok": bar is None or rate >= bar,
    }


def _random_address(dice: random.Random) -> str:
    return ":".join(f"{byte:02X}" for byte in dice.randbytes(6))
