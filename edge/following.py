"""Where everybody is, second by second: what the home's receivers and sensors say, put together.

Each gateway does this all the time with what it hears itself and what the others tell it
(`contract.messages.Presence`), and comes to the same places as they do. So whoever leads next
begins where the last one ended, and a gateway that is cut off goes on alone: zones whose
receivers it does not hear of are unknown to it then, and no neighbour claims who is in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from contract.clock import Clock
from contract.messages import GatewayConfig, Presence
from contract.units import NS_PER_S
from contract.whereabouts import ZoneUse
from detectors.dwell import stays
from detectors.exit_doors import ShutDoors
from detectors.location import RoomFilter
from detectors.receivers import ReceiverWatch
from detectors.room_model import UNKNOWN, RoomModel
from detectors.summary import DEVIATION_G, SummaryBlock
from detectors.whereabouts import Scene
from edge.carers import FORGOTTEN_S
from edge.faults import FaultBook
from edge.places import Places
from edge.plan import Rows, plan_of
from edge.presence import Neighbours, Shared
from edge.reporter import Sender
from edge.rooms import Rooms, by_name, covered
from edge.scenes import Found, Scenes
from edge.sensors import SensorBoard
from edge.shared_air import HELD_S, LATENESS_S, HomeSecond, Second, SharedAir
from edge.shared_sensors import Happening, SharedSensors, active
from edge.strengths import Hearing
from edge.timebase import SessionTime
from edge.wearables import NEVER, OWN_KIND, Roster, Wearable

CATCH_UP_S: Final = 10
"""After a standstill so many seconds are gone through one by one; with more between, the filter has
forgotten where anybody was, and begins with the latest."""

NEVER_HEARD_S: Final = 86_400
"""For how long nobody has heard a wearable that this session has not."""

WALKS_G: Final = 0.1
"""Who moves so much does not lie in her bed, whoever does: stairs and halls in SPHERE make 0.1 to
0.2 g, turning over a few seconds of less."""

MOVEMENT_DECIMALS: Final = 3
"""Of what others are told: an advert holds mg."""


class Following:
    """Follows everybody who wears something.

    Attributes
    ----------
    hearing
        Which of this gateway's receivers work; whoever hears adverts tells it.
    places
        What is told of it.
    model
        The home; None where nobody has said what it is like.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        clock: Clock,
        time: SessionTime,
        roster: Roster,
        board: SensorBoard,
        neighbours: Neighbours,
        faults: FaultBook,
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._time = time
        self._roster = roster
        self._board = board
        self._neighbours = neighbours
        self.hearing = Hearing()
        self._air = SharedAir(sender.gateway)
        self._sensors = SharedSensors(board, time)
        self._scenes = Scenes(
            clock=clock,
            time=time,
            board=board,
            sensors=self._sensors,
            neighbours=neighbours,
            faults=faults,
        )
        self.places = Places(sender=sender, clock=clock, neighbours=neighbours)
        self._rooms = Rooms(sender.gateway)
        self.model: RoomModel | None = None
        self._made_of: tuple[object, ...] = ()
        self._filter: RoomFilter | None = None
        self._watch: ReceiverWatch | None = None
        self._receiver: dict[str, int] = {}
        self._sensor: dict[str, int] = {}
        self._zone: dict[str, int] = {}
        self._uses: list[ZoneUse] = []
        """(zones,)"""
        self._row: dict[str, int] = {}
        """Of the filter, by device: residents' and carers' as in `rows`, then nobody's."""
        self._heard_at = np.zeros(0, np.int64)
        """(rows,) grid second in which any receiver heard each last."""
        self._alive = np.zeros(0, np.bool_)
        """(receivers,)"""
        self._stuck = np.zeros(0, np.bool_)
        """(receivers,)"""
        self._torn = np.zeros(0, np.bool_)
        """(rows,) heard in two places at once."""
        self._linked: list[Wearable] = []
        """Those that do not advertise, or not how they move, while a link is held to them."""
        self._measured_g: dict[str, float] = {}
        """How those moved, as far as it is new."""
        self._shut: ShutDoors | None = None
        self._done: int | None = None
        """Latest grid second that was looked at."""

    # -- configuration ---------------------------------------------------------------------------

    def apply(self, config: GatewayConfig) -> None:
        """Follow a configuration that comes into force, after roster and sensors have."""
        self._scenes.apply(config, self._roster)
        self.hearing.forget(self._roster.by_device, [each.name for each in config.receivers])
        self._sensors.forget(self._board.by_device)
        self._linked = [
            each for each in self._roster if each.config.kind != OWN_KIND or each.config.streaming
        ]
        made_of = self._rooms.made_of(config)
        if made_of != self._made_of:
            self._made_of = made_of
            self.model = self._rooms.model(config)
            self._receiver = {} if self.model is None else by_name(self.model.receivers)
            self._zone = by_name(self.zones)
            self._sensor = {} if self.model is None else by_name(self.model.sensors)
            self._alive = self._stuck = np.zeros(len(self._receiver), np.bool_)
            self._filter = self._watch = None
        uses = {each.zone: each.use for each in reversed(config.zones)}
        self._uses = [uses[zone] for zone in self.zones]
        self._shut = None if self.model is None else ShutDoors(plan_of(config, self.rows))
        self._arrange()

    def _arrange(self) -> None:
        """Give everybody a row; of who had one what is known stays."""
        rows, before = self.rows, self._row
        named = (*rows.devices, *rows.carers)
        others = [each for each in self._roster.by_device if each not in named]
        self._row = by_name((*named, *others))
        old = np.array([before.get(each, UNKNOWN) for each in self._row], np.int64)
        heard_at = np.full(len(old), -NEVER_HEARD_S)
        heard_at[old != UNKNOWN] = self._heard_at[old[old != UNKNOWN]]
        self._heard_at = heard_at
        self._torn = np.zeros(len(old), np.bool_)
        if self.model is None:
            pass
        elif self._filter is None or self._watch is None:
            self._filter = RoomFilter(self.model, len(old))
            self._watch = ReceiverWatch(self.model, len(old))
        elif before != self._row:
            self._filter.arrange(old)
            self._watch.arrange(old)
        if self._filter is not None:
            self._filter.note_stays(stays(self._uses, self._bedrooms()))
        told = {device: row for device, row in self._row.items() if device not in rows.carers}
        self.places.follow(self.zones, rows.residents, told, old)

    @property
    def rows(self) -> Rows:
        """Who and what the rows of a scene are."""
        return self._scenes.rows

    @property
    def zones(self) -> tuple[str, ...]:
        """Of the home; none where nobody has said."""
        return () if self.model is None else self.model.zones

    @property
    def alive(self) -> dict[str, bool]:
        """Whether each receiver of the home works, by name."""
        return dict(zip(self._receiver, self._alive.tolist(), strict=True))

    @property
    def stuck(self) -> dict[str, str | None]:
        """Receivers that are not believed, and where each stands."""
        if self.model is None:
            return {}
        stands_in = (*self.model.zones, None)
        return {
            self.model.receivers[number]: stands_in[self.model.stands_in[number]]
            for number in np.flatnonzero(self._stuck)
        }

    @property
    def torn(self) -> list[Wearable]:
        """Residents' wearables that are heard in two places at once."""
        rows = np.flatnonzero(self._torn[: len(self.rows.devices)])
        return [self._roster.by_device[self.rows.devices[row]] for row in rows]

    @property
    def problem(self) -> str | None:
        """Why the home's calibration cannot be used."""
        return self._rooms.problem

    # -- what gateways tell each other -----------------------------------------------------------

    def share(self, sequence: int) -> Shared:
        """The second since the last call is over. Called once a second, whether anybody is there to
        be told or not: a gateway takes its own seconds in the same way as the others'.

        Parameters
        ----------
        sequence
            Of the message that goes out with it.
        """
        now_ns = self._clock.monotonic_ns()
        strengths = self.hearing.second(
            ((each.device, each.strengths.take()) for each in self._roster), now_ns
        )
        moved_g, self._measured_g = self._measured_g, {}
        for device in {each for heard in strengths.values() for each in heard}:
            wearable = self._roster.by_device[device]
            if wearable.config.kind == OWN_KIND and wearable.advert is not None:
                moved_g[device] = wearable.advert.deviation_g
        sender = self._sender
        self._air.put(
            sender.gateway,
            sender.session,
            sequence,
            Second(strengths, moved_g),
            self._time.grid_ns(now_ns),
        )
        self._sensors.collect()
        return Shared(
            strengths,
            {
                device: round(moved_g[device], MOVEMENT_DECIMALS)
                for device in self._neighbours.best_here(moved_g)
            },
            self._sensors.states(),
            self._sensors.changes(now_ns),
        )

    def hear(self, presence: Presence) -> None:
        """Another gateway has spoken, and has said nothing newer before."""
        # Of one that nobody has given a place its sensors count all the same.
        strengths = {
            receiver: heard
            for receiver, heard in presence.strengths.items()
            if (receiver or presence.gateway) in self._receiver
        }
        now_ns = self._time.grid_now_ns()
        second = Second(strengths, presence.movement_g)
        self._air.put(presence.gateway, presence.session, presence.sequence, second, now_ns)
        self._sensors.hear(presence, now_ns)

    def note(self, blocks: Sequence[SummaryBlock]) -> None:
        """Seconds were closed: how those moved whose adverts do not say it."""
        for block in blocks:
            for wearable in self._linked:
                deviation_g = float(block.values[DEVIATION_G, wearable.row])
                if not math.isnan(deviation_g):
                    self._measured_g[wearable.device] = deviation_g

    # -- second by second ------------------------------------------------------------------------

    def tick(self, now_ns: int) -> Scene | None:
        """Look at the seconds that are due.

        Parameters
        ----------
        now_ns
            Monotonic.

        Returns
        -------
        Scene or None
            The latest of them; None where none is due, or there is no plan of the home. `present`
            is true of everybody.
        """
        due = self._time.grid_ns(now_ns) // NS_PER_S - LATENESS_S
        self._air.forget(due - CATCH_UP_S - HELD_S)
        self._forget_tags(now_ns)
        self._sensors.collect()
        if self._filter is None or self._watch is None or self.model is None:
            self._sensors.happened(due)
            return None
        first = due if self._done is None else self._done + 1
        if due - first >= CATCH_UP_S:
            first = due
        scene, opened = None, np.zeros(len(self.rows.doors), np.bool_)
        for second in range(first, due + 1):
            found = self._find(self._filter, self._watch, self.model, second)
            scene = self._scenes.scene(found)
            opened |= scene.door_opened
            self._done = second
        self._forget_carers(due)
        return None if scene is None else scene._replace(door_opened=opened)

    def _find(
        self, rooms: RoomFilter, watch: ReceiverWatch, model: RoomModel, second: int
    ) -> Found:
        home = self._air.second(second)
        happenings = self._sensors.happened(second)
        rssi_dbm, movement_g = self._assemble(home)
        self._heard_at[np.isfinite(rssi_dbm).any(axis=0)] = second
        self._note_links(second)
        lies = watch.step(rssi_dbm, movement_g)
        self._stuck, self._torn = lies.stuck, lies.in_two_places
        self._alive = np.array([each in home.strengths for each in model.receivers], np.bool_)
        self._alive &= ~lies.stuck
        fired = np.zeros(len(model.sensors), np.bool_)
        fired[active(happenings, self._sensor)] = True
        self._note_doors(rooms, happenings, second)
        rooms.note_beds(self._lies_in(movement_g))
        found = rooms.step(lies.rssi_dbm, movement_g, fired, self._alive)
        zone = np.where(lies.in_two_places, UNKNOWN, found.zone)
        decided_ns = self._time.monotonic_ns((second - found.age_s) * NS_PER_S)
        # Of carers nobody is told.
        told = zone.copy()
        told[len(self.rows.devices) :][: len(self.rows.carers)] = UNKNOWN
        self.places.note(told, found.probability, self._time.wall_us(decided_ns))
        return Found(
            second=second,
            zone=zone,
            belief=rooms.belief,
            heard_s=np.minimum(second - self._heard_at, NEVER_HEARD_S),
            movement_g=movement_g,
            covered=covered(model, self._alive),
            happenings=happenings,
        )

    def _note_doors(self, rooms: RoomFilter, happenings: Sequence[Happening], second: int) -> None:
        if self._shut is not None:
            is_open, opened = self._scenes.doors(happenings)
            rooms.note_shut(self._shut.step(is_open, opened, second))

    def _lies_in(self, movement_g: NDArray[np.float32]) -> NDArray[np.int64]:
        """(rows,) zone of the bed that she seems to lie in; not of who walks meanwhile."""
        lies_in = np.full(len(self._row), UNKNOWN)
        residents = self._scenes.lies_in(self._zone)
        lies_in[: len(residents)] = residents
        lies_in[movement_g >= WALKS_G] = UNKNOWN
        return lies_in

    def _bedrooms(self) -> NDArray[np.int64]:
        """(rows,) zone of each resident's own bed; of nobody else."""
        number = by_name(self.zones)
        bedrooms = np.full(len(self._row), UNKNOWN)
        for row, device in enumerate(self.rows.devices):
            bedrooms[row] = number.get(self._roster.by_device[device].config.zone or "", UNKNOWN)
        return bedrooms

    def _assemble(self, home: HomeSecond) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(receivers, rows) strengths in dBm, (rows,) movement in g; NaN where there is none."""
        row, rows, receivers = self._row, len(self._row), len(self._receiver)
        at: list[int] = []
        strengths: list[float] = []
        for receiver, heard in home.strengths.items():
            if receiver in self._receiver:
                begin = self._receiver[receiver] * rows
                for device, mean_dbm in heard.items():
                    if device in row:
                        at.append(begin + row[device])
                        strengths.append(mean_dbm)
        rssi_dbm = np.full(receivers * rows, np.nan, np.float32)
        rssi_dbm[at] = strengths
        movement_g = np.full(rows, np.nan, np.float32)
        moved_g = {row[each]: value for each, value in home.movement_g.items() if each in row}
        movement_g[list(moved_g)] = list(moved_g.values())
        return rssi_dbm.reshape(receivers, rows), movement_g

    def _note_links(self, second: int) -> None:
        """Who speaks over a link is heard, whether it advertises meanwhile or not."""
        for wearable in self._linked:
            heard_ns = self._neighbours.heard_anywhere_ns(wearable)
            if heard_ns != NEVER:
                row, heard_at = self._row[wearable.device], self._time.grid_ns(heard_ns) // NS_PER_S
                self._heard_at[row] = max(self._heard_at[row], min(heard_at, second))

    def _forget_tags(self, now_ns: int) -> None:
        """Let go of how this gateway itself heard a tag that it has not heard for `FORGOTTEN_S`;
        another, where the carer is now, may.
        """
        for device in self.rows.carers:
            tag = self._roster.by_device[device]
            if tag.heard_ns != NEVER and now_ns - tag.heard_ns > FORGOTTEN_S * NS_PER_S:
                tag.forget_place()

    def _forget_carers(self, second: int) -> None:
        """Let go of where a tag was that nobody has heard for `FORGOTTEN_S`."""
        rows = np.arange(len(self._row))
        for device in self.rows.carers:
            row = self._row[device]
            if 0 <= self._heard_at[row] <= second - FORGOTTEN_S:
                rows[row] = UNKNOWN
                self._heard_at[row] = -NEVER_HEARD_S
        if self._filter is not None and self._watch is not None and (rows == UNKNOWN).any():
            self._filter.arrange(rows)
            self._watch.arrange(rows)
