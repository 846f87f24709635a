"""Who wants to go out: at an exit again and again, or for long, beyond what is usual for her.

Visits to exits in the last twenty minutes are Poisson with her own rate of this hour (SCIENCE 3.3);
how long she stays there is log-normal with her own mean. Both begin with what is usual anywhere.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from contract.events import EventKind
from detectors.habits import KEPT_A_DAY
from detectors.resident_rows import LONG_AGO, NEVER, Each, ResidentRows
from detectors.room_model import UNKNOWN
from detectors.visits import FORGET_S
from detectors.whereabouts_scene import ASK_AGAIN_S, Flags, Found, Numbers, Plan, Values
from detectors.whereabouts_view import View

WINDOW_S: Final = 20 * 60
"""In which visits are counted: exit seeking comes in bouts of some ten minutes."""
SURPRISE: Final = 3.5
"""-log10 of the chance of so many visits, at which it is told: in the middle of 3 to 4 of SCIENCE
3.3. Each visit is a look, so ten residents with ten visits a day give one by chance in a month."""
LEAST_VISITS: Final = 3
"""Fewer are no seeking, how rarely she may come there: she had a look, and one more."""
STANDS_S: Final = 15
"""Shorter is no visit: she walks through, or past, which takes 5 to 12 s by radio."""
APART_S: Final = 20
"""Who was away from the exit for less has not come back to it: radio at a wall."""

USUAL_STAY_S: Final = 10.0
USUAL_SPREAD: Final = 0.94
"""Of the time at an exit of somebody nobody knows: 10 s, and one in a hundred longer than
`LEAST_STAY_S` (log-normal; 10 s to walk through, SCIENCE 3.3: lingering is over 60 to 90 s)."""
PRIOR_STAYS: Final = 10.0
"""That many stays it weighs."""
LEAST_STAY_S: Final = 90
"""Shorter is no lingering, however quickly she passes otherwise: somebody has met somebody."""
_ONE_IN_100: Final = 2.326
"""Standard deviations above the mean beyond which lies a hundredth of a normal curve."""
HEARD_WITHIN_S: Final = 30
"""Told to be there so recently: else nobody knows whether she lingers."""

QUIET_S: Final = 15 * 60
"""So long away from all exits, and a spell is over; until then it is told once."""
KEPT_VISITS: Final = 16
"""The latest visits that are remembered: more in 20 min count as so many."""
_LOOK_EACH_S: Final = 5


class ExitSeeking(ResidentRows):
    """Follows everybody's visits to exits; tells of those who are at risk.

    Parameters
    ----------
    plan
        The home.
    residents
        How many.
    """

    def __init__(self, plan: Plan, residents: int) -> None:
        super().__init__(residents)
        self._is_exit = np.append(plan.is_exit, False)  # The last one for UNKNOWN.
        self._visits_s = self._seconds("visits_s", LONG_AGO, lead=(KEPT_VISITS,))
        self._visits_zone = self._seconds("visits_zone", UNKNOWN, lead=(KEPT_VISITS,))
        self._count = self._seconds("count", 0)
        self._is_there = self._flags("is_there")
        self._came_s = self._seconds("came_s", LONG_AGO)
        self._left_s = self._seconds("left_s", LONG_AGO)
        self._elsewhere_s = self._seconds("elsewhere_s", NEVER)
        """Since when who is held to be at an exit is told to be elsewhere."""
        self._counts_s = self._seconds("counts_s", NEVER)
        """When the present visit counts."""
        self._is_told = self._flags("is_told")
        self._ask_s = self._seconds("ask_s", NEVER)
        """When a spell that was excused is told again, if she is alone in it by then."""
        self._stays = self._values("stays", is_habit=True, least=0.0)
        self._log_stay = self._values("log_stay", is_habit=True)
        self._log_square = self._values("log_square", is_habit=True, least=0.0)
        self.visits_today = self._values("visits_today", is_habit=True, least=0.0)
        """(residents,) visits to exits since `end_day`."""
        self._look = Each(_LOOK_EACH_S)

    def step(self, view: View) -> list[Found]:
        """Take in one more second; returns who seeks an exit."""
        if len(view.entered):
            self._entered(view)
        if not self._look.is_due(view.second):
            return []
        return self._standing(view) + self._lingering(view)

    def end_day(self) -> None:
        """Local midnight: forget a little."""
        self.visits_today[:] = 0
        self._stays *= KEPT_A_DAY
        self._log_stay *= KEPT_A_DAY
        self._log_square *= KEPT_A_DAY

    def limit_s(self) -> Values:
        """(residents,) stays at an exit that only one in a hundred of hers exceeds."""
        weight = self._stays + PRIOR_STAYS
        usual = np.log(USUAL_STAY_S)
        mean = (self._log_stay + PRIOR_STAYS * usual) / weight
        square = (self._log_square + PRIOR_STAYS * (USUAL_SPREAD**2 + usual**2)) / weight
        spread = np.sqrt(np.maximum(square - mean**2, 0.0))
        limit: Values = np.maximum(np.exp(mean + _ONE_IN_100 * spread), LEAST_STAY_S)
        return limit

    def _entered(self, view: View) -> None:
        rows, visits = view.entered, view.visits
        is_exit = self._is_exit[visits.zone[rows]]
        self._leave(rows[~is_exit & self._is_there[rows]], visits.begun_s)
        came = rows[is_exit & ~self._is_there[rows]]
        if not len(came):
            return
        self._is_there[came] = True
        is_fresh = visits.begun_s[came] - self._left_s[came] >= APART_S
        fresh = came[is_fresh]
        self._came_s[fresh] = visits.begun_s[fresh]
        # Who was too short there to count, and came back at once, may stand there now.
        latest_s = self._visits_s[(self._count[came] - 1) % KEPT_VISITS, came]
        counts = came[is_fresh | (latest_s != self._came_s[came])]
        self._counts_s[counts] = visits.begun_s[counts] + STANDS_S

    def _standing(self, view: View) -> list[Found]:
        """Whose visit counts by now, and who of them come more often than is usual."""
        fresh = np.flatnonzero(self._counts_s <= view.second)
        if not len(fresh):
            return []
        self._counts_s[fresh] = NEVER
        came_s = self._came_s[fresh]
        begins = fresh[came_s - self._left_s[fresh] > QUIET_S]
        self._is_told[begins], self._ask_s[begins] = False, NEVER
        self._visits_s[self._count[fresh] % KEPT_VISITS, fresh] = came_s
        self._visits_zone[self._count[fresh] % KEPT_VISITS, fresh] = view.visits.zone[fresh]
        self._count[fresh] += 1
        self.visits_today[fresh] += 1
        view.habits.count_exit_visits(fresh)
        return self._returning(fresh, view)

    def _leave(self, rows: Numbers, left_s: Numbers) -> None:
        """These have left an exit; how long they were there becomes part of what is usual."""
        self._is_there[rows] = False
        self._counts_s[rows] = NEVER
        self._left_s[rows] = left_s[rows]
        log = np.log(np.maximum(left_s[rows] - self._came_s[rows], 1))
        self._stays[rows] += 1
        self._log_stay[rows] += log
        self._log_square[rows] += log**2

    def _returning(self, rows: Numbers, view: View) -> list[Found]:
        """Those of them who come more often than is usual."""
        rows = rows[self._may_be_told(rows, view)]
        count = (self._visits_s[:, rows] > view.second - WINDOW_S).sum(axis=0)
        rows, count = rows[count >= LEAST_VISITS], count[count >= LEAST_VISITS]
        if not len(rows):
            return []
        hour, window_h = view.scene.minute_of_day // 60, WINDOW_S / 3600
        surprise = view.habits.exit_visits.surprise(hour, count, window_h, rows=rows)
        odd = surprise >= SURPRISE
        excused, is_news = self._tell(rows, odd, view)
        rows, excused = rows[is_news], excused[is_news]
        count, surprise = count[is_news], surprise[is_news]
        if not len(rows):
            return []
        least, most = view.habits.exit_visits.usual(hour, window_h, rows=rows)
        is_recent = self._visits_s[:, rows] > view.second - WINDOW_S
        zones = np.where(is_recent, self._visits_zone[:, rows], UNKNOWN).T
        exits = np.array([len(set(each.tolist()) - {UNKNOWN}) for each in zones])
        return view.find(
            EventKind.EXIT_SEEKING,
            rows,
            np.where(is_recent, self._visits_s[:, rows], view.second).min(axis=0),
            excused=excused,
            features={
                "visits": count,
                "exits": exits,
                "window_min": WINDOW_S / 60,
                "usual_least": least,
                "usual_most": most,
                "surprise_log10": surprise,
            },
        )

    def _may_be_told(self, rows: Numbers, view: View) -> Flags:
        """(rows,) of whom somebody wants to know who has not, or only that it was excused."""
        may = ~self._is_told[rows] | (self._ask_s[rows] <= view.second)
        may &= view.policies.at_risk[rows] & view.scene.present[rows]
        return may

    def _tell(self, rows: Numbers, seeks: Flags, view: View) -> tuple[Flags, Flags]:
        """(rows,) who is excused, and who of those that seek is to be told."""
        excused = view.is_excused(rows)
        is_news = seeks & (~excused | ~self._is_told[rows])
        told = rows[is_news]
        self._is_told[told] = True
        self._ask_s[told] = np.where(excused[is_news], view.second + ASK_AGAIN_S, NEVER)
        return excused, is_news

    def _still_there(self, rows: Numbers, view: View) -> Numbers:
        """Those of these who are told to be at an exit. Who sits beside one is told so for a while,
        and then where she sits: she has not walked, so her visit lasts, and does not linger.
        """
        rows = rows[self._is_there[rows]]
        at_exit = self._is_exit[view.visits.told_last(rows)]
        away: Numbers = rows[~at_exit]
        there: Numbers = rows[at_exit]
        self._elsewhere_s[away] = np.minimum(self._elsewhere_s[away], view.second)
        back = there[view.second - self._elsewhere_s[there] >= APART_S]
        self._came_s[back] = view.second
        self._elsewhere_s[there] = NEVER
        return there

    def _lingering(self, view: View) -> list[Found]:
        rows = np.flatnonzero(self._is_there)
        if not len(rows):
            return []
        lost = rows[view.visits.zone[rows] == UNKNOWN]
        self._is_there[lost] = False
        self._counts_s[lost] = NEVER  # Nobody knows how long she stayed.
        self._left_s[lost] = view.second - FORGET_S
        second = view.second
        rows = rows[self._may_be_told(rows, view)]
        rows = self._still_there(rows, view)
        rows = rows[second - self._came_s[rows] > LEAST_STAY_S]
        rows = rows[view.visits.is_told(rows, second, HEARD_WITHIN_S)]
        if not len(rows):
            return []
        limit_s = self.limit_s()
        excused, is_news = self._tell(rows, second - self._came_s[rows] > limit_s[rows], view)
        rows, excused = rows[is_news], excused[is_news]
        return view.find(
            EventKind.EXIT_SEEKING,
            rows,
            self._came_s[rows],
            excused=excused,
            features={
                "is_lingering": 1.0,
                "stayed_s": second - self._came_s[rows],
                "usual_stay_s": limit_s[rows],
            },
        )
