"""A step that is late says why, in the incident's own log."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import OperationalError

from alerts.escalation import claim_due
from alerts.lateness import Lookout
from alerts.policy import LogKind
from contract.clock import VirtualClock, now_us
from contract.events import EventKind
from contract.units import NS_PER_S, US_PER_S

HELP = EventKind.HELP_REQUESTED


@pytest.mark.parametrize("database_kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize(("late_s", "is_told"), [(5, False), (25, True)])
def test_a_late_step_says_why(ward, late_s, is_told):
    """The step at 60 s is taken by somebody who looks later."""
    ward.play((0, ward.say(HELP)), until=30)
    moment_us = now_us(ward.clock) + (30 + late_s) * US_PER_S
    with ward.database.transaction("demo") as session:
        claim_due(session, "demo", moment_us, (), "the reason")
    late = [line.detail for line in ward.only().log if line.what == LogKind.STEP_LATE]
    assert late == ([f"{late_s} s late: the reason"] if is_told else [])


def test_a_lookout_tells_what_kept_it():
    clock = VirtualClock()
    lookout = Lookout(clock)
    clock.pass_time(3 * NS_PER_S)
    assert lookout.why() == "no worker took it; this one began 3 s ago"
    lookout.looked()
    assert lookout.why() == "another worker held it"
    clock.pass_time(40 * NS_PER_S)
    assert lookout.why() == "no worker took it; this one had stood still for 40 s"
    lookout.hindered(OperationalError("SELECT", None, TimeoutError("gone")))
    assert lookout.why() == "the records could not be used for 40 s (TimeoutError)"
    lookout.looked()
    assert lookout.why() == "another worker held it"
