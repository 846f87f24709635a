"""What follows from the broker's messages: receipts, alert state, configuration, commands."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable
from typing import Any, Final

import msgspec
import structlog

from contract.clock import Clock, now_us
from contract.events import EventClass, EventKind, FaultCause
from contract.gatt import VibratePattern
from contract.messages import (
    AlertState,
    AlertStateItem,
    Command,
    CommandName,
    GatewayConfig,
    IncidentState,
    Outcome,
    Receipt,
)
from edge.buttons import vibrate
from edge.configuration import ConfigKeeper, RejectedConfigError
from edge.counters import Counts
from edge.discovery import Discovery
from edge.faults import FaultBook
from edge.links import LinkPool
from edge.outbox import EventOutbox
from edge.presence import Neighbours
from edge.siren_control import SirenControl
from edge.storage import UnwritableError
from edge.telemetry_outbox import TelemetryOutbox
from edge.uplink import Uplink
from edge.wearables import Roster, Wearable

_log = structlog.get_logger(__name__)

HELP_KINDS: Final = frozenset(
    {
        EventKind.FALL_SUSPECTED,
        EventKind.FALL_DETECTED,
        EventKind.LONG_LIE,
        EventKind.HELP_REQUESTED,
    }
)
"""Incidents whose wearer feels that help is coming (DESIGN 8)."""

LYING_KINDS: Final = frozenset(
    {
        EventKind.FALL_SUSPECTED,
        EventKind.FALL_DETECTED,
        EventKind.LONG_LIE,
        EventKind.MAY_HAVE_GOT_UP,
        EventKind.INACTIVE,
    }
)
"""Incidents whose end by a person ends the timers of who lies: she has been seen to."""


class Downlink:
    """Does what messages ask for.

    Parameters
    ----------
    apply_config
        Called with each configuration that comes into force.
    settle
        Called with the wearable whose wearer's falls a person has resolved, and their ids.
    spawn
        Begins work that nobody waits for.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        counts: Counts,
        roster: Roster,
        outbox: EventOutbox,
        telemetry: TelemetryOutbox,
        uplink: Uplink,
        siren: SirenControl,
        faults: FaultBook,
        neighbours: Neighbours,
        pool: LinkPool,
        discovery: Discovery,
        configs: ConfigKeeper,
        apply_config: Callable[[GatewayConfig], None],
        settle: Callable[[Wearable, Collection[str]], None],
        spawn: Callable[[Coroutine[Any, Any, Any]], None],
    ) -> None:
        self._clock = clock
        self._counts = counts
        self._roster = roster
        self._outbox = outbox
        self._telemetry = telemetry
        self._uplink = uplink
        self._siren = siren
        self._faults = faults
        self._neighbours = neighbours
        self._pool = pool
        self._discovery = discovery
        self._configs = configs
        self._apply_config = apply_config
        self._settle = settle
        self._spawn = spawn
        self.receipt_ns: int | None = None
        """When the last receipt came, monotonic; of this session."""
        self._told: set[str] = set()
        self._settled: set[str] = set()
        self._unresolved: dict[str, AlertStateItem] = {}
        self._unresolved_of = "", 0
        """Session and number of the alert state that told them last."""
        self.state_heard = False
        """Whether the alert service has said in this session where incidents stand."""

    async def receipt(self, receipt: Receipt) -> None:
        """Something is durable, or will never be."""
        self.receipt_ns = self._clock.monotonic_ns()
        if receipt.session is not None:
            for session, sequence in self._telemetry.apply(receipt):
                what = f"telemetry batch {sequence} of session {session}"
                await self._rejected(what, receipt.reason)
            self._uplink.wake(None)
        if not receipt.ids:
            return
        self._reassure(receipt)
        for rejection in await self._outbox.apply(receipt):
            if rejection.event.event_class is EventClass.ALARM:
                self._siren.policy.rejected(rejection.event, rejection.reason)
            what = f"{rejection.event.kind.value} {rejection.event.id}, by {rejection.by.value}"
            await self._rejected(what, rejection.reason)

    def _reassure(self, receipt: Receipt) -> None:
        """Tell the siren which alarms have reached somebody."""
        if receipt.outcome is Outcome.REJECTED:
            return
        for identifier in receipt.ids:
            entry = self._outbox.pending.get(identifier)
            if entry is not None and entry.event.event_class is EventClass.ALARM:
                self._siren.policy.receipted(entry.event, receipt.by)

    async def _rejected(self, what: str, reason: str | None) -> None:
        _log.error("rejected", what=what, reason=reason)
        self._counts["messages_rejected_by_receivers"] += 1
        await self._faults.raise_fault(
            FaultCause.EVENT_REJECTED, f"{what}: {reason or 'no reason given'}"
        )

    async def alert_state(self, state: AlertState, live: bool) -> None:
        """Where every incident stands; `live` is false for a retained message."""
        self._siren.policy.alert_state(state, self._clock.monotonic_ns(), live=live)
        if live:
            self._end_resolved(state)
            self.state_heard = True
        for item in state.alerts:
            wearable = self._roster.by_device.get(item.device or "")
            if item.state is IncidentState.ACKNOWLEDGED and item.incident not in self._told:
                self._told.add(item.incident)
                if live and wearable is not None and item.kind in HELP_KINDS:
                    self._help_is_coming(wearable)
        self._told &= {item.incident for item in state.alerts}

    def _end_resolved(self, state: AlertState) -> None:
        """End the timers of whom people have seen to: also where the word of it was lost with the
        connection, and the incident is only missing from what the same alert service says since.
        """
        resolved = {
            item.incident: item for item in state.alerts if item.state is IncidentState.RESOLVED
        }
        named = {item.incident for item in state.alerts}
        if state.session == self._unresolved_of[0]:
            if state.sequence <= self._unresolved_of[1]:
                return
            gone = self._unresolved.keys() - named
            resolved |= {incident: self._unresolved[incident] for incident in gone}
        self._unresolved_of = state.session, state.sequence
        self._unresolved = {
            item.incident: item for item in state.alerts if item.incident not in resolved
        }
        for incident in resolved.keys() - self._settled:
            item = resolved[incident]
            wearable = self._roster.by_device.get(item.device or "")
            if wearable is not None and item.kind in LYING_KINDS:
                self._settle(wearable, item.fall_ids)
        self._settled = set(resolved)

    def unresolved(self, wearable: Wearable) -> tuple[str, list[AlertStateItem]]:
        """The incidents of a wearer's falls that are not resolved, as far as `expect` needs them,
        and the session of the alert service that says so.
        """
        items = [
            msgspec.structs.replace(item, event_ids=[], keys=[], bed=None, sound=False)
            for item in self._unresolved.values()
            if item.device == wearable.device and item.kind in LYING_KINDS
        ]
        return self._unresolved_of[0], sorted(items, key=lambda item: item.incident)

    def expect(self, session: str, items: Iterable[AlertStateItem]) -> None:
        """An earlier session of this gateway has heard these of that one of the alert service:
        those that it does not name any more have been resolved meanwhile.
        """
        self._unresolved_of = session, 0
        self._unresolved = {item.incident: item for item in items}

    def _help_is_coming(self, wearable: Wearable) -> None:
        """Whoever waits on the floor shall feel that somebody comes; the nearest tells."""
        if self._neighbours.rank(wearable) == 0:
            self._spawn(vibrate(self._pool, wearable, VibratePattern.HELP_IS_COMING))

    async def config(self, payload: bytes) -> None:
        """A configuration, perhaps newer than ours."""
        try:
            is_new = self._configs.receive(payload)
        except RejectedConfigError as error:
            await self._faults.raise_fault(
                FaultCause.CONFIG_REJECTED,
                f"a new configuration was rejected, the old one stays: {error}",
            )
            return
        if is_new and self._configs.current is not None:
            self._apply_config(self._configs.current)
        await self._faults.clear(FaultCause.CONFIG_REJECTED, "a configuration was accepted")

    async def command(self, command: Command) -> None:
        """Do it at most once, and not after its time."""
        now = now_us(self._clock)
        if command.expires_at_us <= now:
            self._counts.rejected("a command that has expired")
            return
        try:
            if not await self._outbox.claim_command(command.id, command.expires_at_us, now):
                self._counts.rejected("a command that was done already")
                return
        except UnwritableError as error:
            self._counts.rejected("a command that could not be kept as done")
            _log.error("command_not_done", id=command.id, reason=str(error))
            return
        _log.info("command", name=command.name.value, id=command.id, device=command.device)
        if command.name is CommandName.TEST_SIREN:
            self._siren.test()
        elif command.name is CommandName.DISCOVER:
            self._spawn(self._discovery.look(command))
        elif command.name is CommandName.VIBRATE:
            wearable = self._roster.by_device.get(command.device or "")
            if wearable is None:
                self._counts.rejected("a command for a wearable that is not enrolled")
            else:
                self._spawn(vibrate(self._pool, wearable, VibratePattern.LOCATE))
