"""From a resident who opens the front door to the carer who is called."""

from __future__ import annotations

from contract.clock import now_us
from contract.events import EventKind
from contract.messages import IncidentState, Priority
from contract.units import US_PER_S
from firmware_sim.plan import AT_RISK, ENTRANCE

KNOWN_S = 12.0
"""The room filter begins anywhere, and wants some seconds of everybody."""
WALK_S = 60.0
"""She rises and walks about 20 m at 0.6 m/s."""


def test_who_goes_out_by_the_front_door_is_one_alert_of_high_priority(virtual_scene):
    async def journey(scene):
        home = scene.home
        await scene.clock.sleep(KNOWN_S)
        scene.simulation.go_out(AT_RISK, ENTRANCE)
        await scene.until(lambda: bool(home.desk.board().incidents), WALK_S, "the alert", 0.5)
        (incident,) = home.desk.board().incidents
        assert (incident.kind, incident.resident_id) == (EventKind.ELOPEMENT, AT_RISK)
        assert (incident.priority, incident.state) == (Priority.HIGH, IncidentState.OPEN)
        assert incident.zone == ENTRANCE
        assert incident.paged_at_us is not None
        assert now_us(scene.clock) - incident.paged_at_us < 2 * US_PER_S
        await scene.clock.sleep(3.0)
        assert len(home.desk.board().incidents) == 1, "three gateways have seen it"

    virtual_scene(journey, AT_RISK, entrance=True)
