"""Channels: how a person is told. One that fails says so, and the others go on.

What leaves the home carries no name, no bed and no kind (SAFETY: disclosure); the board,
behind its own door, has the rest.
"""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from contract.clock import Clock
from contract.messages import Priority

T = TypeVar("T")

CHANNEL_TIMEOUT_S: Final = 10.0
"""How long one message may take. Apprise gives up on a socket after 4 s to connect and 4 s to
read; what hangs longer hangs for good, and the next step waits for nobody."""

MESSAGE_TITLE: Final = "Wardlight"


class Notice(NamedTuple):
    """What there is to tell one person. A channel that leaves the home tells less."""

    incident: str
    priority: Priority
    kind: str
    bed: str | None
    step: str
    recipient: str
    """Staff id."""
    contact: str
    """The person's address on some channel."""


class ChannelError(RuntimeError):
    """A message was not delivered; the reason is the message, and holds no address."""


class Channel(Protocol):
    """One way to reach people."""

    @property
    def name(self) -> str:
        """As it stands in the records, such as ``apprise``."""
        ...

    def accepts(self, contact: str) -> bool:
        """Whether this channel can do anything with such a contact."""
        ...

    async def send(self, notice: Notice) -> None:
        """Deliver, or raise.

        Raises
        ------
        ChannelError
            If it was not delivered, or nobody knows.
        """
        ...


class AppriseChannel:
    """Mail, SMS, chat, push …: whatever Apprise has a URL for.

    Parameters
    ----------
    clock
        Measures the time-out.
    board_url
        Where the message sends its reader.
    """

    name = "apprise"

    def __init__(self, clock: Clock, board_url: str) -> None:
        self._clock = clock
        self._body = f"Wardlight: someone needs you. Open the board: {board_url}"
        self._executor = _ThreadPerCall()
        # Apprise reads its 170 plugins at the first use: about a second that must not fall
        # into the first page. One of them imports a module that Python is about to drop.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            from apprise import Apprise

            self._instantiate = Apprise.instantiate
            self.accepts("json://localhost")

    def accepts(self, contact: str) -> bool:
        return self._instantiate(contact, suppress_exceptions=True) is not None

    async def send(self, notice: Notice) -> None:
        loop = asyncio.get_running_loop()
        sending = loop.run_in_executor(self._executor, self._notify, notice.contact)
        limit = asyncio.ensure_future(self._clock.sleep(CHANNEL_TIMEOUT_S))
        waiting: set[asyncio.Future[Any]] = {sending, limit}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                raise ChannelError(f"no answer within {CHANNEL_TIMEOUT_S:.0f} s")
            if not sending.result():
                raise ChannelError("the service did not take the message")
        finally:
            limit.cancel()
            sending.cancel()

    def _notify(self, contact: str) -> bool:
        service = self._instantiate(contact, suppress_exceptions=True)
        if service is None:
            raise ChannelError("Apprise knows no service for this contact")
        try:
            return bool(service.notify(body=self._body, title=MESSAGE_TITLE))
        except Exception as error:  # noqa: BLE001 - 170 plugins; whatever they raise, it was not sent
            raise ChannelError(f"{type(error).__name__} in the service's plugin") from None


class _ThreadPerCall(Executor):
    """A thread for each message, so that a hanging service holds up no other message, and
    daemonic, so that it does not hold up the end of the process either.
    """

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # noqa: BLE001 - handed on
                future.set_exception(error)

        threading.Thread(target=work, name="alerts-channel", daemon=True).start()
        return future
