"""The desk: what people see and do, from the web pages, the API or any other process.

Each action is one transaction with a line in the audit log, and doing it twice is the same as
doing it once. Of two people at once the first acts; the second is shown that she did.
"""

from __future__ import annotations

import msgspec
import structlog
from sqlalchemy.orm import Session

from alerts import absences, checks, choosing, swaps, transitions
from alerts.board import (
    absence_view,
    check_view,
    read_board,
    read_incidents,
    read_staff,
    staff_names,
)
from alerts.errors import (
    BadChoiceError,
    BadEndError,
    DeskError,
    NotAllowedError,
    UnknownAbsenceError,
    UnknownCheckError,
    UnknownFaultError,
    UnknownHomeError,
    UnknownIncidentError,
    UnknownResidentError,
    UnknownStaffError,
    WrongStateError,
)
from alerts.records.database import Database
from alerts.records.models import Absence, Incident, ManualCheck, Resident, Staff
from alerts.views import (
    AbsenceView,
    Board,
    CheckView,
    IncidentView,
    ResolutionOutcome,
    StaffView,
    SwapView,
    WhereaboutsView,
)
from contract.clock import Clock, now_us
from contract.ids import IdSource
from contract.messages import AbsenceKind, IncidentState
from contract.whereabouts import WhereaboutsPolicy

__all__ = [
    "BadChoiceError",
    "BadEndError",
    "Desk",
    "DeskError",
    "NotAllowedError",
    "UnknownAbsenceError",
    "UnknownCheckError",
    "UnknownFaultError",
    "UnknownHomeError",
    "UnknownIncidentError",
    "UnknownResidentError",
    "UnknownStaffError",
    "WrongStateError",
]

log = structlog.get_logger(__name__)


