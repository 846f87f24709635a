"""Reading a candidate's window: over as many links as it takes, from where the last one broke."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

import structlog

from contract.advert import MalformedPacketError, WearableAdvert
from contract.clock import Clock
from contract.gatt import WINDOW_UUID, Operation
from contract.packets import MAX_SAMPLES, decode_packet
from contract.protocols import LinkLostError, RadioLink
from contract.screen import GRID_HZ
from contract.units import NS_PER_S, ns_to_seconds, seconds_to_ns
from detectors.detection import Detection
from detectors.fall_excerpt import Excerpt
from detectors.fall_model import FallModel
from edge.calls import asked, closing
from edge.counters import Counts
from edge.decode import WearableDecoder
from edge.falls import Falls
from edge.links import PATIENCE_S, LinkPool
from edge.outbox_rows import Counter
from edge.slots import Need, Want
from edge.timebase import SessionTime
from edge.waiting import Backoff, WaitedTooLongError, within
from edge.wearables import Wearable
from edge.window import Window

_log = structlog.get_logger(__name__)

ATTEMPTS: Final = 6
FIRST_RETRY_S: Final = 0.5
LONGEST_RETRY_S: Final = 8.0
"""Attempts at one window: 0.5 + 1 + 2 + 4 + 8 s of waiting, and up to `CONNECT_LIMIT_S` each; a
neighbour that holds the wearable's only link is done with its window by then."""

ATTEMPTS_AT_OLDER: Final = 2
"""For a candidate that is not the newest: the wearable may have forgotten it, and the newest,
whose window overlaps, must not wait."""

FETCH_LIMIT_NS: Final = seconds_to_ns(25)
"""No new attempt after this, and no waiting for a free link, if nothing of the window has come: a
suspicion on the advert alone must reach alerts before a minute has passed since the impact."""

MEASURING_NS: Final = seconds_to_ns(1.5)
"""What the ring holds when a window is asked for comes within a second or so. After that the link
waits for what is being measured, up to 15 s, and may be of more use to somebody else: what it would
have brought is in the ring when it comes back."""

WAITS_KEPT: Final = 200
"""How long the latest windows took is told in the status: days of a home's."""

ASKS_PER_LINK: Final = 3
"""A packet that does not come when asked for so often on one link is not there: the wearable
measured nothing, or its ring has moved on."""

PACKET_LIMIT_S: Final = 5.0
"""Packets come each 0.5 to 0.76 s, also while the window is still being measured."""

MEASURED_LIMIT_S: Final = 1.0
"""After a suspicion only what is measured already is read, and nobody shall wait for it: its
packets come with the next connection events, some tens of milliseconds apart."""

PACKET_NS: Final = MAX_SAMPLES * NS_PER_S // GRID_HZ
"""The longest packet. So long after a moment the packet that holds it is measured."""


class Candidate(NamedTuple):
    """A candidate that this gateway looks after."""

    wearable: Wearable
    counter: Counter
    advert: WearableAdvert
    """The advert that told it first."""
    impact_ns: int
    """Monotonic, to about a second."""
    told_ns: int
    """When that advert came, monotonic."""

    @property
    def want(self) -> Want:
        """How much its window is needed: by the greatest |a| that was told of it."""
        peak_g = self.advert.candidate_peak_g
        now = self.wearable.advert
        if now is not None and now.candidate_counter == self.counter.counter:
            # It may have grown since the first advert.
            peak_g = max(peak_g, now.candidate_peak_g)
        return Want(Need.WINDOW, peak_g)

    @property
    def is_pending(self) -> bool:
        """Whether the wearable, as last heard, still asks about this or a later candidate."""
        advert = self.wearable.advert
        return (
            advert is not None
            and advert.candidate_pending
            and advert.boot_counter == self.counter.boot
        )


class _MadeWay(Exception):  # noqa: N818 - no error
    """The link was let go for a window of a greater impact; nothing of this one is lost."""


