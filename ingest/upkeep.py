"""What a store wants done regularly: its journal written again, and what is old made coarser."""

from __future__ import annotations

from typing import Final

import structlog

from contract.clock import Clock, now_us
from contract.protocols import StoreUnavailableError
from ingest.store.protocol import IngestStore

EVERY_S: Final = 10.0
"""Between two looks, once nothing is left: after an outage the store has what it forgot again
within this time."""

BETWEEN_S: Final = 0.05
"""Between two pieces, for ingest's own writes, which alarms wait for."""

_log = structlog.get_logger(__name__)


async def keep_up(store: IngestStore, clock: Clock) -> None:
    """Do upkeep until cancelled.

    A store that is unavailable is left to ingest's own writes, which raise the fault. By a clock
    that nobody vouches for nothing is deleted: a machine that wakes up in 2038 would empty it.
    """
    is_said = False
    while True:
        more = False
        try:
            more = await store.upkeep(now_us(clock), thin=clock.synced())
            is_said = False
        except StoreUnavailableError as error:
            if not is_said:
                _log.warning("upkeep_put_off", reason=str(error))
            is_said = True
        await clock.sleep(BETWEEN_S if more else EVERY_S)
