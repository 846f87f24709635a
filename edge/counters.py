"""Counts of what happened since the start: every rejection is in one of them."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

_NUMBERS: Final = re.compile(r"-?\d+(\.\d+)?")

ADVERTS_HEARD: Final = "adverts_heard"
"""Of anybody, enrolled or not: shows that the radio is alive."""
ADVERTS_FOREIGN: Final = "adverts_foreign"
"""Of devices that are not enrolled: discarded unseen."""
ADVERTS_REPEATED: Final = "adverts_repeated"
SUMMARIES_DECODED: Final = "summaries_decoded"
SAMPLES_DECODED: Final = "samples_decoded"
PACKETS_LOST: Final = "packets_lost"
"""Stream packets that never came, by the holes in their numbers."""


MOST_REASONS: Final = 200
"""Kinds of reasons that are told apart, several times what our own code gives; some come from other
people's decoders, and a status must not grow with what a stranger sends."""
OTHER_REASONS: Final = "other reasons"

_REJECTED: Final = "rejected: "
_OTHERS: Final = _REJECTED + OTHER_REASONS


class Counts(Counter[str]):
    """Counters by name; `rejected` adds one under a reason."""

    def rejected(self, reason: str) -> None:
        """Count a rejection. Numbers are taken out of the reason, so that there are as many
        counters as kinds of reason, however much garbage comes.
        """
        name = _REJECTED + _NUMBERS.sub("#", reason)
        if name not in self and (_OTHERS in self or len(self.reasons) >= MOST_REASONS):
            name = _OTHERS
        self[name] += 1

    @property
    def reasons(self) -> dict[str, int]:
        """What was rejected so far, by reason."""
        return {
            name.removeprefix(_REJECTED): count
            for name, count in self.items()
            if name.startswith(_REJECTED)
        }

    @property
    def all_rejected(self) -> int:
        """Everything rejected, whatever the reason."""
        return sum(self.reasons.values())
