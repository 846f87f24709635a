"""What is found of where people are and how they walk, to events: told by one gateway, and kept."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from contract.clock import Clock
from contract.events import EventKind, Evidence, Receiver
from contract.messages import GatewayConfig
from contract.protocols import Bus
from contract.units import NS_PER_S, US_PER_S, seconds_to_ns
from contract.whereabouts import ZoneUse
from detectors.whereabouts import DETECTOR, Found, Plan, Policies, Scene, Whereabouts
from detectors.whereabouts_words import sentence
from edge.counters import Counts
from edge.episodes import Episode, Episodes, Situation
from edge.faults import FaultBook
from edge.lead import LIVE_NS
from edge.outbox import EventOutbox
from edge.plan import NOWHERE, Rows, plan_of, policies_of, rows_of
from edge.presence import Neighbours
from edge.reporter import About, Reporter
from edge.storage import UnwritableError
from edge.timebase import SessionTime
from edge.wanderer_memory import SAVE_NS, Kept, WandererMemory, pack
from edge.wearable_health import NOT_HEARD_NS, WearableHealth
from edge.wearables import NEVER, Roster
from edge.whereabouts_faults import WhereaboutsFaults

_log = structlog.get_logger(__name__)

SAVE_TOLD_NS: Final = seconds_to_ns(10)
"""After something was told what is known of it is written soon: or a gateway that is killed would
tell it again. Several at once are written once."""

UNJUDGED_NS: Final = LIVE_NS
"""A gateway that has judged no second for so long leaves the lead to another: as one that is not
heard. With the message that says so somebody else leads within ten seconds."""

DAY_FIGURES: Final = ("episodes", "minutes", "tortuosity", "night_trips", "is_rising")
"""Of a `detectors.whereabouts.ResidentDay`, those that tell of wandering."""


class Finding(NamedTuple):
    """What a detector said, in words that outlive a change of the plan."""

    kind: EventKind
    resident: str
    device: str
    zone: str | None
    at_ns: int
    """When it was decided, monotonic."""
    detail: str
    features: dict[str, float]
    is_excused: bool


class Wanderers:
    """Has each second's scene judged, and tells what is found if that is this gateway's to tell.

    Parameters
    ----------
    folder
        Where habits are kept.
    wearables
        Says who is away, and whose wearable is worn or flat.
    """

    def __init__(
        self,
        *,
        folder: Path,
        clock: Clock,
        time: SessionTime,
        roster: Roster,
        reporter: Reporter,
        outbox: EventOutbox,
        faults: FaultBook,
        neighbours: Neighbours,
        wearables: WearableHealth,
        bus: Bus,
        counts: Counts,
    ) -> None:
        self._clock = clock
        self._time = time
        self._roster = roster
        self._reporter = reporter
        self._outbox = outbox
        self._neighbours = neighbours
        self._wearables = wearables
        self._counts = counts
        self._started_ns = now_ns = clock.monotonic_ns()
        self._faults = WhereaboutsFaults(
            faults=faults, neighbours=neighbours, bus=bus, started_ns=now_ns
        )
        self._memory = WandererMemory(folder)
        self._kept: Kept | None = None
        """What an earlier session left, until there is a plan to take it up with."""
        self._damage: str | None = None
        self._episodes: Episodes[Finding] = Episodes(now_ns)
        self._detector: Whereabouts | None = None
        self.rows = Rows()
        self._plan: Plan | None = None
        self._exits: NDArray[np.int64] = np.zeros(0, np.int64)
        self._doors: dict[str, str] = {}
        self._saved_ns = now_ns
        self._zone_of: dict[str, int] = {}
        """Where each wearable that says where its wearer is was decided to be in the last scene."""
        self._is_broken = False
        """Whether the last scene could not be judged; the log says so once."""
        self._last_days: dict[str, dict[str, float]] = {}
        """Of each resident the figures of her last whole day, by name."""
        self._told_ns: int | None = None
        """When something was told that is not written yet."""
        self._judged_ns = NEVER
        """When the latest second was judged, or found to be of a home without a plan."""
        self._is_configured = False
        neighbours.told = self.marks
        neighbours.judges = self._judges

    # -- what is kept ----------------------------------------------------------------------------

    async def open(self) -> None:
        """Load what an earlier session left.

        Raises
        ------
        UnwritableError
            If there is no usable file.
        """
        self._kept = await self._memory.load()
        if self._kept is not None:
            self._episodes.recall(self._kept.told, self._kept.events)
            self._last_days = self._kept.last_days
        else:
            _log.info("habits_unknown", reason="nothing was kept; they are learnt from now on")

    async def close(self) -> None:
        """Write what is known, and let go of the file."""
        await self._save(self._clock.monotonic_ns())
        await self._memory.close()

    async def _save(self, now_ns: int) -> None:
        self._saved_ns, self._told_ns = now_ns, None
        try:
            if self._damage is not None:
                await self._memory.set_aside(self._damage)
                self._damage = None
            if self._detector is not None:
                await self._memory.save(self._to_keep(self._detector))
        except UnwritableError as error:
            self._counts["habits_unwritten"] += 1
            _log.error("habits_unwritten", reason=str(error))

    def _to_keep(self, detector: Whereabouts) -> Kept:
        return Kept(
            residents=list(self.rows.residents),
            zones=list(self.rows.zones),
            told=self._episodes.told(self._wall_s(self._clock.monotonic_ns())),
            events=self._episodes.events(),
            last_days=self._last_days,
            arrays=pack(detector.to_arrays()),
        )

    # -- the home --------------------------------------------------------------------------------

    def follow(self, config: GatewayConfig) -> None:
        """Follow a configuration that comes into force; habits stay with their residents."""
        self._is_configured = True
        rows, before = rows_of(config), self.rows
        plan = plan_of(config, rows) if rows.zones else None
        is_same_home = rows == before and plan is not None and _is_same(plan, self._plan)
        kept = self._kept if self._detector is None else self._to_keep(self._detector)
        self.rows, self._plan = rows, plan
        uses = {each.zone: each.use for each in reversed(config.zones)}
        exits = [number for number, zone in enumerate(rows.zones) if uses[zone] is ZoneUse.EXIT]
        self._exits = np.array(exits, np.int64)
        zone_of = {each.device: each.zone for each in config.sensors}
        self._doors = {device: zone_of[device] for device in rows.doors}
        self._zone_of.clear()
        self._wearables.place_of = self.place_of if rows.zones else None
        home_zone = {each.device: each.zone for each in config.wearables}
        self._wearables.bed_mates.follow(
            list(zip(rows.residents, rows.devices, strict=True)),
            [home_zone[each] for each in rows.devices],
        )
        if plan is None:
            # Nobody can tell rooms, but she may get them back with the next configuration.
            self._kept, self._detector = kept, None
            return
        policies = policies_of(config, rows)
        if self._detector is not None and is_same_home:
            # An absence, or what is asked of somebody, is news while another goes out by the door:
            # what a detector has heard in the last minute is in no array that is kept.
            known = self._detector.policies.has_bed_sensor
            self._detector.policies = policies._replace(has_bed_sensor=known)
        elif kept is not None:
            self._detector = self._take_up(kept, plan, policies)
        else:
            self._detector = Whereabouts(plan, policies, len(rows.carers))
        self._kept = None

    def _take_up(self, kept: Kept, plan: Plan, policies: Policies) -> Whereabouts:
        """A detector that knows what was kept, or one that knows nothing if that is damaged."""
        row_of = {resident: row for row, resident in enumerate(kept.residents)}
        before = np.array([row_of.get(each, NOWHERE) for each in self.rows.residents], np.int64)
        is_same_plan = tuple(kept.zones) == self.rows.zones
        carers = len(self.rows.carers)
        try:
            detector = Whereabouts.from_arrays(
                plan, policies, carers, kept.values(), rows=before, is_same_plan=is_same_plan
            )
        except (ValueError, LookupError) as error:
            self._damage = str(error)
            return Whereabouts(plan, policies, carers)
        known = int((before != NOWHERE).sum())
        _log.info("habits_known", residents=known, is_same_plan=is_same_plan)
        return detector

    # -- each second -----------------------------------------------------------------------------

    async def tick(self, scene: Scene | None) -> None:
        """Once a second, with what is known of it; None where rooms cannot be told."""
        now_ns = self._clock.monotonic_ns()
        unheard = None
        if scene is not None and self._detector is not None:
            unheard = await self._judged(self._detector, scene, now_ns)
        elif self._is_configured and not self.rows.zones:
            self._judged_ns = now_ns
        await self._faults.check_rooms(
            unheard, has_plan=bool(self.rows.zones and self.rows.residents), now_ns=now_ns
        )
        await self._tell_what_is_due(now_ns)
        if self._is_save_due(now_ns):
            await self._save(now_ns)

    async def _judged(
        self, detector: Whereabouts, scene: Scene, now_ns: int
    ) -> Sequence[str] | None:
        """The exits that nobody hears; None if the scene could not be judged: then the rooms are
        said to be unknown.
        """
        try:
            self._judge(detector, scene, now_ns)
        except Exception:  # noqa: BLE001 - a defect here must not end a gateway that looks for falls
            self._counts["whereabouts_defects"] += 1
            if not self._is_broken:
                _log.exception("whereabouts_defect")
            self._is_broken = True
            return None
        self._is_broken, self._judged_ns = False, now_ns
        await self._faults.check_doors(self._doors, detector.doors_stuck, scene.door_open)
        return [self.rows.zones[zone] for zone in self._exits if not scene.covered[zone]]

    def _judge(self, detector: Whereabouts, scene: Scene, now_ns: int) -> None:
        known = scene.in_bed >= 0
        if (known & ~detector.policies.has_bed_sensor).any():
            has_bed_sensor = detector.policies.has_bed_sensor | known
            detector.policies = detector.policies._replace(has_bed_sensor=has_bed_sensor)
        listened_s = (now_ns - self._started_ns) // NS_PER_S
        scene = scene._replace(
            present=scene.present & self._present(now_ns),
            heard_s=np.minimum(scene.heard_s, listened_s),
            carer_worn=scene.carer_worn & self._worn(now_ns),
        )
        self._counts["judged_now"] = int(scene.present.sum())
        self._counts["rooms_known_now"] = int((scene.present & (scene.zone >= 0)).sum())
        self._counts["habits_learnt_now"] = int((scene.present & detector.learning).sum())
        zones = np.where(scene.present, scene.zone, NOWHERE).tolist()
        self._zone_of = dict(zip(self.rows.devices, zones, strict=True))
        self._wearables.bed_mates.step(scene.in_bed, scene.movement_g, scene.present)
        for found in detector.step(scene):
            finding = self._finding(found)
            begun_s = self._wall_s(self._time.monotonic_ns(found.begun * NS_PER_S))
            episode = Episode(found.kind, finding.resident, begun_s, found.excused)
            self._episodes.found(episode, finding, now_ns)
        for day in detector.take_day():
            figures = {name: float(getattr(day, name)) for name in DAY_FIGURES}
            self._last_days[self.rows.residents[day.row]] = {
                name: value for name, value in figures.items() if math.isfinite(value)
            }

    def _judges(self) -> bool:
        return self._clock.monotonic_ns() - self._judged_ns <= UNJUDGED_NS

    def place_of(self, device: str) -> str | None:
        """In which room a resident's wearable is, as far as this gateway can tell."""
        zone = self._zone_of.get(device, NOWHERE)
        return None if zone == NOWHERE else self.rows.zones[zone]

    def _present(self, now_ns: int) -> NDArray[np.bool_]:
        """(residents,) of whom where her wearable is says where she is. Who has not been heard yet
        is where she was before the restart, for as long as a wearable may be silent.
        """
        is_fresh = now_ns - self._started_ns < NOT_HEARD_NS
        wearables = [self._roster.by_device.get(device) for device in self.rows.devices]
        return np.array(
            [
                each is not None
                and (is_fresh or self._neighbours.heard_anywhere_ns(each) != NEVER)
                and self._wearables.is_with_its_wearer(each, now_ns)
                for each in wearables
            ],
            np.bool_,
        )

    def _worn(self, now_ns: int) -> NDArray[np.bool_]:
        """(carers,) whose tag is worn, as far as anybody can say."""
        tags = [self._roster.by_device.get(device) for device in self.rows.carers]
        return np.array(
            [each is not None and self._wearables.is_worn(each, now_ns) for each in tags], np.bool_
        )

    def _finding(self, found: Found) -> Finding:
        return Finding(
            kind=found.kind,
            resident=self.rows.residents[found.row],
            device=self.rows.devices[found.row],
            zone=None if found.zone == NOWHERE else self.rows.zones[found.zone],
            at_ns=self._time.monotonic_ns(found.at * NS_PER_S),
            detail=sentence(found, self.rows.zones),
            features=self._features(found),
            is_excused=found.excused,
        )

    def _features(self, found: Found) -> dict[str, float]:
        """What the detector says; of a walk that wandered also how her last whole day was: whether
        it changes is what foretells falls (SCIENCE 3.2), and no other event tells it.
        """
        features = dict(found.features)
        if found.kind is EventKind.WANDERING_EPISODE:
            day = self._last_days.get(self.rows.residents[found.row], {})
            features |= {f"last_day_{name}": value for name, value in day.items()}
        return {name: float(value) for name, value in features.items() if math.isfinite(value)}

    # -- telling ---------------------------------------------------------------------------------

    async def _tell_what_is_due(self, now_ns: int) -> None:
        if not self._episodes.has_waiting:
            return
        situation = Situation(
            is_lead=self._neighbours.is_lead(),
            lead_since_ns=self._neighbours.lead_since_ns(),
            told_elsewhere=self._neighbours.told_elsewhere(),
        )
        for episode, finding in self._episodes.take(now_ns, situation):
            event = await self._reporter.emit(
                finding.kind, self._about(episode, finding), at_monotonic_ns=finding.at_ns
            )
            self._episodes.note(episode, event.id, self._wall_s(now_ns))
            self._told_ns = now_ns if self._told_ns is None else self._told_ns

    def _about(self, episode: Episode, finding: Finding) -> About:
        wearable = self._roster.by_device.get(finding.device)
        if wearable is not None and wearable.config.resident != finding.resident:
            wearable = None  # it was given to somebody else meanwhile
        return About(
            wearable=wearable,
            device=finding.device,
            resident=finding.resident,
            key=episode.key,
            zone=finding.zone,
            detail=finding.detail,
            evidence=Evidence(detector=DETECTOR, features=finding.features),
            is_excused=finding.is_excused,
        )

    def marks(self) -> list[str]:
        """What others need not tell, as in `Presence.told`."""
        now_s = self._wall_s(self._clock.monotonic_ns())
        return self._episodes.marks(now_s, self._is_with_people)

    def _is_with_people(self, event_id: str) -> bool:
        entry = self._outbox.pending.get(event_id)
        return entry is None or Receiver.ALERTS not in entry.waiting

    def _is_save_due(self, now_ns: int) -> bool:
        if self._told_ns is not None and now_ns - self._told_ns >= SAVE_TOLD_NS:
            return True
        return self._damage is not None or now_ns - self._saved_ns >= SAVE_NS

    def _wall_s(self, monotonic_ns: int) -> int:
        return self._time.wall_us(monotonic_ns) // US_PER_S


def _is_same(plan: Plan, other: Plan | None) -> bool:
    """Whether nothing has changed in a home."""
    return other is not None and all(map(np.array_equal, plan, other))
