"""Lying for long: after a fall that was suspected, and after a slide to the floor without impact.

After a fall, lying is not having walked since; neither movement nor silence ends it.

Without an impact, summaries tell this much: someone was on foot, within a minute the wearable was
held otherwise and stayed so, and there has been no walking since. From there on sitting down,
lying down and sliding to the floor look alike at a wrist. So what is told here of a slide is
evidence, and where the wearer is decides what it is worth (`edge.lies`): on the floor of a corridor
nobody rests, in a chair everybody does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.events import EventKind
from contract.units import NS_PER_S
from detectors.detection import Detection
from detectors.minute import padded
from detectors.own_time import OwnTime
from detectors.summary import DEVIATION_G, FEATURES, MEAN, SummaryBlock
from detectors.walking import WALKING_LEAST_S, WALKING_WINDOW_S, count_walking, unit
from detectors.wear import MOVED_DEVIATION_G

DETECTOR: Final = "long_lie/1"
"""Name and version, for an event's evidence."""

STAGES_MIN: Final = (5, 15, 60)
"""Minutes on the floor at which it is said (SAFETY). An hour is the long lie of the literature,
after which half do not live six months (SCIENCE 1.4); muscle and skin suffer long before."""

LOOK_EACH_S: Final = 10
"""Between two looks at walking and posture. A walk of `LOOK_EACH_S` + `WALKING_WINDOW_S` = 25 s is
never missed; shorter ones, a few steps from bed to chair, need no watch of their own."""

SLID_WITHIN_S: Final = 60
"""From the last look that saw walking to the turned wearable: who sits down first and lies down
later has not slid."""

TURNED_DEG: Final = 45.0
"""Between the wearable's posture while walking and after: half way from an arm that hangs or a
trunk that stands to one that lies. An arm on an arm rest turns as far."""

UPRIGHT_DEG: Final = 30.0
"""Nearer than this to the posture while walking she stands again, or the arm hangs."""

MOST_OF: Final = 0.8
"""Share of heard seconds that makes a posture one that is held."""

HEARD_SHARE: Final = 0.5
"""Of the time since a slide so much must have been heard: silence is no evidence of lying."""

ABSENT_SHARE: Final = 0.1
"""Greatest share of moved seconds at which a slide is told at the first stage: she hardly moves.
Agitation is no sign: in five minutes of home life (26 of SPHERE's) an arm pushes,
pulls or turns in 35 to 77 % of all seconds, simulated people who struggle on the floor do in 53 to
62 %. Whoever moves is told of at the later stages, which need the time alone (SCIENCE 1.4)."""

TURNING_DEG: Final = 12.0
"""Between the postures of two seconds of which one is moved: dressing and sitting down make 15 to
27 degrees, walking less than 5 (`detectors.walking`)."""

_TURNED_COSINE: Final = math.cos(math.radians(TURNED_DEG))
_UPRIGHT_COSINE: Final = math.cos(math.radians(UPRIGHT_DEG))
_TURNING_COSINE: Final = math.cos(math.radians(TURNING_DEG))
_STAGES_S: Final = np.array([60.0 * minutes for minutes in STAGES_MIN] + [np.inf])


class KeptLie(NamedTuple):
    """Who lies, as it outlives the process (`LongLie.resume`)."""

    begun_ns: int
    """Wall time."""
    slid: bool
    """Whether it began without an impact."""
    stage: int
    """How many of `STAGES_MIN` have passed."""
    heard_s: int
    moved_s: int
    lying: tuple[float, float, float]
    """Sum of the directions since it began."""
    on_foot: tuple[float, float, float] | None
    """Direction while walking last; None if she was not seen to walk."""


