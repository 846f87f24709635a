"""A broker inside the process that gives the same result every time.

It keeps MQTT's rules as far as Wardlight relies on them: wildcards, retained messages, last
wills, clean sessions, and one client per id. Messages are delivered in the order in which
they were published. Replays, journeys in virtual time and tests run on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType

from contract import topics
from contract.clock import Clock
from contract.protocols import LastWill, Message, NotConnectedError, PublishRefusedError
from messaging.backoff import Backoff
from messaging.refusal import refusal_of_topic

Refuses = Callable[[str, str], str | None]
"""From client id and topic to the reason for which a publish is refused, or None."""


class _Session:
    """One client's connection, as the broker sees it."""

    def __init__(self, client_id: str, filters: Sequence[str], will: LastWill | None) -> None:
        self.client_id = client_id
        self.filters = filters
        self.will = will
        self.stands = True
        self.inbox: list[Message] = []
        self.changed = asyncio.Event()

    def deliver(self, message: Message) -> None:
        """Queue `message` if a filter fits; once, however many fit."""
        for each in self.filters:
            if topics.matches(each, message.topic):
                self.inbox.append(message)
                self.changed.set()
                return

    def take(self) -> list[Message]:
        """Everything that has come since the last call."""
        taken, self.inbox = self.inbox, []
        return taken

    def end(self) -> None:
        """Tell the client that the connection is gone."""
        self.stands = False
        self.changed.set()


class LocalBroker:
    """The broker that any number of `LocalBus` of one event loop talk to.

    Parameters
    ----------
    refuses
        Stands for an access list: called with client id and topic of every publish, gives
        the reason to refuse it or None. Default: everybody may publish everything.
    """

    def __init__(self, refuses: Refuses | None = None) -> None:
        self._refuses = refuses
        self._sessions: dict[str, _Session] = {}
        self._retained: dict[str, bytes] = {}
        self._running = True

    @property
    def running(self) -> bool:
        """Whether clients can connect."""
        return self._running

    @property
    def retained(self) -> Mapping[str, bytes]:
        """Retained payload by topic, to look at."""
        return MappingProxyType(self._retained)

    @property
    def clients(self) -> frozenset[str]:
        """Ids of the clients that are connected now."""
        return frozenset(self._sessions)

    def stop(self, *, keep_retained: bool = False) -> None:
        """Begin an outage: every session is gone and nobody can connect.

        Parameters
        ----------
        keep_retained
            Whether retained messages survive, as on a mosquitto with persistence. The
            default is the harsher case (amqtt keeps nothing): nothing may rely on them.
        """
        self._running = False
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            session.end()
        if not keep_retained:
            self._retained.clear()

    def start(self) -> None:
        """End an outage; clients come back by themselves, each after its wait."""
        self._running = True

    def drop(self, client_id: str) -> None:
        """Break one client's connection, as a pulled cable does: its will is published.

        Raises
        ------
        KeyError
            If no such client is connected.
        """
        self._end_uncleanly(self._sessions[client_id])

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, client_id: str = ""
    ) -> None:
        """Deliver to everyone whose filter fits; for a test also without a client.

        Raises
        ------
        PublishRefusedError
            If the topic is malformed or `refuses` gives a reason.
        """
        reason = refusal_of_topic(topic)
        if reason is None and self._refuses is not None:
            reason = self._refuses(client_id, topic)
        if reason is not None:
            raise PublishRefusedError(reason)
        if retain and payload:
            self._retained[topic] = payload
        elif retain:
            self._retained.pop(topic, None)
        # `retained` marks a message that waited for the subscriber; a live one is not.
        message = Message(topic, payload)
        for session in list(self._sessions.values()):
            session.deliver(message)

    def connect(
        self, client_id: str, filters: Sequence[str], will: LastWill | None
    ) -> _Session | None:
        """A new session with its subscriptions, or None during an outage.

        An older session of the same id is ended as MQTT does it: uncleanly.
        """
        if not self._running:
            return None
        older = self._sessions.get(client_id)
        if older is not None:
            self._end_uncleanly(older)
        session = _Session(client_id, tuple(filters), will)
        self._sessions[client_id] = session
        for topic, payload in self._retained.items():
            session.deliver(Message(topic, payload, retained=True))
        return session

    def disconnect(self, session: _Session, *, cleanly: bool) -> None:
        """End a session; its will is published unless it ends cleanly."""
        if session.stands and cleanly:
            del self._sessions[session.client_id]
            session.end()
        elif session.stands:
            self._end_uncleanly(session)

    def _end_uncleanly(self, session: _Session) -> None:
        del self._sessions[session.client_id]
        session.end()
        if session.will is not None:
            will = session.will
            self.publish(will.topic, will.payload, retain=True, client_id=session.client_id)


class LocalBus:
    """A client of a `LocalBroker`; implements `contract.protocols.Bus`.

    Cancelling `run` disconnects cleanly, so no will is published; a handler that raises, an
    outage and `kill` do not.
    """

    def __init__(self, broker: LocalBroker, client_id: str, clock: Clock) -> None:
        self._broker = broker
        self._client_id = client_id
        self._clock = clock
        self._session: _Session | None = None
        self._killed = False

    @property
    def connected(self) -> bool:
        return self._session is not None and self._session.stands

    @property
    def shed(self) -> int:
        return 0

    def kill(self) -> None:
        """Behave from now on as the bus of a process that got ``kill -9``.

        The will is published, nothing is delivered or accepted, and `run` only waits for
        its cancellation.
        """
        self._killed = True
        if self._session is not None:
            self._broker.disconnect(self._session, cleanly=False)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        session = self._session
        if session is None or not session.stands:
            raise NotConnectedError("no session with the local broker")
        self._broker.publish(topic, payload, retain=retain, client_id=self._client_id)
        # An acknowledgement takes a round trip; others run in the meantime.
        await self._clock.sleep(0)
        if not session.stands:
            raise NotConnectedError("the session broke before the acknowledgement")

    async def run(
        self,
        filters: Sequence[str],
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None = None,
        will: Callable[[], LastWill] | None = None,
    ) -> None:
        backoff = Backoff()
        while True:
            session = None
            if not self._killed:
                last_will = will() if will is not None else None
                session = self._broker.connect(self._client_id, filters, last_will)
            if session is not None:
                backoff.reset()
                await self._serve(session, on_messages, on_connected)
            await self._clock.sleep(backoff.next_wait_s())

    async def _serve(
        self,
        session: _Session,
        on_messages: Callable[[Sequence[Message]], Awaitable[None]],
        on_connected: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Hand over what comes until the session is gone."""
        self._session = session
        cleanly = False
        try:
            if on_connected is not None:
                try:
                    await on_connected()
                except NotConnectedError:
                    if session.stands:
                        raise
            while session.stands or session.inbox:
                batch = session.take()
                if batch and not self._killed:
                    await on_messages(batch)
                elif session.stands:
                    session.changed.clear()
                    await session.changed.wait()
        except asyncio.CancelledError:
            cleanly = True
            raise
        finally:
            self._broker.disconnect(session, cleanly=cleanly)
            if self._session is session:
                self._session = None
