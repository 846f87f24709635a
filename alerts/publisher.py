"""What the alert service says: alert state, configuration, receipts and its own status."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from alerts.snapshot import EMPTY, RESOLVED_SHOWN_S, Snapshot
from contract import topics
from contract.clock import Clock, now_us
from contract.events import Receiver
from contract.messages import (
    LAST_SEQUENCE,
    MESSAGE_SCHEMA,
    AlertState,
    GatewayConfig,
    Outcome,
    Receipt,
    Role,
    Status,
)
from contract.protocols import Bus, LastWill, NotConnectedError, PublishRefusedError
from contract.units import US_PER_S
from contract.wire import encode

NAME = Role.ALERTS.value
"""Our place in the topics (`contract.ids.SERVICE_NAMES`)."""

MAX_IDS: Final = 1_000
"""Ids in one receipt: 40 kB, well under `contract.wire.MAX_PAYLOAD_BYTES`."""

log = structlog.get_logger(__name__)


class Publisher:
    """Publishes under one session. What is lost on the way is said again: alert state at the
    next heartbeat, configuration at the next connect, receipts at the next resend.
    """

    def __init__(
        self, home: str, clock: Clock, bus: Bus, session: str, *, boot: str, version: str
    ) -> None:
        self._home = home
        self._clock = clock
        self._bus = bus
        self._session = session
        self._boot = boot
        self._version = version
        self._started_at_us = now_us(clock)
        self._state_session = session
        self._state_sequence = 0
        self._status_sequence = 0
        self._configs: dict[str, bytes] = {}
        self.snapshot: Snapshot = EMPTY
        self.speaks = True
        """Whether it is ours to say more than receipts (`alerts.speaker`)."""
        self.refused: set[str] = set()
        """Topics that the broker refused since somebody last looked."""
        self.counts: Counter[str] = Counter()

    @property
    def session(self) -> str:
        """Of status and last will: id of the run."""
        return self._session

    def begin_term(self, state_session: str) -> None:
        """Speak from now on, with a session of alert state that gateways have not heard yet.

        Status and last will keep the session of the run: a will is given at the connect and
        counts only for the session that it names.
        """
        self.speaks = True
        self._state_session = state_session
        self._configs.clear()

    async def alert_state(self, gateways: Iterable[str]) -> None:
        """Tell every gateway of every alert; also our heartbeat."""
        if not self.speaks:
            return
        moment_us = now_us(self._clock)
        self._state_sequence += 1
        oldest_us = moment_us - RESOLVED_SHOWN_S * US_PER_S
        payload = encode(
            AlertState(
                schema=MESSAGE_SCHEMA,
                session=self._state_session,
                sequence=self._state_sequence,
                at_us=moment_us,
                alerts=[
                    shown.item
                    for shown in self.snapshot.shown
                    if shown.resolved_at_us is None or shown.resolved_at_us >= oldest_us
                ],
            )
        )
        for gateway in gateways:
            await self._publish(topics.build(self._home, gateway, topics.ALERT_STATE), payload)

    async def configs(self, configs: Sequence[tuple[str, GatewayConfig]], *, all_: bool) -> None:
        """Tell gateways their configuration, retained.

        Parameters
        ----------
        configs
            By gateway.
        all_
            Also what was published unchanged before, as after a connect.
        """
        if not self.speaks:
            return
        for gateway, config in configs:
            payload = encode(config)
            if not all_ and self._configs.get(gateway) == payload:
                continue
            topic = topics.build(self._home, gateway, topics.CONFIG)
            if await self._publish(topic, payload, retain=True):
                self._configs[gateway] = payload

    async def receipts(self, outcomes: Sequence[tuple[str, str, Outcome, str | None]]) -> None:
        """Give receipts, after the commit, in as few messages as there are answers.

        Parameters
        ----------
        outcomes
            Gateway, event id, outcome, and the reason of a rejection.
        """
        grouped: defaultdict[tuple[str, Outcome, str | None], list[str]] = defaultdict(list)
        for gateway, event, outcome, reason in outcomes:
            grouped[gateway, outcome, reason].append(event)
        for gateway, outcome, reason, ids in (
            (*key, all_ids[start : start + MAX_IDS])
            for key, all_ids in grouped.items()
            for start in range(0, len(all_ids), MAX_IDS)
        ):
            receipt = Receipt(
                schema=MESSAGE_SCHEMA,
                by=Receiver.ALERTS,
                outcome=outcome,
                at_us=now_us(self._clock),
                ids=ids,
                reason=reason,
            )
            topic = topics.build(self._home, gateway, topics.RECEIPT)
            if not await self._publish(topic, encode(receipt)):
                self.counts["receipts_lost"] += len(ids)

    async def status(self, *, online: bool) -> None:
        """Say how we are, retained."""
        if not self.speaks:
            return
        self._status_sequence += 1
        await self._publish(
            topics.build(self._home, NAME, topics.STATUS),
            encode(self._status(online, self._status_sequence)),
            retain=True,
        )

    def will(self) -> LastWill:
        """What the broker is to say if we are gone."""
        return LastWill(
            topics.build(self._home, NAME, topics.STATUS),
            encode(self._status(False, LAST_SEQUENCE)),
        )

    def _status(self, online: bool, sequence: int) -> Status:
        return Status(
            schema=MESSAGE_SCHEMA,
            role=Role.ALERTS,
            name=NAME,
            session=self._session,
            sequence=sequence,
            online=online,
            at_us=now_us(self._clock),
            boot=self._boot,
            clock="synced" if self._clock.synced() else "unsynced",
            version=self._version,
            started_at_us=self._started_at_us,
            counts={name: float(value) for name, value in sorted(self.counts.items())},
            faults=list(self.snapshot.own_faults),
        )

    async def _publish(self, topic: str, payload: bytes, *, retain: bool = False) -> bool:
        try:
            await self._bus.publish(topic, payload, retain=retain)
        except NotConnectedError:
            return False  # said again on connect
        except PublishRefusedError as error:
            self.counts["publish_refused"] += 1
            self.refused.add(topic)
            log.error("publish_refused", topic=topic, reason=str(error))
            return False
        return True
