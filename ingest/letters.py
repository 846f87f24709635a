"""Dead letters: what was refused, kept with its reason so that a person can look at it."""

from __future__ import annotations

import hashlib
from typing import NamedTuple


class DeadLetter(NamedTuple):
    """A message that will never be accepted."""

    topic: str
    payload: bytes
    reason: str
    home: str | None = None
    sender: str | None = None
    """Whose branch the topic is, if it could be read: a receipt goes there."""
    message_id: str | None = None
    """The event's id, if it could be read."""
    session: str | None = None
    sequence: int | None = None
    """Session and sequence of a telemetry batch, if they could be read."""

    @property
    def batch_key(self) -> tuple[str, str, str, int] | None:
        """Home, gateway, session and sequence, if it names a batch whose sender waits."""
        if self.home is None or self.sender is None:
            return None
        if self.session is None or self.sequence is None:
            return None
        return self.home, self.sender, self.session, self.sequence

    def key(self) -> str:
        """The same for every resend of one message, although its age differs each time."""
        if self.message_id is not None:
            return f"event {self.message_id}"
        if self.session is not None and self.sequence is not None:
            return f"batch {self.session} {self.sequence}"
        return f"payload {hashlib.sha256(self.payload).hexdigest()}"
