"""One capture of one gateway, from its radio to the report of what was captured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

from contract import topics, wire
from contract.clock import Clock
from contract.messages import GatewayConfig, Presence, WearableConfig
from contract.protocols import Message, Radio
from contract.units import ns_to_seconds
from firmware_sim import TruthEntry
from firmware_sim.capture import (
    CaptureCounts,
    CaptureError,
    CaptureWriter,
    RecordingRadio,
    Tally,
    check_folder,
    new_scene,
    seal_capture,
    truth_lines,
)
from wardlight import __version__
from wardlight.settings import Settings

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class RecordReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a capture holds; encodes to JSON as it is."""

    folder: str
    home: str
    gateway: str
    seconds: float
    ended: str
    """Why, in words."""
    complete: bool
    """False if the disk ended it; what was captured before can be replayed."""
    sealed: bool
    """Whether it is in parquet; it can be replayed without."""
    wearables: int
    truth: int
    """Lines of ground truth."""
    counts: CaptureCounts
    samples: dict[str, int]
    """Of motion, by device."""

    @property
    def exit_status(self) -> int:
        """For a shell: 0, or 1 if the capture ended early or could not be sealed."""
        return 0 if self.complete and self.sealed else 1

    def text(self) -> str:
        """For a person."""
        counts = self.counts
        lines = [
            f"Captured {self.seconds:.1f} s of {self.gateway} in home {self.home}: "
            f"{counts.adverts} adverts of {counts.devices} devices, {counts.links} links "
            f"({counts.links_failed} failed), {counts.notifications} notifications, "
            f"{counts.writes} writes."
        ]
        if not self.complete:
            lines.append(f"It ended early: {self.ended}. What was captured can be replayed.")
        if not self.sealed:
            lines.append("It could not be made parquet, and can be replayed as it is.")
        if not self.truth:
            lines.append(f"If you know what truly happened, add it to {self.folder}/scene.yaml.")
        lines.append(f"Play it with: wardlight replay {self.folder}")
        return "\n".join(lines)


