"""Goes on listening to held links after a suspicion, until the motion around it can be shown."""

from __future__ import annotations

from contract.events import EventKind
from contract.units import NS_PER_S
from detectors.block import Block
from detectors.detection import Detection
from detectors.fall_excerpt import Excerpt
from edge.wearables import Roster, Wearable


class StreamExcerpts:
    """Motion around falls that were suspected in held streams.

    A wearable is followed by itself and not by its row: other grids, and another wearable in its
    row, change nothing of what was heard. What a link that was lost did not bring is missing.
    """

    def __init__(self, roster: Roster) -> None:
        self._roster = roster
        self._open: list[tuple[Wearable, Excerpt]] = []

    def begin(self, wearable: Wearable, detection: Detection) -> Excerpt | None:
        """The motion around a detection; it grows with what comes. None if it is no suspicion."""
        if detection.kind is not EventKind.FALL_SUSPECTED:
            return None
        excerpt = Excerpt(detection)
        self._open.append((wearable, excerpt))
        return excerpt

    def take(self, block: Block) -> None:
        """Hear the next second of all held links."""
        for wearable, excerpt in self._open:
            row = wearable.stream_row
            if row is not None and self._roster.by_stream_row.get(row) is wearable:
                excerpt.take(block, row)
        end_ns = (block.second + 1) * NS_PER_S
        self._open = [each for each in self._open if each[1].end_ns > end_ns]
