"""What a radio says of its adapters becomes faults of this gateway's parts, in a real gateway."""

from __future__ import annotations

from contract.events import EventKind, FaultCause
from contract.protocols import AdapterTrouble

SILENT = FaultCause.ADAPTER_SILENT


def told(bench):
    return [(each.kind, each.device, each.detail) for each in bench.far_end.faults(SILENT)]


def test_each_rung_is_told_and_the_end_too(bench):
    first = AdapterTrouble(
        SILENT, "hci0", "hci0 has heard nothing for 90 s; its scan was restarted"
    )
    second = first._replace(detail="hci0 has heard nothing for 150 s; it was switched off and on")

    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(10)
            bench.radio.standing = [first]
            await bench.advertise(30, first=110)
            assert told(bench) == [(EventKind.FAULT, "gateway-a/hci0", first.detail)], "said once"
            bench.radio.standing = [second]
            await bench.advertise(10, first=140)
            assert told(bench)[1:] == [(EventKind.FAULT, "gateway-a/hci0", second.detail)]
            bench.radio.standing = []
            await bench.advertise(10, first=150)
            assert told(bench)[2:] == [
                (EventKind.FAULT_CLEARED, "gateway-a/hci0", "gateway-a/hci0 hears again")
            ]

    bench.clock.run(main())


def test_two_adapters_are_two_faults_and_neither_ends_with_the_other(bench):
    troubles = [AdapterTrouble(SILENT, name, f"{name} is gone") for name in ("hci0", "hci1")]

    async def main():
        async with bench.running(bench.gateway()):
            bench.radio.standing = troubles
            await bench.advertise(10)
            bench.radio.standing = troubles[1:]
            await bench.advertise(10, first=110)
            assert [(kind, device) for kind, device, _ in told(bench)] == [
                (EventKind.FAULT, "gateway-a/hci0"),
                (EventKind.FAULT, "gateway-a/hci1"),
                (EventKind.FAULT_CLEARED, "gateway-a/hci0"),
            ]

    bench.clock.run(main())


def test_over_a_restart_it_stands_until_something_is_heard(bench):
    async def main():
        async with bench.running(bench.gateway()):
            bench.radio.standing = [AdapterTrouble(SILENT, "hci0", "hci0 is gone")]
            await bench.advertise(10)
        bench.radio.standing = []
        async with bench.running(bench.gateway()):
            await bench.clock.sleep(30)
            assert [kind for kind, *_ in told(bench)] == [EventKind.FAULT]
            await bench.advertise(10, first=140)
            assert [kind for kind, *_ in told(bench)] == [EventKind.FAULT, EventKind.FAULT_CLEARED]

    bench.clock.run(main())
