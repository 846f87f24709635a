"""The process stands still for seconds, as on a slow card or a starved machine."""

from __future__ import annotations

import pytest

from wardlight.stages import Stage


@pytest.mark.parametrize("resident", ["resident-1", "resident-3"], ids=["held link", "adverts"])
@pytest.mark.parametrize("after_s", [1.0, 2.5, 4.0])
def test_a_fall_during_a_stall_is_still_detected(virtual_scene, resident, after_s):
    async def journey(scene):
        await scene.clock.sleep(20)
        scene.simulation.fall(resident)
        await scene.clock.sleep(after_s)
        scene.clock.pass_time(3_000_000_000)
        await scene.watch.reached(Stage.ALERTED, 90)

    virtual_scene(journey, resident)
