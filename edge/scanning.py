"""What links cost: adverts that an adapter hears while it holds some, against without.

A link that is held open has starved the scan of whole homes (batmon-ha #376, FIELD).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple, Protocol, runtime_checkable

from contract.protocols import Radio
from contract.units import NS_PER_S, seconds_to_ns

SPAN_NS: Final = seconds_to_ns(10)
"""Adverts are counted over so long: some tens of a home's, and shorter than most links."""

WITHOUT_SPANS: Final = 60
"""Ten minutes without a link, however long ago: with streams that are held all day there is none
but after the start and while they rest."""
WITH_SPANS: Final = 12
"""Two minutes with links: what is judged."""
LEAST_SPANS: Final = 6
"""A minute of either, or nothing is said."""

STARVED_SHARE: Final = 0.5
"""Of the adverts that are heard without links. A wearable says each second twice; below half of
that whole seconds are lost, and with them the first word of a fall."""
BADLY_STARVED_SHARE: Final = 0.25
"""Below this a stream that stands is let go as well."""

LEAST_RATE: Final = 0.2
"""Adverts per second and wearable without links; a home that is heard less has another trouble."""
LEAST_WEARABLES: Final = 3
"""With fewer in reach one that walks away looks like half of the air."""

REST_S: Final = 300.0
"""How long no stream is begun then. Long enough to hear without them, and to see whether it was
they."""

ALL: Final = ""
"""In the place of an adapter's name: the radio as a whole."""


class AdapterLoad(NamedTuple):
    """What an adapter has done since its start."""

    adapter: str
    heard: int
    """Adverts."""
    links: int
    """That stand now."""


@runtime_checkable
class TellsLoads(Protocol):
    """A radio that knows of each of its adapters what it hears."""

    def loads(self) -> Sequence[AdapterLoad]:
        """One for each adapter that works."""
        ...


def loads_of(radio: Radio, heard: int, links: int) -> Sequence[AdapterLoad]:
    """Of each adapter, or of the radio as a whole where it does not tell them apart.

    Parameters
    ----------
    heard, links
        Of all of it.
    """
    told = radio.loads() if isinstance(radio, TellsLoads) else ()
    return told or [AdapterLoad(ALL, heard, links)]


class Starved(NamedTuple):
    """An adapter that links keep from hearing. Adverts are per second."""

    adapter: str
    with_links: float
    without: float

    @property
    def share(self) -> float:
        """Of what it hears without links."""
        return self.with_links / self.without

    @property
    def is_bad(self) -> bool:
        """Whether it is better to let a stream go."""
        return self.share < BADLY_STARVED_SHARE

    def words(self) -> str:
        """One sentence for who looks after gateways."""
        who = f"adapter {self.adapter}" if self.adapter else "the radio"
        return (
            f"{who} hears {self.with_links:.1f} adverts a second while links stand, "
            f"{self.without:.1f} without ({self.share:.0%}): streams rest for "
            f"{REST_S / 60:.0f} min; give this gateway another adapter, or fewer streams"
        )


class _Adapter:
    """The latest spans of one adapter, as adverts per second and wearable."""

    def __init__(self, heard: int) -> None:
        self.heard = heard
        self.links_seen: set[bool] = set()
        self.without: deque[float] = deque(maxlen=WITHOUT_SPANS)
        self.with_links: deque[float] = deque(maxlen=WITH_SPANS)


class ScanWatch:
    """Counts and compares. Adverts are counted by wearable in reach, so that people who come and go
    in the meantime change nothing.
    """

    def __init__(self) -> None:
        self._adapters: dict[str, _Adapter] = {}
        self._span_ns: int | None = None
        self._wearables = 0

    def note(self, loads: Sequence[AdapterLoad], wearables: int, now_ns: int) -> list[Starved]:
        """Called every second or few.

        Parameters
        ----------
        loads
            Of each adapter.
        wearables
            How many are in reach of the gateway.

        Returns
        -------
        list of Starved
            Who is, by two minutes in which links stood; each is judged anew after that.
        """
        for load in loads:
            adapter = self._adapters.setdefault(load.adapter, _Adapter(load.heard))
            adapter.links_seen.add(load.links > 0)
        if self._span_ns is None:
            self._span_ns = now_ns
        if now_ns - self._span_ns < SPAN_NS:
            return []
        seconds = (now_ns - self._span_ns) / NS_PER_S
        self._span_ns, self._wearables = now_ns, wearables
        for name in self._adapters.keys() - {load.adapter for load in loads}:
            del self._adapters[name]
        starved = []
        for load in loads:
            adapter = self._adapters[load.adapter]
            self._end_span(adapter, load.heard, wearables, seconds)
            found = self._judge(load.adapter, adapter)
            if found is not None:
                starved.append(found)
                adapter.with_links.clear()
        return starved

    def _end_span(self, adapter: _Adapter, heard: int, wearables: int, seconds: float) -> None:
        came, adapter.heard = heard - adapter.heard, heard
        seen, adapter.links_seen = adapter.links_seen, set()
        if wearables < LEAST_WEARABLES or came < 0 or len(seen) != 1:
            # A span in which links came or went says something of neither.
            return
        rate = came / seconds / wearables
        (adapter.with_links if seen == {True} else adapter.without).append(rate)

    def _judge(self, name: str, adapter: _Adapter) -> Starved | None:
        if len(adapter.with_links) < WITH_SPANS or len(adapter.without) < LEAST_SPANS:
            return None
        with_links, without = median(adapter.with_links), median(adapter.without)
        if without < LEAST_RATE or with_links >= STARVED_SHARE * without:
            return None
        return Starved(name, with_links * self._wearables, without * self._wearables)

    def counts(self) -> dict[str, float]:
        """For the status: adverts a second with and without links, where that is known."""
        told: dict[str, float] = {}
        for name, adapter in sorted(self._adapters.items()):
            of = f": {name}" if name else ""
            for what, spans in (
                ("adverts_per_s_with_links", adapter.with_links),
                ("adverts_per_s_without_links", adapter.without),
            ):
                if len(spans) >= LEAST_SPANS:
                    told[f"{what}{of}"] = round(median(spans) * self._wearables, 1)
        return told
