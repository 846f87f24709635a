"""A gateway says in time that its certificate ends, and why it is not let in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from contract.clock import VirtualClock
from contract.events import FaultCause
from edge.credentials import LOOK_S, CredentialWatch

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ENDING, REFUSED = FaultCause.CERTIFICATE_EXPIRING, FaultCause.CERTIFICATE_REFUSED


class Book:
    """Faults that stand, with what is said of them."""

    def __init__(self) -> None:
        self.standing: dict[FaultCause, str] = {}

    async def raise_fault(self, cause: FaultCause, detail: str) -> None:
        self.standing.setdefault(cause, detail)

    async def clear(self, cause: FaultCause, detail: str) -> None:
        self.standing.pop(cause, None)


class Watched:
    """A watch, what it is told, and the faults that follow."""

    def __init__(self, *, synced: bool = True) -> None:
        self.clock = VirtualClock(NOW, synced=synced)
        self.ends = NOW + timedelta(days=700)
        self.why: str | None = None
        self.broken: Exception | None = None
        self.book = Book()
        self.watch = CredentialWatch(self.book, self.clock, lambda: self.why, self.read)

    def read(self) -> datetime:
        if self.broken is not None:
            raise self.broken
        return self.ends

    async def pass_s(self, seconds: float) -> None:
        for _ in range(round(seconds / LOOK_S)):
            await self.clock.sleep(LOOK_S)
            await self.watch.look()

    def play(self, scenario) -> None:
        self.clock.run(scenario())


@pytest.mark.parametrize(
    ("days", "said"),
    [(700, None), (31, None), (29, "ends in 28 days"), (1.5, "in 1 days"), (-1, "has ended")],
)
def test_the_end_is_told_a_month_before(days: float, said: str | None) -> None:
    it = Watched()
    it.ends = NOW + timedelta(days=days)

    async def scenario() -> None:
        await it.pass_s(20)
        assert said is None or said in it.book.standing[ENDING]
        assert (said is None) == (ENDING not in it.book.standing)

    it.play(scenario)


def test_a_renewed_certificate_ends_the_fault_within_the_hour() -> None:
    it = Watched()
    it.ends = NOW + timedelta(days=3)

    async def scenario() -> None:
        await it.pass_s(20)
        assert ENDING in it.book.standing
        it.ends = NOW + timedelta(days=700)
        await it.pass_s(3_620)
        assert not it.book.standing

    it.play(scenario)


def test_a_clock_that_is_not_set_judges_no_end() -> None:
    it = Watched(synced=False)
    it.ends = NOW - timedelta(days=100)

    async def scenario() -> None:
        await it.pass_s(60)
        assert not it.book.standing

    it.play(scenario)


def test_what_an_earlier_session_told_stands_until_the_clock_is_set() -> None:
    it = Watched(synced=False)
    it.book.standing[ENDING] = "ends in 3 days"

    async def scenario() -> None:
        await it.pass_s(60)
        assert it.book.standing == {ENDING: "ends in 3 days"}
        it.clock = it.watch._clock = VirtualClock(NOW)

    it.play(scenario)
    it.clock.run(it.pass_s(20))
    assert not it.book.standing, "it was renewed; looked at within seconds of the clock's being set"


@pytest.mark.parametrize("broken", [OSError("gone"), ValueError("no certificate")])
def test_a_certificate_that_cannot_be_read_is_told(broken: Exception) -> None:
    it = Watched()
    it.broken = broken

    async def scenario() -> None:
        await it.pass_s(20)
        assert str(broken) in it.book.standing[ENDING]

    it.play(scenario)


def test_a_refusal_that_lasts_is_a_fault_with_its_cause_until_it_ends() -> None:
    it = Watched()

    async def scenario() -> None:
        it.why = "revoked"
        await it.pass_s(20)
        it.why = None
        await it.pass_s(10)
        it.why = "it is revoked"
        await it.pass_s(20)
        assert REFUSED not in it.book.standing, "shorter than a restart of the broker"
        await it.pass_s(10)
        assert it.book.standing[REFUSED] == "it is revoked"
        it.why = None
        await it.pass_s(10)
        assert not it.book.standing

    it.play(scenario)
