"""Which telemetry batches of a session are settled, for receipts that name a whole prefix."""

from __future__ import annotations

from collections.abc import Iterable


class Prefix:
    """Sequence numbers that are settled: stored, or refused for good.

    Parameters
    ----------
    up_to
        All from 1 to here are settled.
    ahead
        Settled ones behind a hole.
    refused
        Those of the settled ones that were refused: a good batch of that number is still
        welcome, or a stranger's garbage could keep out what a gateway measured.
    """

    def __init__(
        self, up_to: int = 0, ahead: Iterable[int] = (), refused: Iterable[int] = ()
    ) -> None:
        self.up_to = up_to
        self.ahead = set(ahead)
        self.refused = set(refused)

    def copy(self) -> Prefix:
        """A copy to change in a transaction that may fail."""
        return Prefix(self.up_to, self.ahead, self.refused)

    def is_stored(self, sequence: int) -> bool:
        """Whether this batch is in the store."""
        return self._is_settled(sequence) and sequence not in self.refused

    def store(self, sequence: int) -> None:
        """Note that a batch is in the store."""
        self.refused.discard(sequence)
        self._settle(sequence)

    def refuse(self, sequence: int) -> None:
        """Note that a batch was refused; without effect where a good one is stored."""
        if not self._is_settled(sequence):
            self.refused.add(sequence)
            self._settle(sequence)

    def _is_settled(self, sequence: int) -> bool:
        return sequence <= self.up_to or sequence in self.ahead

    def _settle(self, sequence: int) -> None:
        if self._is_settled(sequence):
            return
        self.ahead.add(sequence)
        while self.up_to + 1 in self.ahead:
            self.up_to += 1
            self.ahead.remove(self.up_to)