class Desk:
    """The desk of one home; safe from several threads and processes at once.

    Parameters
    ----------
    database, clock
        Collaborators; the database is upgraded already.
    ids
        Source of new ids.
    home
        Its identifier; may be left out where the records hold exactly one home.
    """

    def __init__(
        self, database: Database, clock: Clock, ids: IdSource, home: str | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._named_home = home

    def board(self) -> Board:
        """Everything that staff see at a glance."""
        with self._database.session() as session:
            return read_board(session, self._home, now_us(self._clock))

    def incident(self, incident_id: str) -> IncidentView:
        """One incident, whole.

        Raises
        ------
        UnknownIncidentError
            If there is none with this id.
        """
        with self._database.session() as session:
            return self._view(session, self._find(session, incident_id))

    def acknowledge(self, incident_id: str, staff_id: str) -> IncidentView:
        """「我去處理」: somebody is on her way. Calls and sounders stop, the arrival clock runs.

        Also for an incident that has not been paged yet. If somebody else was first, nothing
        changes and the view says who.

        Raises
        ------
        UnknownIncidentError, UnknownStaffError
            If there is no such incident or person.
        WrongStateError
            If it is resolved.
        """
        with self._database.transaction(self._home) as session:
            incident = self._find_unresolved(session, incident_id, staff_id)
            if incident.state in (IncidentState.UNPAGED, IncidentState.OPEN):
                transitions.acknowledge(session, incident, staff_id, now_us(self._clock))
                log.info("acknowledged", incident=incident_id, by=staff_id)
            return self._view(session, incident)

    def arrive(self, incident_id: str, staff_id: str) -> IncidentView:
        """Somebody is there; on her way too, if nobody had said so.

        Raises
        ------
        UnknownIncidentError, UnknownStaffError
            If there is no such incident or person.
        WrongStateError
            If it is resolved.
        """
        with self._database.transaction(self._home) as session:
            incident = self._find_unresolved(session, incident_id, staff_id)
            if incident.state != IncidentState.ARRIVED:
                transitions.arrive(session, incident, staff_id, now_us(self._clock))
                log.info("arrived", incident=incident_id, by=staff_id)
            return self._view(session, incident)

    def resolve(
        self, incident_id: str, staff_id: str, outcome: ResolutionOutcome, note: str = ""
    ) -> IncidentView:
        """A person says what it was, after somebody answered.

        Raises
        ------
        UnknownIncidentError, UnknownStaffError
            If there is no such incident or person.
        WrongStateError
            If nobody has acknowledged it, or it was resolved with another outcome.
        """
        outcome = ResolutionOutcome(outcome)
        with self._database.transaction(self._home) as session:
            incident = self._find(session, incident_id)
            self._check_staff(session, staff_id)
            if incident.state == IncidentState.RESOLVED:
                if incident.outcome != outcome:
                    raise WrongStateError(
                        f"this was resolved already, as {incident.outcome}, by "
                        f"{self._view(session, incident).resolved_by}"
                    )
                return self._view(session, incident)
            if incident.state in (IncidentState.UNPAGED, IncidentState.OPEN):
                raise WrongStateError("nobody has answered this yet: acknowledge it and go there")
            transitions.resolve(
                session, incident, staff_id, now_us(self._clock), outcome=outcome, note=note
            )
            log.info("resolved", incident=incident_id, by=staff_id, outcome=outcome)
            return self._view(session, incident)

    def check(self, check_id: str) -> CheckView:
        """One manual check, also one that has ended.

        Raises
        ------
        UnknownCheckError
            If there is none with this id.
        """
        with self._database.session() as session:
            row = self._find_check(session, check_id)
            return check_view(row, staff_names(session, self._home), now_us(self._clock))

    def checked(self, check_id: str, staff_id: str) -> CheckView:
        """Somebody has looked after the beds of a manual check; the next look is due anew.

        Cover that came back in the meantime takes nothing from it: it is written down.

        Raises
        ------
        UnknownCheckError, UnknownStaffError
            If there is no such check or person.
        """
        with self._database.transaction(self._home) as session:
            row = self._find_check(session, check_id)
            self._check_staff(session, staff_id)
            moment_us = now_us(self._clock)
            if checks.done(session, row, staff_id, moment_us):
                log.info("manual_check_done", check=check_id, by=staff_id)
            session.flush()
            return check_view(row, staff_names(session, self._home), moment_us)

    def absence(self, absence_id: str) -> AbsenceView:
        """One absence, also one that has ended.

        Raises
        ------
        UnknownAbsenceError
            If there is none with this id.
        """
        with self._database.session() as session:
            return self._absence_view(session, self._find_absence(session, absence_id))

    def absent(
        self, resident_id: str, kind: AbsenceKind, staff_id: str, until_us: int | None = None
    ) -> AbsenceView:
        """A resident's wearable is off or away: bathing, charging, leave.

        If somebody said the same before, nothing changes and the view says who.

        Parameters
        ----------
        until_us
            Expected end; default what is usual for this kind (`alerts.absences.DEFAULT_S`).

        Raises
        ------
        UnknownResidentError, UnknownStaffError
            If there is no such resident or person.
        BadEndError
            If the end cannot be.
        """
        with self._database.transaction(self._home) as session:
            resident = self._find_resident(session, resident_id)
            self._check_staff(session, staff_id)
            row = absences.begin(
                session,
                resident,
                AbsenceKind(kind),
                by=staff_id,
                until_us=until_us,
                now_us=now_us(self._clock),
                ids=self._ids,
            )
            return self._absence_view(session, row)

    def back_at(self, absence_id: str, staff_id: str, until_us: int) -> AbsenceView:
        """Another expected end; saying it twice is saying it once.

        Raises
        ------
        UnknownAbsenceError, UnknownStaffError
            If there is no such absence or person.
        BadEndError
            If the end cannot be.
        """
        with self._database.transaction(self._home) as session:
            row = self._find_absence(session, absence_id)
            self._check_staff(session, staff_id)
            absences.move_end(session, row, until_us, by=staff_id, now_us=now_us(self._clock))
            return self._absence_view(session, row)

    def back(self, absence_id: str, staff_id: str) -> AbsenceView:
        """She is back, or wears it again. If somebody was quicker, the view says who.

        Raises
        ------
        UnknownAbsenceError, UnknownStaffError
            If there is no such absence or person.
        """
        with self._database.transaction(self._home) as session:
            row = self._find_absence(session, absence_id)
            self._check_staff(session, staff_id)
            absences.end(session, row, staff_id, now_us(self._clock))
            return self._absence_view(session, row)

    def exchange(self, fault_id: int, staff_id: str) -> SwapView:
        """Two residents wear each other's wearables: each is given to who wears it.

        If somebody was quicker, nothing changes and the view says who.

        Raises
        ------
        UnknownFaultError, UnknownStaffError
            If there is no such fault of two wearables (any more), or no such person.
        """
        with self._database.transaction(self._home) as session:
            self._check_staff(session, staff_id)
            view = swaps.exchange(session, self._home, fault_id, staff_id, now_us(self._clock))
            names = staff_names(session, self._home)
            return msgspec.structs.replace(view, by=names.get(view.by, view.by))

    def exchanged(self, fault_id: int) -> SwapView:
        """Two wearables that were exchanged, and by whom.

        Raises
        ------
        UnknownFaultError
            If none were for this fault.
        """
        with self._database.session() as session:
            view = swaps.done(session, self._home, fault_id)
            names = staff_names(session, self._home)
            return msgspec.structs.replace(view, by=names.get(view.by, view.by))

    def whereabouts(self, resident_id: str) -> WhereaboutsView:
        """What somebody is called for by where a resident is, and who asked for it.

        Raises
        ------
        UnknownResidentError
            If there is no such resident.
        """
        with self._database.session() as session:
            return choosing.read(session, self._find_resident(session, resident_id))

    def ask_whereabouts(
        self,
        resident_id: str,
        staff_id: str,
        policy: WhereaboutsPolicy,
        version: int | None = None,
    ) -> WhereaboutsView:
        """Ask for something else; gateways know it in seconds. Saying it twice is saying it once.

        Parameters
        ----------
        version
            Of the view that was looked at; None to change whatever stands.

        Raises
        ------
        UnknownResidentError, UnknownStaffError
            If there is no such resident or person.
        NotAllowedError
            If it is not this person's to decide.
        BadChoiceError
            If it cannot be followed in this home.
        WrongStateError
            If somebody has changed it since that version.
        """
        with self._database.transaction(self._home) as session:
            resident = self._find_resident(session, resident_id)
            moment_us = now_us(self._clock)
            choosing.change(session, resident, policy, staff_id, moment_us, version=version)
            log.info("whereabouts_asked", resident=resident_id, by=staff_id)
            return choosing.read(session, resident)

    def revision(self) -> int:
        """Grows with every change that the board would show; cheap enough to ask often."""
        return self._database.revision(self._home)

    def staff(self) -> list[StaffView]:
        """Everyone who may answer, by name."""
        with self._database.session() as session:
            return read_staff(session, self._home)

    @property
    def _home(self) -> str:
        if self._named_home is None:
            homes = self._database.homes()
            if len(homes) != 1:
                raise UnknownHomeError(f"name the home: these records hold {homes or 'none'}")
            self._named_home = homes[0]
        return self._named_home

    def _find(self, session: Session, incident_id: str) -> Incident:
        incident = session.get(Incident, incident_id)
        if incident is None or incident.home != self._home:
            raise UnknownIncidentError(f"there is no incident {incident_id!r}")
        return incident

    def _find_check(self, session: Session, check_id: str) -> ManualCheck:
        row = session.get(ManualCheck, check_id)
        if row is None or row.home != self._home:
            raise UnknownCheckError(f"there is no manual check {check_id!r}")
        return row

    def _find_resident(self, session: Session, resident_id: str) -> Resident:
        resident = session.get(Resident, (self._home, resident_id))
        if resident is None:
            raise UnknownResidentError(f"there is no resident {resident_id!r}")
        return resident

    def _find_absence(self, session: Session, absence_id: str) -> Absence:
        row = session.get(Absence, absence_id)
        if row is None or row.home != self._home:
            raise UnknownAbsenceError(f"there is no absence {absence_id!r}")
        return row

    def _absence_view(self, session: Session, row: Absence) -> AbsenceView:
        session.flush()
        return absence_view(row, staff_names(session, self._home), now_us(self._clock))

    def _find_unresolved(self, session: Session, incident_id: str, staff_id: str) -> Incident:
        incident = self._find(session, incident_id)
        self._check_staff(session, staff_id)
        if incident.state == IncidentState.RESOLVED:
            raise WrongStateError("this is resolved already")
        return incident

    def _check_staff(self, session: Session, staff_id: str) -> None:
        if session.get(Staff, (self._home, staff_id)) is None:
            raise UnknownStaffError(f"there is nobody with the id {staff_id!r}")

    def _view(self, session: Session, incident: Incident) -> IncidentView:
        session.flush()
        return read_incidents(session, incident.home, [incident])[0]
