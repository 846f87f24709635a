"""Who speaks for the alert service, where several workers share its records.

Every worker takes events, gives receipts and pages. One of them speaks: it tells gateways of
alerts and configuration, says on the broker that the service lives, and writes down who is
heard. Gateways follow one session of alert state and forget the one before for good
(DESIGN 4), so two that spoke in turn would leave them following whichever dies first. Each
term of a speaker is therefore a session of its own; whoever lost its term and does not know
it yet (a frozen process, a cut network) is not listened to.

On SQLite there is one worker, which speaks (`wardlight.services` keeps a second one waiting).
"""

from __future__ import annotations

from typing import Final

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.records.database import Database
from alerts.records.models import Home, Worker
from contract.clock import Clock
from contract.units import seconds_to_ns

LOOK_S: Final = 2.0
"""How often a worker says that it lives and looks at the others."""

DEAD_AFTER_S: Final = 10.0
"""A worker that has missed five looks is taken for dead. Another speaks 17 s after the last
heartbeat at the latest, well within the 30 s after which gateways doubt the service
(`edge.siren_policy.HEARTBEAT_MISSING_NS`). Too early costs nothing: then there is a new term."""

_DEAD_AFTER_NS: Final = seconds_to_ns(DEAD_AFTER_S)

log = structlog.get_logger(__name__)


class Speaker:
    """One worker's view of who speaks.

    Parameters
    ----------
    run
        Id of this worker's run.
    """

    def __init__(self, home: str, clock: Clock, database: Database, run: str) -> None:
        self._home = home
        self._clock = clock
        self._database = database
        self._run = run
        self._seen: dict[str, tuple[int, int]] = {}
        self.alone = database.is_sqlite
        """Whether there can be no other worker."""

    def look(self, *, well: bool) -> bool:
        """Say that we live, and find out who speaks.

        One that lives and speaks keeps the word; it loses it to a worker that is well when it
        is not itself, or when it is dead.

        Parameters
        ----------
        well
            Whether we reach the broker and could page.

        Returns
        -------
        bool
            Whether we speak.
        """
        if self.alone:
            return True
        with self._database.transaction(self._home, visible=False) as session:
            mine, living = self._roll(session)
            mine.beat += 1
            mine.well = well
            speakers = [other for other in living if other.speaks]
            mine.speaks = not any(other.well or not well for other in speakers)
            if mine.speaks:
                for other in speakers:
                    other.speaks = False
            return mine.speaks

    def leave(self) -> bool:
        """Give up the word; the others find it free at their next look.

        Returns
        -------
        bool
            Whether another worker lives.
        """
        if self.alone:
            return False
        with self._database.transaction(self._home, visible=False) as session:
            mine, living = self._roll(session)
            session.delete(mine)
            return bool(living)

    def _roll(self, session: Session) -> tuple[Worker, list[Worker]]:
        """Our own row and those of others that live; one at a time looks at them."""
        session.scalars(select(Home.name).where(Home.name == self._home).with_for_update()).one()
        rows = {
            row.run: row for row in session.scalars(select(Worker).where(Worker.home == self._home))
        }
        mine = rows.pop(self._run, None)
        if mine is None:
            mine = Worker(home=self._home, run=self._run, beat=0, well=False, speaks=False)
            session.add(mine)
            session.flush()
        living = [row for row in rows.values() if self._lives(row)]
        for row in rows.values():
            if row not in living:
                log.warning("worker_dead", run=row.run, spoke=row.speaks)
                session.delete(row)
        self._seen = {row.run: self._seen[row.run] for row in living}
        return mine, living

    def _lives(self, worker: Worker) -> bool:
        moment_ns = self._clock.monotonic_ns()
        beat, since_ns = self._seen.get(worker.run, (-1, moment_ns))
        if worker.beat != beat:
            beat, since_ns = worker.beat, moment_ns
        self._seen[worker.run] = (beat, since_ns)
        return moment_ns - since_ns < _DEAD_AFTER_NS
