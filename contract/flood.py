"""How much one sender may say: telemetry is shed first, an alarm never.

A sender that floods is broken or stolen. It must not keep the others' alarms waiting, and its
own alarms are let through even so: to tell a false alarm from a true one is a person's work.
What is shed gets no receipt, so an honest sender's outbox sends it again, later.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Final, NamedTuple

from contract import topics
from contract.clock import Clock
from contract.events import EVENT_CLASS, EventClass
from contract.protocols import Message
from contract.units import NS_PER_S, seconds_to_ns

ALARM_KINDS: Final = frozenset(
    kind.value for kind, its_class in EVENT_CLASS.items() if its_class is EventClass.ALARM
)

RESERVE: Final = 0.5
"""Part of a sender's burst that telemetry leaves to everything else: a gateway that catches up
after an outage has its faults and acknowledgements heard."""

QUIET_AFTER_S: Final = 60.0
"""A flood is over when nothing was shed for so long: a gateway sends presence each second, so
one that still floods is seen within the minute."""

SENDERS_REMEMBERED: Final = 1_024
"""Against a stranger who invents senders; the access list of a provisioned broker prevents it."""

_TELEMETRY: Final = "telemetry"
_OTHER: Final = "other"


class Allowance(NamedTuple):
    """What each sender may say."""

    messages_per_s: float
    burst_messages: float
    bytes_per_s: float
    burst_bytes: float


SENDERS_ALLOWANCE: Final = Allowance(500.0, 5_000.0, 4e6, 64e6)
"""A gateway with sixty wearables says a batch, a presence and now and then an event in a second:
a hundredth of the rate. The burst is a catch-up after hours offline, which is limited at its
source; what goes beyond is shed and comes again. A worker takes some thousands in a second, so one
gateway cannot fill it."""


class _Bucket:
    """Tokens of one sender: each message takes one, and as many bytes as it has."""

    def __init__(self, allowance: Allowance, now_ns: int) -> None:
        self.messages = allowance.burst_messages
        self.bytes = allowance.burst_bytes
        self.filled_ns = now_ns
        self.shed_ns: int | None = None

    def fill(self, allowance: Allowance, now_ns: int) -> None:
        passed_s = max(now_ns - self.filled_ns, 0) / NS_PER_S
        self.filled_ns = now_ns
        self.messages = min(
            allowance.burst_messages, self.messages + passed_s * allowance.messages_per_s
        )
        self.bytes = min(allowance.burst_bytes, self.bytes + passed_s * allowance.bytes_per_s)


class FloodGate:
    """Lets messages pass as far as their senders' allowances go.

    Parameters
    ----------
    clock
        For the passing of time.
    allowance
        Of each sender; None lets everything pass.
    """

    def __init__(self, clock: Clock, allowance: Allowance | None = SENDERS_ALLOWANCE) -> None:
        self._clock = clock
        self._allowance = allowance
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self.shed: Counter[str] = Counter()
        """Messages that did not pass since the start: ``telemetry`` and ``other``."""

    def passing(self, messages: Iterable[Message]) -> list[Message]:
        """Those that may pass, in their order."""
        if self._allowance is None:
            return list(messages)
        now_ns = self._clock.monotonic_ns()
        return [each for each in messages if self._may_pass(each, self._allowance, now_ns)]

    def flooding(self) -> list[str]:
        """Senders of whom something was shed lately."""
        oldest_ns = self._clock.monotonic_ns() - seconds_to_ns(QUIET_AFTER_S)
        return sorted(
            sender
            for sender, bucket in self._buckets.items()
            if bucket.shed_ns is not None and bucket.shed_ns > oldest_ns
        )

    def _may_pass(self, message: Message, allowance: Allowance, now_ns: int) -> bool:
        try:
            topic = topics.parse(message.topic)
        except ValueError:
            return True  # without a sender; whoever reads it keeps it with its reason
        bucket = self._bucket(topic.sender, allowance, now_ns)
        is_alarm = topic.branch == topics.EVENT and topic.kind in ALARM_KINDS
        is_telemetry = topic.branch == topics.TELEMETRY
        kept = RESERVE if is_telemetry else 0.0
        size = len(message.payload)
        there = (
            bucket.messages - 1 >= kept * allowance.burst_messages
            and bucket.bytes - size >= kept * allowance.burst_bytes
        )
        if not there and not is_alarm:
            bucket.shed_ns = now_ns
            self.shed[_TELEMETRY if is_telemetry else _OTHER] += 1
            return False
        # An alarm may go into debt, to no more than a burst: then its sender says nothing else.
        bucket.messages = max(bucket.messages - 1, -allowance.burst_messages)
        bucket.bytes = max(bucket.bytes - size, -allowance.burst_bytes)
        return True

    def _bucket(self, sender: str, allowance: Allowance, now_ns: int) -> _Bucket:
        bucket = self._buckets.get(sender)
        if bucket is None:
            bucket = self._buckets[sender] = _Bucket(allowance, now_ns)
            if len(self._buckets) > SENDERS_REMEMBERED:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(sender)
            bucket.fill(allowance, now_ns)
        return bucket