class WindowFetcher:
    """Reads windows and reports what their detector sees, as it sees it.

    Attributes
    ----------
    waits_s
        Of the latest windows, seconds from the advert that told of the candidate until the impact
        was on the grid.
    """

    def __init__(
        self,
        *,
        pool: LinkPool,
        clock: Clock,
        time: SessionTime,
        decoder: WearableDecoder,
        falls: Falls,
        counts: Counts,
        models: Callable[[str], FallModel],
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._time = time
        self._decoder = decoder
        self._falls = falls
        self._counts = counts
        self._models = models
        self.waits_s: deque[float] = deque(maxlen=WAITS_KEPT)

    def new_window(self, candidate: Candidate) -> Window:
        """A window of this candidate, into which nothing has come yet."""
        placement = candidate.wearable.config.placement
        return Window(candidate.impact_ns, placement, self._models)

    async def fetch(
        self,
        candidate: Candidate,
        window: Window,
        *,
        is_newest: bool,
        settle: Callable[[RadioLink], Awaitable[None]],
    ) -> bool:
        """Read the window of `candidate`, until a fall is suspected.

        Parameters
        ----------
        window
            Where it goes; nothing has come yet.
        is_newest
            Whether the wearable has made no candidate since.
        settle
            Called once there is a verdict, with the link that still stands.

        Returns
        -------
        bool
            Whether there is a verdict: a fall was suspected, or all of the window that exists
            was looked at.
        """
        backoff = Backoff(FIRST_RETRY_S, LONGEST_RETRY_S)
        until_ns = self._clock.monotonic_ns() + FETCH_LIMIT_NS
        attempts = ATTEMPTS if is_newest else ATTEMPTS_AT_OLDER
        while candidate.is_pending or backoff.attempts == 0:
            try:
                if await self._over_one_link(candidate, window, until_ns, settle):
                    return True
            except _MadeWay:
                self._counts["windows_made_way"] += 1
                continue
            except LinkLostError as error:
                self._note_interruption(candidate, window, error)
            attempts -= 1
            if attempts == 0:
                break
            await self._clock.sleep(backoff.next_s())
            if self._clock.monotonic_ns() > until_ns and not window.received:
                break
        # A fall was seen, and only the link was lost after it.
        return window.suspected

    def _note_interruption(
        self, candidate: Candidate, window: Window, error: LinkLostError
    ) -> None:
        self._counts["windows_interrupted"] += 1
        _log.info(
            "window_interrupted",
            device=candidate.wearable.device,
            counter=candidate.counter.counter,
            have=window.received,
            reason=str(error),
        )

    async def read_on(
        self, candidate: Candidate, window: Window, on_wanted: Callable[[], None]
    ) -> None:
        """Read what is to be shown of the falls that were seen in `window`, over one link; what
        comes is shown, also where not all does.

        Parameters
        ----------
        candidate, window
            Of which some was read.
        on_wanted
            Called when somebody's window waits for the link.

        Raises
        ------
        LinkLostError
            If there is no link, or it is lost.
        """
        try:
            async with self._pool.link(
                candidate.wearable, Want(Need.REST), on_wanted=on_wanted
            ) as link:
                await self._take_all(candidate, window, link, lambda: window.shows_all)
        finally:
            window.show()

    def is_measured(self, window: Window) -> bool:
        """Whether the wearable has measured all that is to be shown of the falls in `window`."""
        return self._time.grid_now_ns() >= window.shown_until_ns + PACKET_NS

    async def _over_one_link(
        self,
        candidate: Candidate,
        window: Window,
        until_ns: int,
        settle: Callable[[RadioLink], Awaitable[None]],
    ) -> bool:
        wearable, want = candidate.wearable, candidate.want
        left_s = ns_to_seconds(until_ns - self._clock.monotonic_ns())
        patience_s = PATIENCE_S if window.received else left_s
        async with self._pool.link(wearable, want, patience_s=patience_s) as link:
            measuring_ns = self._clock.monotonic_ns() + MEASURING_NS

            def make_way() -> None:
                is_measuring = self._clock.monotonic_ns() >= measuring_ns
                if is_measuring and self._pool.should_make_way(wearable, want):
                    raise _MadeWay

            for _ in range(ASKS_PER_LINK):
                if window.suspected or await self._ask(candidate, window, link, make_way):
                    break
            else:
                if not window.received:
                    return False
                # Asked for again and again over a link that stands: the rest does not exist.
                await self._look(candidate, window.finish())
            await settle(link)
            return True

    async def _ask(
        self,
        candidate: Candidate,
        window: Window,
        link: RadioLink,
        make_way: Callable[[], None],
    ) -> bool:
        """Ask for what is missing and take what comes; whether there is a verdict."""

        def is_enough() -> bool:
            # A fall that is suspected is suspected. More is read at once only where it costs
            # nothing: when it is there already, and not being measured while the link stands.
            if window.complete:
                return True
            if not window.suspected:
                make_way()
                return False
            return window.shows_all or not self.is_measured(window)

        await self._take_all(candidate, window, link, is_enough)
        if window.suspected and window.shows_all:
            window.show()
        if window.complete and not window.suspected:
            await self._look(candidate, window.finish())
        return window.complete or window.suspected

    async def _take_all(
        self,
        candidate: Candidate,
        window: Window,
        link: RadioLink,
        is_enough: Callable[[], bool],
    ) -> None:
        """Ask for what is missing, and take what comes until it is enough or nothing does."""
        packets = asked(
            self._clock,
            link,
            WINDOW_UUID,
            lambda: self._pool.write_on(
                link, Operation.REQUEST_WINDOW, candidate.counter.counter, window.first_missing
            ),
        )
        async with closing(packets, "a window"):
            while not is_enough():
                limit_s = MEASURED_LIMIT_S if window.suspected else PACKET_LIMIT_S
                try:
                    payload, arrival_ns = await within(
                        self._clock, limit_s, anext(packets), "a window packet"
                    )
                except StopAsyncIteration as error:
                    raise LinkLostError("the window ended early") from error
                except WaitedTooLongError:
                    return
                if await self._take(candidate, window, payload, arrival_ns):
                    return

    async def _take(
        self, candidate: Candidate, window: Window, payload: bytes, arrival_ns: int
    ) -> bool:
        """One packet of the window; whether it was the last that this request brings."""
        wearable = candidate.wearable
        try:
            packet = decode_packet(payload)
            if packet.candidate_counter != candidate.counter.counter:
                raise MalformedPacketError("a window packet of another candidate")
            is_new = window.add(packet, wearable.time, self._time)
        except MalformedPacketError as error:
            self._decoder.reject_packet(wearable, str(error), arrival_ns)
            return False
        if is_new:
            self._note_wait(candidate, window)
            await self._look(candidate, window.advance())
        return packet.number == packet.total - 1

    def _note_wait(self, candidate: Candidate, window: Window) -> None:
        """With the packet that brings the impact."""
        if not window.holds_impact and window.newest_ns >= self._time.grid_ns(candidate.impact_ns):
            window.holds_impact = True
            self.waits_s.append(ns_to_seconds(self._clock.monotonic_ns() - candidate.told_ns))

    async def _look(self, candidate: Candidate, seen: Sequence[tuple[Detection, Excerpt]]) -> None:
        """Report what the window's detector has found so far."""
        for detection, excerpt in seen:
            await self._falls.report(
                candidate.wearable, detection, candidate=candidate.counter, excerpt=excerpt
            )
