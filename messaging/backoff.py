"""How long to wait before the next attempt to reach a broker."""

from __future__ import annotations

from typing import Final

FIRST_WAIT_S: Final = 0.25
"""A broker that restarts on the same machine is back within a second."""

LONGEST_WAIT_S: Final = 5.0
"""Well under the 15 s after which an alarm without a receipt sounds the siren (DESIGN 4): one
refused attempt must not use up that budget. A home has a handful of clients and one broker,
so there is no herd to spread out, and no jitter that would make a replay irreproducible."""

GROWTH: Final = 2.0


class Backoff:
    """Waits that double from `FIRST_WAIT_S` to `LONGEST_WAIT_S`."""

    def __init__(self) -> None:
        self._next_s = FIRST_WAIT_S

    def next_wait_s(self) -> float:
        """Seconds to wait now; the next answer is longer."""
        wait_s = self._next_s
        self._next_s = min(wait_s * GROWTH, LONGEST_WAIT_S)
        return wait_s

    def reset(self) -> None:
        """A session stood: the next outage begins with a short wait again."""
        self._next_s = FIRST_WAIT_S
