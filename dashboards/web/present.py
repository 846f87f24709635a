"""From the board's records to what a card says: pure, so that each sentence can be tested.

Order and words follow what a carer at a bed needs first: which bed, who, what, since when,
where last heard, why, who goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

from alerts.policy import LogKind
from alerts.views import (
    Board,
    DeviceSort,
    EventLine,
    FaultView,
    IncidentView,
    LogLine,
    PlaceView,
    ResidentState,
    ResidentView,
    ResolutionOutcome,
    ServiceView,
)
from contract.events import EventKind
from contract.messages import IncidentState, Priority, Role
from contract.units import US_PER_S, us_to_datetime
from dashboards.web import absences
from dashboards.web.cards import (
    Age,
    BoardPage,
    Card,
    Choice,
    Countdown,
    FaultCard,
    ResidentTile,
    ServiceLine,
    TimelineLine,
)
from dashboards.web.sentences import sentence
from dashboards.web.tasks import check_card
from dashboards.web.words import Words

OLDEST_BELIEVED_US: Final = 24 * 3_600 * US_PER_S
"""A gateway without a set clock dates an impact to 1970. What happened more than a day before
its alert was opened, or after it, counts from the opening."""

UNHEARD_US: Final = 180 * US_PER_S
"""A wearable not heard for so long is not called monitored, whatever else is known: liveness is
adverts heard (DESIGN 4). What the records say of it is up to a minute behind; three leave room
for a gateway that restarts."""

WHY_LINES: Final = 2
"""Lines of evidence on a card, latest first; the rest is one tap away."""

NAMES_SHOWN: Final = 3
"""More people than this are a number: a card is read from two metres."""

_PRIORITY_ORDER: Final = {Priority.HIGH: 0, Priority.MEDIUM: 1, Priority.LOW: 2}
_STATE_ORDER: Final = {
    IncidentState.OPEN: 0,
    IncidentState.ACKNOWLEDGED: 1,
    IncidentState.ARRIVED: 2,
}

_LOGS_OF_KINDS: Final = frozenset({LogKind.OPENED, LogKind.EVENT_JOINED, LogKind.LATE_EVENT})
_SYSTEM_AUTHORS: Final = frozenset({"escalation", "auditor"})
"""They write in the log what they do by themselves: no person did it."""

NEXT_ACTION: Final = {
    IncidentState.UNPAGED: "acknowledge",
    IncidentState.OPEN: "acknowledge",
    IncidentState.ACKNOWLEDGED: "arrive",
    IncidentState.ARRIVED: "resolve",
}
"""The one action that the big button offers."""


class Presenter:
    """Puts a board into one language and one time zone.

    Parameters
    ----------
    words
        The language.
    zone
        The home's time zone: clock times are for the people there.
    """

    def __init__(self, words: Words, zone: ZoneInfo) -> None:
        self._words = words
        self._zone = zone

    def page(self, board: Board) -> BoardPage:
        """The whole board."""
        now_us = board.at_us
        places = {view.id: view.place for view in board.residents}
        alerts = tuple(
            self.card(view, now_us, places.get(view.resident_id or ""))
            for view in sorted(board.incidents, key=_urgency)
        )
        faults = tuple(self._fault(view, now_us) for view in board.faults)
        services = tuple(self._service(view, now_us) for view in board.services)
        alerts_down = _alerts_down(board.services)
        unwatched = bool(
            faults
            or board.checks
            or alerts_down
            or not board.residents
            or any(not view.online for view in board.services)
            or any(
                _state(view, now_us) in (ResidentState.FAULT, ResidentState.UNKNOWN)
                for view in board.residents
            )
        )
        return BoardPage(
            alerts=alerts,
            watching=tuple(self.card(view, now_us) for view in board.watching),
            recent=tuple(self.card(view, now_us) for view in board.recent),
            checks=tuple(
                check_card(view, board.residents, self._words, self._zone, now_us)
                for view in board.checks
            ),
            faults=faults,
            floors=self._floors(board, now_us),
            services=services,
            alerts_down=alerts_down,
            all_quiet=not alerts and not board.watching and not unwatched,
            quiet_text=self._quiet_text(board, unwatched=unwatched),
            title=self._title(alerts, calm=not unwatched and not board.watching),
            time=self.time(now_us),
            at_us=now_us,
            outcomes=tuple(
                Choice(outcome.value, self._words.outcome(outcome)) for outcome in ResolutionOutcome
            ),
            absences=absences.kinds(self._words),
        )

    def time(self, at_us: int) -> str:
        """Clock time in the home, to the second."""
        return us_to_datetime(at_us).astimezone(self._zone).strftime("%H:%M:%S")

    def card(self, view: IncidentView, now_us: int, place: PlaceView | None = None) -> Card:
        """One incident; `place` is where its resident was last."""
        words = self._words
        zone, heard_us = _latest_place(view, place)
        happened_us = _happened_us(view)
        who_acts, since_us = _actor(view)
        return Card(
            id=view.id,
            state=view.state,
            priority=view.priority,
            priority_text=words(f"priority_{view.priority}"),
            kind=view.kind,
            what=words.kind(view.kind),
            bed=self.place(view),
            who=self._who(view),
            since=self._age(happened_us, now_us),
            at=self.time(happened_us),
            zone=place_name(zone),
            heard=None if heard_us is None else self._age(heard_us, now_us),
            why=self._why(view),
            excused=words("excused") if _is_excused(view) else None,
            state_text=words(f"state_{view.state}", name=self.person(who_acts)),
            state_since=None if since_us is None else self._age(since_us, now_us),
            called=self._called(view),
            next_call=self._next_call(view, now_us),
            action=NEXT_ACTION.get(view.state),
            sounds=view.state is IncidentState.OPEN and view.priority is Priority.HIGH,
            timeline=tuple(self._timeline(view)),
            closed=None if view.outcome is None else self._closed(view),
        )

    def place(self, view: IncidentView) -> str:
        """Where to go: the bed, or where a device of nobody's was heard."""
        return view.bed or place_name(view.zone) or self._words("no_bed")

    def _who(self, view: IncidentView) -> str:
        """Who it is, or what, where nobody is known to wear it."""
        words, device = self._words, place_name(view.device)
        if view.resident_name or device is None:
            return view.resident_name or words("unknown_resident")
        if view.device_sort is DeviceSort.WEARABLE:
            return words("nobodys_wearable", device=device)
        if view.device_sort is DeviceSort.CARER_TAG:
            return words("carers_tag", device=device)
        if view.device_sort is DeviceSort.SENSOR:
            pressed = view.kind == EventKind.HELP_REQUESTED
            return words("call_point" if pressed else "room_sensor", device=device)
        return words("unknown_resident")

    def absence_text(self, resident: ResidentView, now_us: int) -> str:
        """What stands of a resident, and until when."""
        line = absences.line(resident, self._words, self._zone, now_us)
        return "" if line is None else line.text

    def person(self, name: str | None) -> str:
        """A name as it is shown; the siren's button and a gateway's page are no person."""
        return self._words.person(name)

    def _age(self, at_us: int, now_us: int) -> Age:
        return Age(at_us, self._words.age((now_us - at_us) / US_PER_S))

    def _why(self, view: IncidentView) -> tuple[str, ...]:
        told = [
            f"{self._words.kind(line.kind)}: {said}"
            for line in view.events
            if (said := sentence(line, self._words.language))
        ]
        return tuple(reversed(told[-WHY_LINES:]))

    def _called(self, view: IncidentView) -> str | None:
        """Whom the latest step called. Without a message that left, only the boards show it:
        saying "called" then would be a comfort that is not true.
        """
        if view.state is not IncidentState.OPEN:
            return None
        steps = [index for index, line in enumerate(view.log) if line.what == LogKind.STEP_REACHED]
        if not steps:
            return None
        if all(line.what != LogKind.NOTIFIED for line in view.log[steps[-1] :]):
            return self._words("boards_only")
        _, _, people = (view.log[steps[-1]].detail or "").partition(": ")
        names = people.split(", ")
        who = people if len(names) <= NAMES_SHOWN else self._words("people", count=len(names))
        return self._words("called", who=who)

    def _next_call(self, view: IncidentView, now_us: int) -> Countdown | None:
        """When somebody (else) is called if nothing happens."""
        moment_us, key = {
            IncidentState.UNPAGED: (view.deadline_at_us, "calls_in"),
            IncidentState.OPEN: (view.next_step_at_us, "next_call"),
            IncidentState.ACKNOWLEDGED: (view.next_step_at_us, "re_alarm"),
        }.get(view.state, (None, ""))
        if moment_us is None:
            return None
        left = self._words.age((moment_us - now_us) / US_PER_S)
        return Countdown(moment_us, self._words(key, time=left), self._words(key, time="{time}"))

    def _timeline(self, view: IncidentView) -> Iterable[TimelineLine]:
        lines = [(line.at_us, self._event_text(line)) for line in view.events]
        lines += [(line.at_us, self._log_text(line)) for line in view.log]
        for at_us, text in sorted(lines, key=lambda line: line[0]):
            yield TimelineLine(self.time(at_us), text)

    def _event_text(self, line: EventLine) -> str:
        said = sentence(line, self._words.language)
        excused = f" ({self._words('excused')})" if line.excused else ""
        return self._words.kind(line.kind) + (f": {said}" if said else "") + excused

    def _log_text(self, line: LogLine) -> str:
        text = self._words.log(line.what)
        if line.by is not None and line.by not in _SYSTEM_AUTHORS:
            text += f" – {self.person(line.by)}"
        if line.detail:
            text += f": {self._log_detail(line)}"
        return text

    def _log_detail(self, line: LogLine) -> str:
        """Kinds, outcomes and steps stand in the log as their values."""
        words, detail = self._words, line.detail or ""
        if line.what in _LOGS_OF_KINDS:
            return words.kind(detail)
        if line.what == LogKind.RESOLVED:
            return words.outcome(detail)
        if line.what == LogKind.STEP_REACHED:
            step, _, people = detail.partition(": ")
            who = words.step(step) or step
            return f"{who} ({people})" if people else who
        return detail

    def _closed(self, view: IncidentView) -> str:
        assert view.outcome is not None
        outcome = self._words.outcome(view.outcome)
        return f"{outcome} – {view.note}" if view.note else outcome

    def _fault(self, view: FaultView, now_us: int) -> FaultCard:
        what, to_do = self._words.fault(view.cause)
        person = " · ".join(part for part in (view.bed, view.resident_name) if part)
        thing = " · ".join(part for part in (view.gateway, view.device) if part)
        exchange = None
        if view.other_bed is not None and view.bed is not None:
            exchange = self._words("exchange", one=view.bed, other=view.other_bed)
            person += f" ⇄ {view.other_bed} · {view.other_name}"
        return FaultCard(
            what=what,
            to_do=to_do,
            person=person,
            thing=thing,
            detail=view.detail,
            since=self._age(view.since_us, now_us),
            id=view.id,
            exchange=exchange,
        )

    def _floors(
        self, board: Board, now_us: int
    ) -> tuple[tuple[str, tuple[ResidentTile, ...]], ...]:
        alarmed = {view.resident_id for view in board.incidents}
        unpaged = {view.resident_id: view.kind for view in board.watching}
        floors: dict[str, list[ResidentTile]] = {}
        has_places = any(view.place for view in board.residents)
        for view in sorted(board.residents, key=lambda view: (view.floor, view.bed)):
            watched_kind = None if view.id in alarmed else unpaged.get(view.id)
            floors.setdefault(view.floor, []).append(
                self._tile(view, watched_kind, now_us, has_places=has_places)
            )
        return tuple((floor, tuple(tiles)) for floor, tiles in floors.items())

    def _tile(
        self, view: ResidentView, watched_kind: str | None, now_us: int, *, has_places: bool
    ) -> ResidentTile:
        """A fall in the making is told apart from an alert: nobody has been called."""
        state = _state(view, now_us)
        nowhere = self._words("place_unknown") if has_places else None
        return ResidentTile(
            id=view.id,
            bed=view.bed,
            name=view.name,
            state=state if watched_kind is None else IncidentState.UNPAGED,
            state_text=self._words(f"resident_{state}")
            if watched_kind is None
            else self._words.kind(watched_kind),
            place=nowhere if view.place is None else place_name(view.place.zone),
            seen=None if view.place is None else self._age(view.place.seen_at_us, now_us),
            heard=None if view.last_heard_us is None else self._age(view.last_heard_us, now_us),
            absence=absences.line(view, self._words, self._zone, now_us),
            may_be_absent=view.wears,
        )

    def _service(self, view: ServiceView, now_us: int) -> ServiceLine:
        beds = ", ".join(view.beds)
        return ServiceLine(
            name=view.name,
            role=self._words.role(view.role),
            online=view.online,
            state_text=self._words("service_online" if view.online else "service_offline"),
            heard=None if view.heard_at_us is None else self._age(view.heard_at_us, now_us),
            uncovered=self._words("beds_without_cover", beds=beds)
            if beds and not view.online
            else None,
        )

    def _quiet_text(self, board: Board, *, unwatched: bool) -> str:
        reasons = (
            (not board.residents, "no_residents"),
            (unwatched, "quiet_faults"),
            (bool(board.watching), "quiet_watching"),
        )
        return self._words(next((key for holds, key in reasons if holds), "quiet_detail"))

    def _title(self, alerts: tuple[Card, ...], *, calm: bool) -> str:
        """What the browser's tab says: a bed, never a name (tabs are remembered)."""
        if not alerts:
            return self._words("title_quiet" if calm else "quiet_but")
        first = alerts[0]
        return self._words("title_open", count=len(alerts), what=first.what, bed=first.bed)


