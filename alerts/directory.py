"""Who lives and works here, who wears what, and what gateways are told of it.

Every entry is an upsert: entering the same again changes nothing, so a settings file can be
entered at each start.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from alerts.errors import UnknownHomeError
from alerts.records.database import Database
from alerts.records.models import (
    Assignment,
    Base,
    Gateway,
    Home,
    Resident,
    Staff,
    Wearable,
)
from alerts.sheet import Contact
from alerts.views import StaffRole
from contract.clock import Clock, now_us
from contract.ids import check_gateway, check_identifier
from contract.messages import MESSAGE_SCHEMA, GatewayConfig, VolumeHours, WearableConfig
from contract.units import US_PER_S

M = TypeVar("M", bound=Base)

MAX_IDENTITY = 0xFFFF_FFFF
"""The advert has four bytes for it."""


class Directory:
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
        self._database = database
        self._home = check_identifier(home, "home")
        self._clock = clock
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

    def add_wearable(
        self,
        device: str,
        *,
        address: str,
        identity: int,
        resident: str | None = None,
        placement: str = "wrist",
        streaming: bool = False,
    ) -> None:
        """Enter a wearable, and who wears it.

        Raises
        ------
        ValueError
            Also if the resident is unknown, or the identity no uint32.
        """
        check_identifier(device, "device")
        if not 0 <= identity <= MAX_IDENTITY:
            raise ValueError(f"identity {identity} of {device!r} is no 32-bit number")
        values = {
            "address": address.upper(),
            "identity": identity,
            "resident": resident,
            "placement": placement,
            "streaming": streaming,
        }
        self._upsert(Wearable, {"device": device}, values, config=True)

    def add_gateway(self, gateway: str, *, zone: str | None = None, resting: bool = True) -> None:
        """Enter a gateway, where it stands, and whether people sit or lie there for long."""
        check_gateway(gateway)
        if zone is not None:
            check_identifier(zone, "zone")
        self._upsert(Gateway, {"name": gateway}, {"zone": zone, "resting": resting}, config=True)

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

    def gateways(self) -> list[str]:
        """The gateways that were entered."""
        with self._database.session() as session:
            return list(
                session.scalars(
                    select(Gateway.name).where(Gateway.home == self._home).order_by(Gateway.name)
                )
            )

    def gateway_config(self, gateway: str) -> GatewayConfig:
        """What `gateway` is told; one that was never entered learns the wearables all the
        same, because it hears them.
        """
        with self._database.session() as session:
            return gateway_configs(session, self._home, [gateway])[0][1]

    def _upsert(
        self, model: type[M], key: dict[str, str], values: dict[str, Any], *, config: bool
    ) -> None:
        try:
            with self._database.transaction(self._home) as session:
                row = session.get(model, {"home": self._home, **key})
                if row is None:
                    row = model(home=self._home, **key)
                    for name, value in values.items():
                        setattr(row, name, value)
                    session.add(row)
                    session.flush()
                    self._touch(session, config=config)
                else:
                    self._change(session, row, values, config=config)
        except IntegrityError as error:
            raise ValueError(f"{key} {values} names somebody who was not entered") from error

    def _change(self, session: Session, row: Base, values: dict[str, Any], *, config: bool) -> None:
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        for name, value in changed.items():
            setattr(row, name, value)
        if changed:
            session.flush()
            self._touch(session, config=config)

    def _touch(self, session: Session, *, config: bool) -> None:
        """A new configuration revision, never below the present second: gateways keep the
        highest they have seen, also from before the records were restored from a backup.
        """
        if config:
            home = session.get_one(Home, self._home)
            home.config_revision = max(home.config_revision + 1, now_us(self._clock) // US_PER_S)


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


def gateway_configs(
    session: Session, home: str, gateways: Sequence[str]
) -> list[tuple[str, GatewayConfig]]:
    """The configuration of each of `gateways`; all share the list of wearables."""
    record = session.get_one(Home, home)
    records = {
        each.name: each for each in session.scalars(select(Gateway).where(Gateway.home == home))
    }
    wearables = [
        WearableConfig(
            device=wearable.device,
            address=wearable.address,
            identity=wearable.identity,
            resident=wearable.resident,
            bed=None if resident is None else resident.bed,
            zone=None if resident is None else resident.zone,
            placement=wearable.placement,
            streaming=wearable.streaming,
        )
        for wearable, resident in session.execute(
            select(Wearable, Resident)
            .outerjoin(
                Resident, (Resident.home == Wearable.home) & (Resident.id == Wearable.resident)
            )
            .where(Wearable.home == home)
            .order_by(Wearable.device)
        )
    ]
    volume = [VolumeHours(**hours) for hours in record.siren_volume]
    return [
        (
            gateway,
            GatewayConfig(
                schema=MESSAGE_SCHEMA,
                home=home,
                revision=record.config_revision,
                time_zone=record.time_zone,
                wearables=wearables,
                siren_volume=volume,
                zone=None if entry is None else entry.zone,
                resting=entry is None or entry.resting,
            ),
        )
        for gateway, entry in ((name, records.get(name)) for name in gateways)
    ]
