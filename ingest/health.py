"""How ingest is, as its heartbeat says it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.messages import LAST_SEQUENCE, MESSAGE_SCHEMA, Role, Status

NAME: Final = "ingest"

COUNTS: Final = (
    "events_stored",
    "events_repeated",
    "batches_stored",
    "batches_repeated",
    "points_stored",
    "points_refused",
    "rejected",
    "unstored",
    "shed",
    "receipts_sent",
    "receipts_unsent",
    "receipts_refused",
    "dead_letters_forgotten",
    "beyond_allowance",
)
"""Since the start. *points_refused*: by the store, out of batches that it took otherwise, and kept
as dead letters (*points_stored* counts them too). *unstored*: came while the store could not
write, got no receipt, and will be sent again. *shed*: came faster than it could be
taken; the same. *beyond_allowance*: more than one sender may say (`contract.flood`); the same.
*unsent*: the broker was gone; the sender asks again."""


class Health:
    """Counts, faults that stand now, and the heartbeat made of them.

    Parameters
    ----------
    clock
        For the times in the heartbeat.
    session
        Id of this run.
    boot
        Id of the machine's boot.
    version
        Of the program.
    """

    def __init__(self, clock: Clock, session: str, boot: str, version: str) -> None:
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self.faults: dict[FaultCause, str] = {}
        """Cause to detail."""
        self._clock = clock
        self._session = session
        self._boot = boot
        self._version = version
        self._started_at_us = now_us(clock)
        self._sequence = 0

    def set_fault(self, cause: FaultCause, detail: str | None) -> bool:
        """Begin a fault (`detail` says why) or end it (None); returns whether that is new."""
        was = cause in self.faults
        if detail is None:
            self.faults.pop(cause, None)
        else:
            self.faults[cause] = detail
        return was != (cause in self.faults)

    def status(self, *, online: bool = True) -> Status:
        """The next heartbeat."""
        self._sequence += 1
        return self._status(self._sequence, online=online)

    def will(self) -> Status:
        """What the broker says when this service is gone; it comes after every heartbeat."""
        return self._status(LAST_SEQUENCE, online=False)

    def _status(self, sequence: int, *, online: bool) -> Status:
        synced = self._clock.synced()
        faults = [cause.value for cause in self.faults]
        if not synced:
            faults.append(FaultCause.CLOCK_UNSYNCED.value)
        return Status(
            schema=MESSAGE_SCHEMA,
            role=Role.INGEST,
            name=NAME,
            session=self._session,
            sequence=sequence,
            online=online,
            at_us=now_us(self._clock),
            boot=self._boot,
            clock="synced" if synced else "unsynced",
            version=self._version,
            started_at_us=self._started_at_us,
            counts={name: float(count) for name, count in self.counts.items()},
            faults=sorted(faults),
        )
