"""What comes from the broker: receipts, alert state, configuration, commands, neighbours' words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec
import structlog

from contract import topics, wire
from contract.messages import AlertState, Command, Presence, Receipt
from contract.protocols import Message
from contract.whereabouts import Whereabouts
from edge.counters import Counts
from edge.reporter import Sender

_log = structlog.get_logger(__name__)

T = TypeVar("T", bound=msgspec.Struct)


class Inbox:
    """Reads messages and hands them to whom they concern.

    A message that cannot be read is counted and logged with its reason, and never ends the
    connection.
    """

    def __init__(
        self,
        sender: Sender,
        counts: Counts,
        *,
        on_receipt: Callable[[Receipt], Awaitable[None]],
        on_alert_state: Callable[[AlertState, bool], Awaitable[None]],
        on_config: Callable[[bytes], Awaitable[None]],
        on_command: Callable[[Command], Awaitable[None]],
        on_presence: Callable[[Presence], None],
        on_whereabouts: Callable[[Whereabouts], None],
    ) -> None:
        self._sender = sender
        self._counts = counts
        self._on_receipt = on_receipt
        self._on_alert_state = on_alert_state
        self._on_config = on_config
        self._on_command = on_command
        self._on_presence = on_presence
        self._on_whereabouts = on_whereabouts
        self._alert_session = ""
        self._alert_sequence = 0
        self._ended_sessions: set[str] = set()

    @property
    def filters(self) -> list[str]:
        """What to subscribe to."""
        home, gateway = self._sender.home, self._sender.gateway
        return [
            topics.build(home, gateway, topics.RECEIPT),
            topics.build(home, gateway, topics.ALERT_STATE),
            topics.build(home, gateway, topics.CONFIG),
            topics.build(home, gateway, topics.COMMAND),
            topics.build(home, topics.ANY, topics.PRESENCE),
            topics.build(home, topics.ANY, topics.WHEREABOUTS),
        ]

    async def take(self, messages: Sequence[Message]) -> None:
        """Take in what has come."""
        for message in messages:
            try:
                await self._dispatch(message)
            except (wire.RejectedMessageError, ValueError) as error:
                self._counts.rejected("a message from the broker")
                _log.warning("message_rejected", topic=message.topic, reason=str(error))

    async def _dispatch(self, message: Message) -> None:
        topic = topics.parse(message.topic)
        match topic.branch:
            case topics.PRESENCE | topics.WHEREABOUTS if topic.sender == self._sender.gateway:
                return  # our own comes back
            case topics.PRESENCE:
                self._on_presence(wire.decode(message.payload, Presence))
            case topics.WHEREABOUTS:
                self._on_whereabouts(wire.decode(message.payload, Whereabouts))
            case topics.RECEIPT:
                await self._on_receipt(wire.decode(message.payload, Receipt))
            case topics.ALERT_STATE:
                state = wire.decode(message.payload, AlertState)
                if self._is_newest(state):
                    await self._on_alert_state(state, not message.retained)
            case topics.CONFIG:
                await self._on_config(message.payload)
            case topics.COMMAND:
                await self._on_command(wire.decode(message.payload, Command))
            case _:
                raise ValueError(f"nothing is expected on branch {topic.branch!r}")

    def _is_newest(self, state: AlertState) -> bool:
        """Order by session and sequence: an older state may come later (DESIGN 4)."""
        if state.session in self._ended_sessions:
            return False
        if state.session != self._alert_session:
            if self._alert_session:
                self._ended_sessions.add(self._alert_session)
            self._alert_session, self._alert_sequence = state.session, state.sequence
            return True
        if state.sequence <= self._alert_sequence:
            return False
        self._alert_sequence = state.sequence
        return True
