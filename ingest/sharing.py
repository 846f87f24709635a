"""Whether this broker shares a subscription out among workers, or only says so.

amqtt grants ``$share`` and delivers nothing: so it is tried, not asked (DESIGN 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from contract import topics
from contract.clock import Clock, within
from contract.protocols import Bus, Message, NotConnectedError, PublishRefusedError
from ingest.health import NAME

GROUP: Final = "ingest"
"""The workers of a home."""

ANSWER_S: Final = 3.0
"""From the broker's acknowledgement to the message: milliseconds on a broker that can."""

LONGEST_S: Final = 60.0
"""Without a session for so long the question stays open: a broker that refuses the subscription
looks like one that is not there. Workers that do not share do the same work twice, and lose
nothing."""

_log = structlog.get_logger(__name__)


async def can_share(bus: Bus, clock: Clock, home: str, session: str) -> bool:
    """Subscribe to a topic as the only member of a group, and see whether a message comes.

    Parameters
    ----------
    bus
        A connection to the broker that nothing else runs, with no will.
    session
        Id of this run: no other worker is in its group.
    """
    topic = topics.build(home, NAME, topics.PROBE)
    payload = session.encode()
    came = asyncio.Event()
    asked = asyncio.Event()

    async def on_messages(messages: Sequence[Message]) -> None:
        if any(message.payload == payload for message in messages):
            came.set()

    async def ask() -> None:
        try:
            await bus.publish(topic, payload)
        except (NotConnectedError, PublishRefusedError) as error:
            _log.warning("probe_not_sent", reason=str(error))
        asked.set()

    filters = (topics.shared(f"{GROUP}-probe-{session}", topic),)
    running = asyncio.create_task(bus.run(filters, on_messages, ask))
    try:
        await within(clock, LONGEST_S, asked.wait())
        await within(clock, ANSWER_S, came.wait())
    except TimeoutError:
        _log.warning("subscriptions_not_shared", home=home, asked=asked.is_set())
        return False
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return True
