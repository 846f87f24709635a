"""Whose a rolling identity is: a table that is made as it is asked, and bounded whoever asks.

An identity depends on the advert's boot counter and epoch alone, 16,384 pairs of them. For each
pair that is heard the identities of all keys are worked out once and kept; from then on an advert
of that pair costs a search through some hundred bytes. So a flood of forged adverts makes the
table complete, and after that costs what any stranger's advert costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contract.identity import EPOCHS, IDENTITY_BYTES, identity_bytes

MAX_TABLE_BYTES: Final = 16 * 1024 * 1024
"""Of identities: complete for 256 wearables. With more the oldest pair makes way, and a flood costs
one keyed hash (about 1 µs) for each wearable and advert. A tenth of the memory that a gateway may
take."""

_IDENTITY: Final = slice(1, 5)
_BOOT: Final = 5
_SECOND_HIGH: Final = 7
"""Places in the manufacturer data (`contract.advert`). The epoch is the six highest bits of the
second, which are those of its higher byte."""
_EPOCH_SHIFT: Final = 2


class Identities:
    """Finds out which of some keys has made an identity.

    Parameters
    ----------
    keys
        16 bytes each, no two the same.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = keys
        self._rows: dict[int, bytes] = {}
        self._most_rows = MAX_TABLE_BYTES // (IDENTITY_BYTES * max(len(keys), 1))

    @property
    def rows(self) -> int:
        """Pairs of boot and epoch whose identities are kept."""
        return len(self._rows)

    def find(self, data: bytes) -> int | None:
        """The number of the key that has made the identity in an advert; none if none has.

        Parameters
        ----------
        data
            Manufacturer data of our length and version.
        """
        boot, epoch = data[_BOOT], data[_SECOND_HIGH] >> _EPOCH_SHIFT
        row = self._rows.get(boot * EPOCHS + epoch)
        if row is None:
            row = self._made(boot, epoch)
        identity = data[_IDENTITY]
        place = row.find(identity)
        while place % IDENTITY_BYTES and place >= 0:
            place = row.find(identity, place + 1)
        return place // IDENTITY_BYTES if place >= 0 else None

    def _made(self, boot: int, epoch: int) -> bytes:
        if len(self._rows) >= self._most_rows:
            del self._rows[next(iter(self._rows))]
        row = b"".join(identity_bytes(key, boot, epoch) for key in self._keys)
        self._rows[boot * EPOCHS + epoch] = row
        return row