def place_name(zone: str | None) -> str | None:
    """A zone's identifier as words: ``corridor-2`` is "Corridor 2"."""
    return None if zone is None else zone.replace("-", " ").capitalize()


def _latest_place(view: IncidentView, place: PlaceView | None) -> tuple[str | None, int | None]:
    """Where to look: she walks on while somebody is on the way."""
    if place is None or place.seen_at_us < (view.zone_heard_at_us or 0):
        return view.zone, view.zone_heard_at_us
    return place.zone, place.seen_at_us


def _is_excused(view: IncidentView) -> bool:
    """All that it knows is a walk with a carer beside her: then it calls at low priority."""
    return (
        view.priority is Priority.LOW
        and bool(view.events)
        and all(line.excused or line.kind == EventKind.ACKNOWLEDGED for line in view.events)
    )


def _state(view: ResidentView, now_us: int) -> ResidentState:
    """Unknown beats wrong: who has not been heard is not shown as monitored."""
    heard = view.last_heard_us is not None and now_us - view.last_heard_us <= UNHEARD_US
    return ResidentState.UNKNOWN if view.state is ResidentState.OK and not heard else view.state


def _urgency(view: IncidentView) -> tuple[int, int, int]:
    """Nobody on the way first, then by priority, then who waits longest."""
    return (
        _STATE_ORDER.get(view.state, len(_STATE_ORDER)),
        _PRIORITY_ORDER[view.priority],
        view.opened_at_us,
    )


def _happened_us(view: IncidentView) -> int:
    waited_us = view.opened_at_us - view.at_us
    return view.at_us if 0 <= waited_us <= OLDEST_BELIEVED_US else view.opened_at_us


def _actor(view: IncidentView) -> tuple[str | None, int | None]:
    """Who brought the incident to its state, and when."""
    return {
        IncidentState.ACKNOWLEDGED: (view.acknowledged_by, view.acknowledged_at_us),
        IncidentState.ARRIVED: (view.arrived_by, view.arrived_at_us),
        IncidentState.RESOLVED: (view.resolved_by, view.resolved_at_us),
    }.get(view.state, (None, None))


def _alerts_down(services: Iterable[ServiceView]) -> bool:
    of_alerts = [view for view in services if view.role == Role.ALERTS]
    return not any(view.online for view in of_alerts)
