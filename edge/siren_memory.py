"""What the siren knows, kept over restarts: a gateway that restarts again and again must neither
ring anew for what was answered, nor forget whom nobody has answered.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec
import structlog

from contract.clock import Clock
from contract.events import Event, EventKind
from contract.units import NS_PER_US
from edge.outbox import EventOutbox
from edge.outbox_rows import PendingEvent
from edge.reporter import SYNCED
from edge.siren_policy import NOTHING, OLD_ALARM_NS, Memory, SirenPolicy

_log = structlog.get_logger(__name__)

MEMORY_FILE: Final = "siren.json"
MEMORY_SCHEMA: Final = 1


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    schema: int
    down_told: bool
    silenced: list[str]
    receipted: list[Event]


class SirenMemory:
    """Keeps it in a file of the gateway's folder, written when it changes.

    Not flushed to the card each time: what a power cut may cost is a tone that is heard twice.
    The alarms themselves and the answers to them are in the outbox.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / MEMORY_FILE
        self._kept = NOTHING

    def begin(self, policy: SirenPolicy, outbox: EventOutbox, clock: Clock) -> None:
        """Tell `policy` what an earlier session knew, and which alarms are too old to sound."""
        self._kept = self._read()
        policy.restore(self._kept)
        for entry in outbox.pending.values():
            if _age_ns(entry, outbox.boot, clock) > OLD_ALARM_NS:
                policy.too_old(entry.event.id)
        now_ns = clock.monotonic_ns()
        for entry in outbox.pending.values():
            named = entry.event.incident
            if entry.event.kind is EventKind.ACKNOWLEDGED and named is not None:
                policy.acknowledge(named, outbox.pending.values(), now_ns)

    def keep(self, memory: Memory) -> None:
        """Write it, if it is not what is kept already."""
        if memory == self._kept:
            return
        self._kept = memory
        kept = _Kept(
            schema=MEMORY_SCHEMA,
            down_told=memory.down_told,
            silenced=list(memory.silenced),
            receipted=[_short(event) for event in memory.receipted],
        )
        beside = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_bytes(msgspec.json.encode(kept))
            beside.replace(self._path)
        except OSError as error:
            # The outbox, on the same card, raises the fault; this one is lost at a restart only.
            _log.error("siren_memory_not_kept", reason=str(error))

    def _read(self) -> Memory:
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return NOTHING
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("siren_memory_unreadable", reason=str(error))
            return NOTHING
        if kept.schema != MEMORY_SCHEMA:
            return NOTHING
        return Memory(kept.down_told, tuple(kept.silenced), tuple(kept.receipted))


def _short(event: Event) -> Event:
    """Without its waveform: only what happened where is needed."""
    return msgspec.structs.replace(event, evidence=None)


def _age_ns(entry: PendingEvent, boot: str, clock: Clock) -> int:
    """How long ago it happened; 0 where nobody can know (DESIGN 4: treated as now)."""
    if entry.event.boot == boot:
        return clock.monotonic_ns() - entry.at_monotonic_ns
    if entry.event.clock == SYNCED and clock.synced():
        return clock.now_ns() - entry.event.at_us * NS_PER_US
    return 0
