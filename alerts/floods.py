"""Gateways that say more than they may: a fault on the board for as long as they do."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts import faults
from alerts.listener import is_gateway
from alerts.records.database import Database
from alerts.records.models import Fault
from contract.clock import Clock, now_us
from contract.events import FaultCause
from contract.flood import Allowance, FloodGate
from contract.protocols import Message


class FloodWatch:
    """A flood gate whose floods are faults.

    Parameters
    ----------
    home, clock, database
        Where the faults go.
    allowance
        Of each sender; None lets everything pass.
    """

    def __init__(
        self, home: str, clock: Clock, database: Database, allowance: Allowance | None
    ) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._gate = FloodGate(clock, allowance)
        self._told: set[str] | None = None
        """Gateways with an open fault; None until the records were looked at."""

    @property
    def shed(self) -> int:
        """Messages that did not pass since the start."""
        return self._gate.shed.total()

    def passing(self, messages: Sequence[Message]) -> list[Message]:
        """Those that may be taken in."""
        return self._gate.passing(messages)

    async def report(self) -> None:
        """Open and clear faults as floods come and go.

        Raises
        ------
        DATABASE_ERRORS
            If they could not be written; the next call tries again.
        """
        floods = {name for name in self._gate.flooding() if is_gateway(name)}
        if floods != self._told:
            self._told = await self._database.run(self._write, floods)

    def _write(self, floods: set[str]) -> set[str]:
        moment_us = now_us(self._clock)
        with self._database.transaction(self._home) as session:
            open_ = _open_faults(session, self._home)
            for gateway in sorted(floods - open_):
                faults.report(
                    session,
                    self._home,
                    FaultCause.GATEWAY_FLOODS,
                    _about(gateway),
                    detail=f"{gateway} says far more than a gateway has to say. What is too much "
                    "is not taken in; its alarms are. If it may be stolen: wardlight provision "
                    f"revoke {gateway}",
                    now_us=moment_us,
                )
            for gateway in sorted(open_ - floods):
                cause, about = FaultCause.GATEWAY_FLOODS, _about(gateway)
                faults.clear(session, self._home, cause, about, now_us=moment_us)
        return floods


def _about(gateway: str) -> faults.About:
    return faults.About(f"gateway:{gateway}", gateway=gateway)


def _open_faults(session: Session, home: str) -> set[str]:
    found = session.scalars(
        select(Fault.gateway).where(
            Fault.home == home,
            Fault.cause == FaultCause.GATEWAY_FLOODS,
            Fault.cleared_at_us.is_(None),
        )
    )
    return {gateway for gateway in found if gateway is not None}