class Tape:
    """Hears what a gateway hears, and writes it down.

    Parameters
    ----------
    settings
        Of the home: who wears what, until the home's own configuration comes over the broker.
    folder
        New or empty.
    truth
        What truly happens, read at the end; default what the gateway's simulation knows.

    Raises
    ------
    CaptureError
        If the folder holds something.
    """

    def __init__(
        self, settings: Settings, folder: Path, truth: Sequence[TruthEntry] | None = None
    ) -> None:
        check_folder(folder)
        self._settings = settings
        self._folder = folder
        self._truth = truth
        self._gateway = settings.gateway.name
        self._begun = asyncio.Event()
        self._tags = {each.device for each in settings.carer_tags}
        """Devices that staff wear."""
        self._writer: CaptureWriter | None = None
        self._clock: Clock | None = None

    # -- what a gateway and a bus are given ------------------------------------------------------

    def wrap(self, radio: Radio, clock: Clock, truth: Sequence[TruthEntry]) -> Radio:
        """Begin, with the radio of the gateway that begins (`services.RadioWrapper`).

        Raises
        ------
        CaptureError
            If the folder cannot be written.
        """
        home = self._settings.home
        scene = new_scene(
            clock,
            home=home.id,
            gateway=self._gateway,
            gateway_zone=next(
                (one.zone for one in self._settings.gateways if one.name == self._gateway), None
            ),
            time_zone=home.time_zone,
            wearables=_enrolled(self._settings),
            recorded_by=f"wardlight {__version__}",
        )
        self._writer = CaptureWriter(self._folder, scene)
        self._clock = clock
        if self._truth is None:
            self._truth = truth
        self._begun.set()
        _log.info("capture_began", folder=str(self._folder), gateway=self._gateway)
        return RecordingRadio(radio, self._writer, clock)

    @property
    def filters(self) -> list[str]:
        """What to hear of the broker: this gateway's configuration, and its neighbours' words."""
        home = self._settings.home.id
        return [
            topics.build(home, self._gateway, topics.CONFIG),
            topics.build(home, topics.ANY, topics.PRESENCE),
            topics.build(home, topics.ANY, topics.WHEREABOUTS),
        ]

    async def on_messages(self, messages: Sequence[Message]) -> None:
        """Take in what came over the broker."""
        assert self._writer is not None, "the bus is run once the capture has begun"
        assert self._clock is not None
        for message in messages:
            try:
                topic = topics.parse(message.topic)
            except ValueError as error:
                # A stranger on the broker must not end a gateway through its recording.
                _log.warning("message_not_captured", reason=str(error))
                continue
            if topic.branch == topics.CONFIG:
                self._configured(self._writer, message.payload)
            elif topic.sender != self._gateway:
                payload = self._of_residents(topic.branch, message.payload)
                self._writer.neighbour(self._clock.monotonic_ns(), message.topic, payload)

    def _configured(self, writer: CaptureWriter, payload: bytes) -> None:
        try:
            config = wire.decode(payload, GatewayConfig)
        except wire.RejectedMessageError as error:
            # The gateway has raised its fault; the scene keeps what it has.
            _log.warning("config_not_captured", reason=error.reason)
            return
        self._tags = {each.device for each in config.wearables if each.is_carer}
        worn = [each for each in config.wearables if not each.is_carer]
        writer.enrolled(worn, config.zone, config.sensors)

    def _of_residents(self, branch: str, payload: bytes) -> bytes:
        """What a neighbour said without carers' tags: where staff were is never written."""
        if branch != topics.PRESENCE or not self._tags:
            return payload
        try:
            presence = wire.decode(payload, Presence)
        except wire.RejectedMessageError:
            return payload  # nobody can read it: it is played as it came
        return wire.encode(
            msgspec.structs.replace(
                presence,
                heard=self._without_tags(presence.heard),
                strengths={
                    name: self._without_tags(heard) for name, heard in presence.strengths.items()
                },
                movement_g=self._without_tags(presence.movement_g),
                low_battery=self._without_tags(presence.low_battery),
                distrusted=self._without_tags(presence.distrusted),
                unworn=[each for each in presence.unworn if each not in self._tags],
            )
        )

    def _without_tags(self, by_device: dict[str, T]) -> dict[str, T]:
        return {each: value for each, value in by_device.items() if each not in self._tags}

    # -- its life ------------------------------------------------------------------------------

    @property
    def has_begun(self) -> bool:
        """Whether the gateway has its radio."""
        return self._begun.is_set()

    async def begun(self) -> None:
        """Wait until the gateway has its radio."""
        await self._begun.wait()

    async def keep(self) -> None:
        """Write to the disk until cancelled; raises `CaptureError` when that ends by itself."""
        await self.begun()
        assert self._writer is not None
        assert self._clock is not None
        await self._writer.keep(self._clock)

    @property
    def seconds(self) -> float:
        """Since it began."""
        if self._writer is None or self._clock is None:
            return 0.0
        return ns_to_seconds(self._clock.monotonic_ns() - self._writer.scene.clock.monotonic_ns)

    def progress(self) -> str:
        """One line of counts."""
        counts = (self._writer.tally if self._writer is not None else Tally()).counts()
        return (
            f"{self.seconds:7.0f} s  {counts.adverts} adverts of {counts.devices} devices  "
            f"{counts.links} links  {counts.notifications} notifications"
        )

    async def close(self, reason: str) -> RecordReport:
        """End the capture and seal it.

        Raises
        ------
        CaptureError
            If it never began.
        """
        writer, clock = self._writer, self._clock
        if writer is None or clock is None:
            raise CaptureError("nothing was captured: the gateway ended before it had its radio")
        seconds = self.seconds
        lines = sorted(
            truth_lines(self._truth or (), writer.scene.time_zone), key=lambda line: line.at
        )
        sealed = None
        try:
            await writer.close(clock.monotonic_ns(), reason, lines)
            loop = asyncio.get_running_loop()
            sealed = await loop.run_in_executor(None, seal_capture, self._folder)
        except CaptureError as error:
            _log.error("capture_not_sealed", reason=str(error))
        return RecordReport(
            folder=str(self._folder),
            home=writer.scene.home,
            gateway=self._gateway,
            seconds=round(seconds, 3),
            ended=writer.failure or reason,
            complete=writer.failure is None,
            sealed=sealed is not None,
            wearables=len(writer.scene.wearables),
            truth=len(lines),
            counts=sealed.counts if sealed is not None else writer.tally.counts(),
            samples=sealed.samples if sealed is not None else {},
        )


def _enrolled(settings: Settings) -> list[WearableConfig]:
    """The wearables that the settings name."""
    return [
        WearableConfig(
            device=resident.device,
            address=resident.address,
            identity=resident.identity or 0,
            kind=resident.kind,
            resident=resident.id,
            placement=resident.placement,
            streaming=resident.streaming,
        )
        for resident in settings.residents
        if resident.device is not None and resident.address is not None
    ]
