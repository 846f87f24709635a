"""Telemetry: closed seconds become points, ten seconds of points become a batch; what room sensors
said goes with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from contract.clock import Clock, now_us
from contract.telemetry import TELEMETRY_SCHEMA, SensorPoint, SummaryPoint, TelemetryBatch
from contract.units import NS_PER_S, US_PER_S, seconds_to_ns
from detectors.summary import SummaryBlock
from edge.presence import Neighbours
from edge.reporter import SYNCED, UNSYNCED, Sender
from edge.sensor_telemetry import SensorTelemetry
from edge.telemetry_outbox import TelemetryOutbox
from edge.timebase import SessionTime
from edge.wearables import Roster, Wearable

BATCH_NS: Final = seconds_to_ns(10)
"""One commit and one message for so much: fresh enough for a chart, gentle to an SD card."""

MAX_POINTS: Final = 600
"""Sixty residents for ten seconds, about 140 kB: below `contract.wire.MAX_PAYLOAD_BYTES`."""

MAX_SENSOR_POINTS: Final = 300
"""Beside them, about 70 kB: every sensor of a large home at once."""

CHANGED_NS: Final = seconds_to_ns(2)
"""So soon after the last batch the next one goes when a sensor tells a change: whoever looks at a
door sees it as it is, and a busy corridor costs a commit each two seconds at most."""

DECIMALS: Final = 4
"""0.1 mg: finer than any wearable's sensor resolves (1/4096 g in an advert)."""


class Telemetry:
    """Collects what was measured, and hands it to the outbox in batches.

    Parameters
    ----------
    wake
        Called when a batch waits.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        clock: Clock,
        time: SessionTime,
        roster: Roster,
        neighbours: Neighbours,
        outbox: TelemetryOutbox,
        sensors: SensorTelemetry,
        wake: Callable[[], None],
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._time = time
        self._roster = roster
        self._neighbours = neighbours
        self._outbox = outbox
        self._sensors = sensors
        self._wake = wake
        self.zone: str | None = None
        self.place: Callable[[Wearable], str | None] = lambda _: None
        """Where the wearer of one is held to be; where nobody can tell, the gateway's own zone is
        told.
        """
        self._points: list[SummaryPoint] = []
        self._pulses_ns = clock.monotonic_ns()
        """Until when heart rates without motion have been collected."""
        self._batched_ns = clock.monotonic_ns()

    def collect(self, block: SummaryBlock) -> None:
        """Make points of one closed second; of those wearables that are nearest to us."""
        at_us = self._time.wall_us(self._time.monotonic_ns(block.second * NS_PER_S))
        rounded = block.values.astype(np.float64).round(DECIMALS).T.tolist()
        worn = block.worn.tolist()
        for wearable in self._roster:
            values = rounded[wearable.row]
            if not math.isnan(values[0]) and self._neighbours.reports(wearable):
                self._points.append(self._point(wearable, at_us, values, worn[wearable.row]))

    def _point(
        self, wearable: Wearable, at_us: int, values: list[float], worn: float
    ) -> SummaryPoint:
        advert = wearable.advert
        mean_x, mean_y, mean_z, min_g, max_g, deviation_g = values
        return SummaryPoint(
            at_us=at_us,
            device=wearable.device,
            resident=wearable.config.resident,
            mean_x_g=mean_x,
            mean_y_g=mean_y,
            mean_z_g=mean_z,
            min_g=min_g,
            max_g=max_g,
            deviation_g=deviation_g,
            worn=None if math.isnan(worn) else bool(worn),
            battery_percent=advert.battery_percent if advert is not None else None,
            rssi_dbm=round(wearable.rssi_dbm) if wearable.rssi_dbm is not None else None,
            heart_rate_bpm=advert.heart_rate_bpm if advert is not None else None,
            zone=self.place(wearable) or self.zone,
        )

    def collect_pulses(self) -> None:
        """Make points of those who tell a heart rate and no motion, so that no second of the grid
        holds anything of them.
        """
        for wearable in self._roster:
            if wearable.pulse_ns <= self._pulses_ns or wearable.stream_row is not None:
                continue
            if wearable.config.is_carer:
                continue
            if self._neighbours.reports(wearable):
                at_us = self._time.wall_us(wearable.pulse_ns)
                self._points.append(
                    SummaryPoint(
                        at_us=at_us - at_us % US_PER_S,
                        device=wearable.device,
                        resident=wearable.config.resident,
                        worn=wearable.advert.worn if wearable.advert is not None else None,
                        battery_percent=(
                            wearable.advert.battery_percent if wearable.advert is not None else None
                        ),
                        heart_rate_bpm=wearable.pulse or None,
                        zone=self.place(wearable) or self.zone,
                    )
                )
        self._pulses_ns = self._clock.monotonic_ns()

    async def flush(self, now_ns: int, *, everything: bool = False) -> str | None:
        """Put a batch into the outbox if it is time; returns why it could not be written."""
        self._sensors.collect(now_ns)
        due_ns = CHANGED_NS if self._sensors.is_urgent else BATCH_NS
        if not everything and now_ns - self._batched_ns < due_ns:
            return None
        self._batched_ns = now_ns
        reason = None
        said = self._sensors.take()
        while self._points or said:
            points, self._points = self._points[:MAX_POINTS], self._points[MAX_POINTS:]
            sensors, said = said[:MAX_SENSOR_POINTS], said[MAX_SENSOR_POINTS:]
            reason = await self._outbox.put(self._batch(points, sensors), now_ns)
            self._wake()
        return reason

    def _batch(self, points: list[SummaryPoint], sensors: list[SensorPoint]) -> TelemetryBatch:
        return TelemetryBatch(
            schema=TELEMETRY_SCHEMA,
            home=self._sender.home,
            gateway=self._sender.gateway,
            session=self._sender.session,
            sequence=self._outbox.next_sequence(self._sender.session),
            boot=self._sender.boot,
            clock=SYNCED if self._clock.synced() else UNSYNCED,
            sent_at_us=max(now_us(self._clock), 0),
            points=points,
            sensors=sensors,
        )
