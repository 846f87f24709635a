"""Who lives and works here, who wears what, and what gateways are told of it.

Every entry is an upsert: entering the same again changes nothing, so a settings file can be
entered at each start.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from alerts.devices import DeviceEntries
from alerts.errors import UnknownHomeError
from alerts.gateway_config import gateway_configs
from alerts.plan_entries import PlanEntries
from alerts.records.database import Database
from alerts.records.models import (
    Assignment,
    Gateway,
    Home,
    Receiver,
    Resident,
    Sensor,
    Staff,
    VitalPolicy,
    Wearable,
    Zone,
)
from alerts.sheet import Contact
from alerts.views import StaffRole
from contract.clock import Clock, now_us
from contract.ids import check_identifier
from contract.messages import GatewayConfig, VolumeHours

LOWEST_BPM: Final = 20
HIGHEST_BPM: Final = 250
"""Limits outside of these are slips of a finger: no heart of a resting person beats so."""

LONGEST_PERSISTENCE_S: Final = 3_600


class Directory(DeviceEntries, PlanEntries):
    """The entries of one home.

    Parameters
    ----------
    database
        Upgraded; the home is entered if it is not there.
    home
        Its identifier.
    clock
        Dates the configuration.

    Raises
    ------
    ValueError
        Here and in every method: if an identifier is none.
    """

    def __init__(self, database: Database, home: str, clock: Clock) -> None:
        super().__init__(database, home, clock)
        enter_home(database, home)

    def set_home(
        self, *, time_zone: str = "Asia/Hong_Kong", siren_volume: Sequence[VolumeHours] = ()
    ) -> None:
        """Settings of the home as a whole."""
        values = {
            "time_zone": time_zone,
            "siren_volume": [msgspec.to_builtins(hours) for hours in siren_volume],
        }
        with self._database.transaction(self._home) as session:
            self._change(session, session.get_one(Home, self._home), values, config=True)

    def add_resident(
        self,
        resident: str,
        *,
        name: str,
        bed: str,
        floor: str,
        zone: str | None = None,
        plan: str = "",
        contacts: Sequence[Contact] = (),
    ) -> None:
        """Enter a resident under a pseudonymous id; plan and contacts are for the sheet."""
        check_identifier(resident, "resident")
        if zone is not None:
            check_identifier(zone, "zone")
        values = {
            "name": name,
            "bed": bed,
            "floor": floor,
            "zone": zone,
            "plan": plan,
            "contacts": [msgspec.to_builtins(contact) for contact in contacts],
        }
        self._upsert(Resident, {"id": resident}, values, config=True)

    def add_staff(
        self,
        staff: str,
        *,
        name: str,
        role: StaffRole = StaffRole.CARE_WORKER,
        floor: str | None = None,
        contact: str | None = None,
        on_duty: bool = True,
        phone: str | None = None,
    ) -> None:
        """Enter somebody who may answer; `contact` is an Apprise URL, `phone` is to be dialled."""
        check_identifier(staff, "staff")
        values = {
            "name": name,
            "role": StaffRole(role).value,
            "floor": floor,
            "contact": contact,
            "on_duty": on_duty,
            "phone": phone,
        }
        self._upsert(Staff, {"id": staff}, values, config=False)

    def set_on_duty(self, staff: str, on_duty: bool) -> None:
        """Somebody comes or goes.

        Raises
        ------
        ValueError
            If there is no such person.
        """
        with self._database.transaction(self._home) as session:
            person = session.get(Staff, (self._home, staff))
            if person is None:
                raise ValueError(f"staff {staff!r} is unknown")
            person.on_duty = on_duty

    def assign(self, staff: str, resident: str) -> None:
        """Let somebody look after a resident.

        Raises
        ------
        ValueError
            If either is unknown.
        """
        self._upsert(Assignment, {"staff": staff, "resident": resident}, {}, config=False)

    def set_vitals(
        self,
        resident: str,
        *,
        pages: bool = False,
        clinician: str | None = None,
        high_bpm: int | None = None,
        low_bpm: int | None = None,
        persistence_s: int | None = None,
    ) -> None:
        """What is unusual for a resident, and whether somebody is called for it.

        Parameters
        ----------
        pages
            Whether an unusual heart rate calls people; otherwise it is only written down.
        clinician
            Who has decided that, by name; needed where it pages.
        high_bpm, low_bpm, persistence_s
            As in `contract.messages.VitalLimits`.

        Raises
        ------
        ValueError
            If it pages and no clinician is named, a limit cannot be one, or nobody has that id.
        """
        if pages and not (clinician or "").strip():
            raise ValueError(
                f"vitals of {resident!r}: name the clinician who wants people to be called"
            )
        for name, bpm in (("high_bpm", high_bpm), ("low_bpm", low_bpm)):
            if bpm is not None and not LOWEST_BPM <= bpm <= HIGHEST_BPM:
                raise ValueError(
                    f"vitals of {resident!r}: {name} is {LOWEST_BPM} to {HIGHEST_BPM}, not {bpm}"
                )
        if high_bpm is not None and low_bpm is not None and high_bpm <= low_bpm:
            raise ValueError(f"vitals of {resident!r}: high_bpm must be above low_bpm")
        if persistence_s is not None and not 1 <= persistence_s <= LONGEST_PERSISTENCE_S:
            raise ValueError(
                f"vitals of {resident!r}: persistence_s is 1 to {LONGEST_PERSISTENCE_S}"
            )
        values: dict[str, Any] = {
            "pages": pages,
            "clinician": clinician,
            "high_bpm": high_bpm,
            "low_bpm": low_bpm,
            "persistence_s": persistence_s,
        }
        self._upsert_vitals(resident, values)

    def gateways(self) -> list[str]:
        """The gateways that were entered."""
        with self._database.session() as session:
            return list(
                session.scalars(
                    select(Gateway.name).where(Gateway.home == self._home).order_by(Gateway.name)
                )
            )

    def _upsert_vitals(self, resident: str, values: dict[str, Any]) -> None:
        with self._database.transaction(self._home) as session:
            if session.get(Resident, (self._home, resident)) is None:
                raise ValueError(f"resident {resident!r} is unknown")
            row = session.get(VitalPolicy, (self._home, resident))
            if row is not None and all(getattr(row, name) == each for name, each in values.items()):
                return
            dated = {**values, "since_us": now_us(self._clock)}
            self._enter(session, VitalPolicy, {"resident": resident}, dated, config=True)

    def residents(self) -> list[str]:
        """Ids of those who live here."""
        with self._database.session() as session:
            return list(
                session.scalars(
                    select(Resident.id).where(Resident.home == self._home).order_by(Resident.id)
                )
            )

    def zones(self) -> list[str]:
        """Every zone that anything was entered for."""
        tables = (Resident, Gateway, Sensor, Receiver, Wearable)
        with self._database.session() as session:
            found = {
                zone
                for table in tables
                for zone in session.scalars(select(table.zone).where(table.home == self._home))
            }
            found |= set(session.scalars(select(Zone.id).where(Zone.home == self._home)))
        return sorted(zone for zone in found if zone is not None)

    def gateway_config(self, gateway: str) -> GatewayConfig:
        """What `gateway` is told; one that was never entered learns the wearables all the
        same, because it hears them.
        """
        with self._database.session() as session:
            return gateway_configs(session, self._home, [gateway])[0][1]


def enter_home(database: Database, home: str) -> None:
    """Enter a home; entering it again changes nothing.

    Raises
    ------
    ValueError
        If `home` is no identifier.
    """
    check_identifier(home, "home")
    try:
        with database.transaction(home):
            return
    except UnknownHomeError:
        # Two workers that start at once may both come here, and one of them is first.
        with (
            suppress(IntegrityError),
            database.transaction(home, visible=False) as session,
        ):
            if session.get(Home, home) is None:
                session.add(Home(name=home))
