"""How fast a backlog may go out."""

from __future__ import annotations

from typing import Final

from contract.units import NS_PER_S

_NOT_BEGUN: Final = -1


class Pace:
    """So many in a second, and a few at once after a pause (a token bucket).

    Parameters
    ----------
    per_s
        In the long run.
    at_once
        After a pause.
    """

    def __init__(self, per_s: float, at_once: int) -> None:
        self._each_ns = round(NS_PER_S / per_s)
        self._at_once = at_once
        self._used_until_ns = _NOT_BEGUN
        """When what was taken will have been paid for."""

    def allowed(self, now_ns: int) -> int:
        """How many may go now."""
        ahead_ns = max(self._used_until_ns - now_ns, 0)
        return max(self._at_once - -(-ahead_ns // self._each_ns), 0)

    def take(self, now_ns: int, count: int = 1) -> None:
        """So many go now."""
        self._used_until_ns = max(self._used_until_ns, now_ns) + count * self._each_ns

    def next_ns(self, now_ns: int) -> int:
        """When the next may go; `now_ns` if it may go now."""
        return max(self._used_until_ns - (self._at_once - 1) * self._each_ns, now_ns)
