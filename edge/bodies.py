"""Wearables of other makers: what they say, in their adverts and over links that are held for it,
goes the same ways as what our own say.

Most of them say nothing of their wearer in an advert, and do not advertise while they are linked:
so a link is held to each of them by the nearest gateway, and whatever comes over it shows that they
are heard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from contract.advert import MalformedPacketError, WearableAdvert
from contract.clock import Clock
from contract.devices import WearableDecoder as BodyDecoder
from contract.events import FaultCause
from contract.messages import WearableConfig
from contract.protocols import HeardAdvert, RadioLink
from edge.decode import Registry, UnusableKindError, WearableDecoder
from edge.faults import FaultBook
from edge.pipeline import Pipeline
from edge.wearables import OWN_KIND, Roster, Wearable

_log = structlog.get_logger(__name__)

_NEVER_S: Final = 255

NOTHING_SAID: Final = WearableAdvert(
    identity=0,
    boot_counter=0,
    second=0,
    mean_g=(0.0, 0.0, 0.0),
    min_g=0.0,
    max_g=0.0,
    deviation_g=0.0,
    battery_percent=None,
    worn=None,
    charging=False,
    saturated=False,
    candidate_counter=0,
    candidate_pending=False,
    candidate_age_s=_NEVER_S,
    candidate_peak_g=0.0,
    button_counter=0,
    button_pending=False,
    heart_rate_bpm=None,
)
"""What is known of a wearable that has said nothing. Battery, wear and heart rate of other makers'
are kept in the words of our own advert, which is where everybody looks; its summary, its second and
its counters say nothing of them."""


class BodySink:
    """Takes what one wearable says; a `contract.devices.WearableSink`."""

    def __init__(
        self, wearable: Wearable, clock: Clock, pipeline: Pipeline, own: WearableDecoder
    ) -> None:
        self._wearable = wearable
        self._clock = clock
        self._pipeline = pipeline
        self._own = own
        self.on_alive: Callable[[], None] | None = None
        """Called when what the link is held for came."""

    def motion(
        self, samples_g: NDArray[np.float32], rate_hz: float, device_ns: int, arrival_ns: int
    ) -> None:
        reason = self._pipeline.push_samples(
            self._wearable, device_ns, rate_hz, samples_g, arrival_ns
        )
        if reason is not None:
            self.rejected(reason, arrival_ns)
            return
        self._wearable.speak(arrival_ns)
        self._is_of_use()

    def heart_rate(
        self, beats_per_minute: int | None, is_in_contact: bool | None, arrival_ns: int
    ) -> None:
        rate = beats_per_minute if is_in_contact is not False else None
        if rate is not None:
            self._pipeline.wear.note_pulse(self._wearable.row)
        self._wearable.pulse = 0 if rate is None else rate
        self._wearable.pulse_ns = arrival_ns
        self._say(heart_rate_bpm=rate, worn=is_in_contact)
        self._speak(arrival_ns)
        if self._wearable.stream_row is None:
            self._is_of_use()

    def battery(self, percent: int) -> None:
        # Read as a link begins: it shows that the link lives, not yet that it is of use.
        self._say(battery_percent=percent)
        self._speak(self._clock.monotonic_ns())

    def described(self, model: str) -> None:
        if self._wearable.model != model:
            self._wearable.model = model
            _log.info("wearable_described", device=self._wearable.device, model=model)

    def rejected(self, reason: str, arrival_ns: int) -> None:
        self._own.reject_packet(self._wearable, reason, arrival_ns)

    def _say(self, **changes: object) -> None:
        before = self._wearable.advert or NOTHING_SAID
        self._wearable.advert = msgspec.structs.replace(before, **changes)

    def _speak(self, arrival_ns: int) -> None:
        """Something but motion came. Where motion is wanted, its want is not hidden by it."""
        self._wearable.speak(arrival_ns)
        if self._wearable.stream_row is None:
            self._wearable.sampled_ns = arrival_ns

    def _is_of_use(self) -> None:
        if self.on_alive is not None:
            self.on_alive()


class Bodies:
    """The enrolled wearables of other makers, each with its decoder.

    Parameters
    ----------
    own
        Who counts what cannot be read, and says so when it is much.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        roster: Roster,
        registry: Registry,
        pipeline: Pipeline,
        own: WearableDecoder,
        faults: FaultBook,
    ) -> None:
        self._clock = clock
        self._roster = roster
        self._registry = registry
        self._pipeline = pipeline
        self._own = own
        self._faults = faults
        self._read: dict[str, _Body] = {}
        """By device."""
        self._by_address: dict[str, _Body] = {}
        self._unusable: dict[str, str] = {}
        """By device, why it cannot be read."""

    @property
    def addresses(self) -> Iterable[str]:
        """Whose adverts are to come here (`edge.listener.Ear`)."""
        return self._by_address

    def follow(self) -> None:
        """Follow a configuration that has come into force. A decoder stays as it is for as long as
        its wearable is enrolled in the same way.
        """
        read: dict[str, _Body] = {}
        self._unusable.clear()
        for wearable in self._roster:
            if wearable.config.kind == OWN_KIND:
                continue
            body = self._read.get(wearable.device)
            if body is None or not body.serves(wearable):
                try:
                    decoder = self._registry.wearable(wearable.config)
                except UnusableKindError as error:
                    self._unusable[wearable.device] = str(error)
                    continue
                body = _Body(
                    wearable, decoder, BodySink(wearable, self._clock, self._pipeline, self._own)
                )
            read[wearable.device] = body
        self._read = read
        self._by_address = {body.wearable.address: body for body in read.values()}

    async def check(self) -> None:
        """Say which of them cannot be read as they are configured; the others are watched."""
        for wearable in list(self._roster):
            reason = self._unusable.get(wearable.device)
            if reason is not None:
                await self._faults.raise_fault(FaultCause.CONFIG_REJECTED, reason, wearable)
            elif wearable.device in self._read:
                detail = f"{wearable.device} can be read"
                await self._faults.clear(FaultCause.CONFIG_REJECTED, detail, wearable)

    async def hear(self, heard: HeardAdvert) -> None:
        """Take in an advert of one of them."""
        body = self._by_address.get(heard.address)
        if body is None:
            return
        body.wearable.hear(heard.rssi_dbm, heard.received_ns, heard.receiver)
        try:
            body.decoder.advert(heard, body.sink)
        except MalformedPacketError as error:
            body.sink.rejected(str(error), heard.received_ns)

    def reads(self, wearable: Wearable) -> bool:
        """Whether it is of another maker, and can be read: then a link is to be held to it."""
        return wearable.device in self._read

    async def hold(self, wearable: Wearable, link: RadioLink, on_alive: Callable[[], None]) -> None:
        """Use a held link until it is lost.

        Parameters
        ----------
        on_alive
            Called when what the link is held for comes.

        Raises
        ------
        LinkLostError
            When the link is gone, or of no use.
        """
        body = self._read[wearable.device]
        body.sink.on_alive = on_alive
        try:
            await body.decoder.hold(link, body.sink, self._clock)
        finally:
            body.sink.on_alive = None


class _Body:
    """One wearable with what reads it."""

    __slots__ = ("_enrolled", "decoder", "sink", "wearable")

    def __init__(self, wearable: Wearable, decoder: BodyDecoder, sink: BodySink) -> None:
        self.wearable = wearable
        self.decoder = decoder
        self.sink = sink
        self._enrolled = _enrolment(wearable.config)

    def serves(self, wearable: Wearable) -> bool:
        return self.wearable is wearable and self._enrolled == _enrolment(wearable.config)


def _enrolment(config: WearableConfig) -> tuple[str, str | None, bool]:
    """What a decoder may have been made by."""
    return config.kind, config.key, config.streaming
