"""Faults of wear and sensors as a gateway tells them."""

from __future__ import annotations

from contract.events import EventKind, FaultCause

STILL_S = 1_320
"""Twenty whole minutes, wherever in one they begin, and the summaries' lateness."""


def test_a_still_wearable_that_cannot_tell_is_not_worn_over_a_restart(bench):
    """A new session knows nothing yet, and that is no reason to call it worn."""

    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(STILL_S, worn=None, heart_rate_bpm=None)
            (fault,) = bench.far_end.faults(FaultCause.NOT_WORN)
            assert fault.kind is EventKind.FAULT
            assert "without the least motion" in fault.detail
        async with bench.running(bench.gateway()):
            first = 100 + STILL_S
            await bench.advertise(150, first=first, worn=None, heart_rate_bpm=None)
            assert len(bench.far_end.faults(FaultCause.NOT_WORN)) == 1
            await bench.advertise(
                200, first=first + 150, worn=None, heart_rate_bpm=None, deviation_g=0.1
            )
            kinds = [each.kind for each in bench.far_end.faults(FaultCause.NOT_WORN)]
            assert kinds == [EventKind.FAULT, EventKind.FAULT_CLEARED]

    bench.clock.run(main())


def test_a_charging_wearable_is_not_called_unworn(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(STILL_S, worn=None, heart_rate_bpm=None, charging=True)
            assert bench.far_end.faults(FaultCause.NOT_WORN) == []

    bench.clock.run(main())


def test_a_pulse_is_evidence_of_wear(bench):
    async def main():
        async with bench.running(bench.gateway()):
            await bench.advertise(STILL_S, worn=None, heart_rate_bpm=64)
            assert bench.far_end.faults(FaultCause.NOT_WORN) == []

    bench.clock.run(main())
