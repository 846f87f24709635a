"""What every receiver of the home heard, second by second on one grid.

Each gateway tells the others once a second what it has heard since it told them last
(`contract.messages.Presence`). Their clocks may be wrong, so a message says nothing of when that
was: it is laid where it arrives, half a second back, which is the middle of what it tells of. A
gateway's own second goes the same way as theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from contract.units import NS_PER_S, seconds_to_ns

LATENESS_S: Final = 2
"""A grid second is looked at, by the tick at its end (`edge.gateway.TICK_PHASE_NS`), when this many
more have begun: a message of it arrives up to half a second after it, and one that is laid by the
one before it (`SLACK_NS`) up to one."""

MIDDLE_NS: Final = NS_PER_S // 2
"""How long before it arrives the middle of what a message tells of is."""

SLACK_NS: Final = seconds_to_ns(1)
"""Messages of one gateway follow each other by a second, but arrive a little sooner or later: each
is laid a second after the one before it unless that is wrong by more than this. Without it a
gateway whose messages arrive as a second turns would give one of them two and the next none. Half
a second of it is where the first one may lie in its second: they may be as much early or late."""

HELD_S: Final = 5
"""A second of which no message came repeats the one before it: messages are lost, and a receiver
whose silence is a lost message has not stopped hearing anybody. As long as a gateway counts as
alive (`edge.lead.LIVE_NS`); then it is not."""

KEPT_S: Final = HELD_S + LATENESS_S + 1


class Second(NamedTuple):
    """What one gateway heard in one second."""

    strengths: Mapping[str, Mapping[str, float]]
    """As in `Presence.strengths`."""
    movement_g: Mapping[str, float]
    """As in `Presence.movement_g`."""


class HomeSecond(NamedTuple):
    """What the home heard in one second."""

    strengths: dict[str, Mapping[str, float]]
    """Receiver to device to mean in dBm. Each receiver that works is there; a gateway's own radio
    has the gateway's name."""
    movement_g: dict[str, float]


class _Side:
    """The latest seconds of one gateway."""

    __slots__ = ("latest", "seconds", "sequence", "session")

    def __init__(self) -> None:
        self.session = ""
        self.sequence = 0
        self.latest = 0
        """Grid second that the latest message was laid into."""
        self.seconds: dict[int, Second] = {}


class SharedAir:
    """Lays what gateways tell onto grid seconds.

    Parameters
    ----------
    gateway
        Its own name: what itself has heard goes before what others say of the same receiver.
    """

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._sides: dict[str, _Side] = {}

    def put(
        self, gateway: str, session: str, sequence: int, second: Second, arrival_ns: int
    ) -> None:
        """A message has come.

        Parameters
        ----------
        gateway, session, sequence
            As in `Presence`; older ones than were put before are not to be.
        arrival_ns
            Grid time.
        """
        side = self._sides.setdefault(gateway, _Side())
        middle_ns = arrival_ns - MIDDLE_NS
        number = middle_ns // NS_PER_S
        if session == side.session:
            expected = side.latest + sequence - side.sequence
            if abs(expected * NS_PER_S + MIDDLE_NS - middle_ns) <= SLACK_NS:
                number = expected
        side.session, side.sequence, side.latest = session, sequence, number
        side.seconds[number] = second
        for old in [each for each in side.seconds if each < number - KEPT_S]:
            del side.seconds[old]

    def second(self, number: int) -> HomeSecond:
        """What was heard in that grid second, as far as anybody has told."""
        strengths: dict[str, Mapping[str, float]] = {}
        movement_g: dict[str, float] = {}
        # Its own last: it is not overwritten. Others by name, so that all gateways take the same.
        for gateway in sorted(self._sides, key=lambda each: (each == self._gateway, each)):
            told = _at(self._sides[gateway], number)
            if told is None:
                continue
            for receiver, heard in told.strengths.items():
                strengths[receiver or gateway] = heard
            movement_g.update(told.movement_g)
        return HomeSecond(strengths, movement_g)

    def forget(self, before: int) -> None:
        """Remember nothing that was heard before that grid second."""
        for gateway, side in list(self._sides.items()):
            side.seconds = {at: each for at, each in side.seconds.items() if at >= before}
            if not side.seconds:
                del self._sides[gateway]


def _at(side: _Side, number: int) -> Second | None:
    return next(
        (side.seconds[at] for at in range(number, number - HELD_S, -1) if at in side.seconds), None
    )
