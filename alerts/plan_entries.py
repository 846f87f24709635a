"""The plan of the home, what its rooms sound like, and what is asked for residents' whereabouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from sqlalchemy import select

from alerts import choices
from alerts.entries import Entries
from alerts.errors import BadChoiceError
from alerts.records.models import Home, Resident, Zone
from contract.clock import now_us
from contract.ids import check_identifier
from contract.whereabouts import WhereaboutsPolicy, ZoneConfig
from contract.wire import MAX_PAYLOAD_BYTES

SETTINGS: Final = "settings"
"""Who enters what the settings file says."""

ROOMS_AT_MOST: Final = MAX_PAYLOAD_BYTES * 3 // 4
"""Characters: it travels to each gateway in one message, beside the lists of devices, which take
some 60 kB for a large home."""


class PlanEntries(Entries):
    """The plan of one home."""

    def set_plan(
        self, zones: Sequence[ZoneConfig], floors: Mapping[str, str] | None = None
    ) -> None:
        """Enter every zone of the home; one that is no longer named is no longer there.

        Parameters
        ----------
        floors
            Floor of each zone, where it is known.

        Raises
        ------
        ValueError
            If a zone is named twice, or one is next to a zone that is not there.
        """
        names = [check_identifier(each.zone, "zone") for each in zones]
        for each in zones:
            if names.count(each.zone) > 1:
                raise ValueError(f"zone {each.zone!r} stands twice")
            for other in each.next_to:
                if other not in names:
                    raise ValueError(f"zone {each.zone!r} is next to {other!r}, which is no zone")
        with self._database.transaction(self._home) as session:
            for row in session.scalars(select(Zone).where(Zone.home == self._home)).all():
                if row.id not in names:
                    session.delete(row)
                    self._touch(session, config=True)
            for each in zones:
                values = {
                    "use": each.use.value,
                    "next_to": list(each.next_to),
                    "floor": (floors or {}).get(each.zone) or None,
                }
                self._enter(session, Zone, {"id": each.zone}, values, config=True)

    def set_rooms(self, rooms: str | None) -> None:
        """Enter what the rooms sound like (`contract.messages.GatewayConfig.rooms`).

        Raises
        ------
        ValueError
            If it is too long for a message to a gateway.
        """
        if rooms is not None and len(rooms) > ROOMS_AT_MOST:
            raise ValueError(
                f"the calibration takes {len(rooms)} characters, and at most {ROOMS_AT_MOST} "
                "reach a gateway: walk with fewer receivers"
            )
        with self._database.transaction(self._home) as session:
            home = session.get_one(Home, self._home)
            self._change(session, home, {"rooms": rooms}, config=True)

    def set_whereabouts(self, resident: str, policy: WhereaboutsPolicy, *, by: str) -> None:
        """Ask for something for one resident; `SETTINGS` undoes nothing that people asked for since
        it said so last.

        Raises
        ------
        ValueError
            If the resident is unknown, or it cannot be followed in this home.
        """
        with self._database.transaction(self._home) as session:
            if session.get(Resident, (self._home, resident)) is None:
                raise ValueError(f"resident {resident!r} is unknown")
            said = msgspec.structs.asdict(policy) if by == SETTINGS else None
            if said is not None:
                policy = choices.said_otherwise(session, self._home, resident, said)
            try:
                policy = choices.check(session, self._home, policy)
            except BadChoiceError as error:
                raise ValueError(f"whereabouts of {resident!r}: {error}") from error
            choices.choose(
                session, self._home, resident, policy, by, now_us(self._clock), said=said
            )