class LongLie:
    """Times how long each row has been lying.

    Parameters
    ----------
    rows
        Number of wearables.
    """

    def __init__(self, rows: int) -> None:
        self._time = OwnTime()
        self._begun_s = np.full(rows, np.inf)
        """On the axis of `OwnTime`; infinite for who does not lie."""
        self._begun_ns = np.zeros(rows, np.int64)
        self._slid = np.zeros(rows, np.bool_)
        """Whether it began without an impact."""
        self._stage = np.zeros(rows, np.int64)
        self._next_s = math.inf
        """When the next stage of anyone comes."""
        self._heard_s = np.zeros(rows, np.int64)
        self._moved_s = np.zeros(rows, np.int64)
        """Seconds since it began."""
        self._lying = np.zeros((3, rows), np.float32)
        """Sum of the directions since then."""
        self._on_foot_s = np.full(rows, -np.inf)
        self._on_foot = np.full((3, rows), np.nan, np.float32)
        """Direction while walking last."""
        self._kept = np.full((WALKING_WINDOW_S, len(FEATURES), rows), np.nan, np.float32)
        self._look: int | None = None
        self._falls: dict[int, list[tuple[float, int]]] = {}
        """Falls of a row that have not ended: when, on the axis of `OwnTime` and as wall time."""

    def suspect(self, row: int, impact_ns: int) -> None:
        """A fall was suspected.

        Of several the first counts until a stage of it has been said; one that comes after is
        timed anew, for nobody knows whether she was helped up between the two.
        """
        begun_s = self._time.of(impact_ns)
        oldest_s = self._time.now_s - _STAGES_S[-2]
        kept = [fall for fall in self._falls.get(row, ()) if fall[0] > oldest_s]
        self._falls[row] = [*kept, (begun_s, impact_ns)]
        if self._slid[row] or self._stage[row] > 0 or begun_s < self._begun_s[row]:
            self._begin(row, begun_s, impact_ns, slid=False)

    def end(self, row: int, until_ns: int | None = None) -> None:
        """She may have got up, or a person has said what it was.

        Parameters
        ----------
        until_ns
            Wall time of the latest impact that this speaks of: a later one is timed on. None
            for all.
        """
        left = [
            fall for fall in self._falls.pop(row, ()) if until_ns is not None and fall[1] > until_ns
        ]
        if left:
            self._falls[row] = left
            if self._begun_ns[row] not in (fall[1] for fall in left):
                self._begin(row, *min(left), slid=False)
            return
        self._begun_s[row] = np.inf
        self._slid[row] = False
        self._stage[row] = 0
        self._note_next()

    @property
    def waits(self) -> bool:
        """Whether a stage of anybody is still to come."""
        return self._next_s < math.inf

    def lying(self, row: int) -> KeptLie | None:
        """Since when and how a row lies; None if it does not."""
        if np.isinf(self._begun_s[row]):
            return None
        seen = bool(np.isfinite(self._on_foot[0, row]))
        return KeptLie(
            int(self._begun_ns[row]),
            bool(self._slid[row]),
            int(self._stage[row]),
            int(self._heard_s[row]),
            int(self._moved_s[row]),
            _as_tuple(self._lying[:, row]),
            _as_tuple(self._on_foot[:, row]) if seen else None,
        )

    def falls(self, row: int) -> list[int]:
        """Wall times of the impacts of a row's falls that have not ended."""
        return [impact_ns for _, impact_ns in self._falls.get(row, ())]

    def resume(self, row: int, lie: KeptLie | None, falls: Sequence[int], second: int) -> None:
        """Time this lie, and no other, of a row; stages that have passed meanwhile are told by the
        next second, and what was not heard stays not heard.

        Parameters
        ----------
        falls
            As `falls` has told them.
        second
            Unix second from which on blocks come, if none has come yet.
        """
        self.end(row)
        self._time.begin(second)
        if falls:
            self._falls[row] = [(self._time.exactly(impact_ns), impact_ns) for impact_ns in falls]
        if lie is None:
            return
        self._begin(row, self._time.exactly(lie.begun_ns), lie.begun_ns, slid=lie.slid)
        self._stage[row] = lie.stage
        self._heard_s[row], self._moved_s[row] = lie.heard_s, lie.moved_s
        self._lying[:, row] = lie.lying
        if lie.on_foot is not None:
            self._on_foot[:, row] = lie.on_foot
        self._note_next()

    def step(self, block: SummaryBlock) -> list[Detection]:
        """Take in the next second.

        Returns
        -------
        list
            ``long_lie`` of rows that have reached a stage of `STAGES_MIN`. Without an impact their
            features hold ``turned_deg``.
        """
        passed_s = self._time.advance(block.second)
        kept = max(WALKING_WINDOW_S - passed_s, 0)
        self._kept[:kept] = self._kept[WALKING_WINDOW_S - kept :].copy()
        self._kept[kept:] = np.nan
        self._kept[-1] = block.values
        look = block.second // LOOK_EACH_S
        if self._look is not None and look != self._look:
            self._look_at_all()
        self._look = look
        if self._time.now_s < self._next_s:
            return []
        return self._reach_stages((block.second + 1) * NS_PER_S)

    def reset(self, row: int) -> None:
        """Another wearable stands in this row."""
        self.end(row)
        self._on_foot_s[row] = -np.inf
        self._kept[:, :, row] = np.nan

    def grow(self, rows: int) -> None:
        """Make room for more wearables; who lies goes on lying."""
        self._begun_s = padded(self._begun_s, rows, np.inf)
        self._begun_ns = padded(self._begun_ns, rows)
        self._slid = padded(self._slid, rows)
        self._stage = padded(self._stage, rows)
        self._heard_s = padded(self._heard_s, rows)
        self._moved_s = padded(self._moved_s, rows)
        self._lying = padded(self._lying, rows)
        self._on_foot_s = padded(self._on_foot_s, rows, -np.inf)
        self._on_foot = padded(self._on_foot, rows, np.nan)
        self._kept = padded(self._kept, rows, np.nan)

    def _begin(self, row: int, begun_s: float, begun_ns: int, *, slid: bool) -> None:
        self._begun_s[row] = begun_s
        self._begun_ns[row] = begun_ns
        self._slid[row] = slid
        self._stage[row] = 0
        self._heard_s[row] = self._moved_s[row] = 0
        self._lying[:, row] = 0
        self._note_next()

    def _note_next(self) -> None:
        self._next_s = float((self._begun_s + _STAGES_S[self._stage]).min(initial=np.inf))

    # -- each LOOK_EACH_S ----------------------------------------------------------------------

    def _look_at_all(self) -> None:
        """Who walks, who stands, who has turned; and how much those who lie have moved.

        The latest second belongs to the next look.
        """
        recent = self._kept[-LOOK_EACH_S - 1 : -1]
        posture = unit(self._kept[:, MEAN].swapaxes(0, 1)).swapaxes(0, 1)
        self._count(recent, posture[-LOOK_EACH_S - 2 : -1])
        seconds, common = count_walking(posture, self._kept[:, DEVIATION_G])
        walks = seconds >= WALKING_LEAST_S
        self._on_foot_s[walks] = self._time.now_s
        self._on_foot[:, walks] = common[:, walks]
        heard = np.isfinite(recent[:, DEVIATION_G])
        heard_s = heard.sum(axis=0)
        along = (posture[-LOOK_EACH_S - 1 : -1] * self._on_foot).sum(axis=1)
        enough = heard_s >= HEARD_SHARE * LOOK_EACH_S
        # What was not heard, and who was never on foot, fail every comparison.
        turned = enough & ((along < _TURNED_COSINE).sum(axis=0) >= MOST_OF * heard_s)
        upright = enough & ((along > _UPRIGHT_COSINE).sum(axis=0) >= MOST_OF * heard_s)
        for row in np.flatnonzero(self._slid & (walks | upright)):
            self.end(int(row))
        within = self._time.now_s - self._on_foot_s <= SLID_WITHIN_S
        for row in np.flatnonzero(turned & within & ~walks & np.isinf(self._begun_s)):
            self._slide(int(row))

    def _slide(self, row: int) -> None:
        assert self._time.second is not None
        begun_s = float(self._on_foot_s[row])
        ago_s = round(self._time.now_s - begun_s)
        begun_ns = (self._time.second + 1 - ago_s) * NS_PER_S
        self._begin(row, begun_s, begun_ns, slid=True)

    def _count(self, recent: NDArray[np.float32], posture: NDArray[np.float32]) -> None:
        """Add the seconds of one look; `posture` holds one second more, at its beginning."""
        lies = np.isfinite(self._begun_s)
        if not lies.any():
            return
        deviation = recent[:, DEVIATION_G]
        turning = (posture[1:] * posture[:-1]).sum(axis=1) < _TURNING_COSINE
        self._heard_s += np.isfinite(deviation).sum(axis=0)
        self._moved_s += ((deviation >= MOVED_DEVIATION_G) | turning).sum(axis=0)
        self._lying += np.nan_to_num(posture[1:]).sum(axis=0)

    # -- stages --------------------------------------------------------------------------------

    def _reach_stages(self, emitted_ns: int) -> list[Detection]:
        lain_s = self._time.now_s - self._begun_s
        reached = np.flatnonzero(lain_s >= _STAGES_S[self._stage])
        said = [
            self._detection(int(row), float(lain_s[row]), emitted_ns)
            for row in reached
            if not self._slid[row] or self._is_evident(row, float(lain_s[row]))
        ]
        # A window that came late may pass several at once: the last one is said.
        self._stage[reached] = np.searchsorted(_STAGES_S, lain_s[reached], side="right")
        self._note_next()
        return said

    def _is_evident(self, row: np.intp, lain_s: float) -> bool:
        """Whether a slide is told at this stage."""
        heard_s, moved_s = self._heard_s[row], self._moved_s[row]
        is_late = self._stage[row] > 0
        return bool(
            heard_s >= HEARD_SHARE * lain_s and (is_late or moved_s <= ABSENT_SHARE * heard_s)
        )

    def _detection(self, row: int, lain_s: float, emitted_ns: int) -> Detection:
        stage = int(np.searchsorted(_STAGES_S, lain_s, side="right")) - 1
        features = {
            "stage_min": float(STAGES_MIN[stage]),
            "lain_s": lain_s,
            "heard_s": float(self._heard_s[row]),
            "moved_s": float(self._moved_s[row]),
        }
        if self._slid[row]:
            cosine = float(unit(self._lying[:, row]) @ self._on_foot[:, row])
            features["turned_deg"] = math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))
        return Detection(
            row, EventKind.LONG_LIE, int(self._begun_ns[row]), emitted_ns, None, features, None
        )


def _as_tuple(direction: NDArray[np.float32]) -> tuple[float, float, float]:
    x, y, z = direction.tolist()
    return x, y, z
