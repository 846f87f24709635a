"""Slots for links: an adapter holds few, so whoever waits for one waits in order of need."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import IntEnum
from itertools import count
from typing import Final, NamedTuple

KEPT_FREE: Final = 2
"""Slots that streams never take: they are held all day, and a window must not wait for one to end.
Two, so that a window that is being measured (up to 15 s) does not keep a write-back waiting."""


class Need(IntEnum):
    """What a link is wanted for; the lowest goes first."""

    WINDOW = 0
    """Somebody may have fallen."""
    WRITE = 1
    """To write a counter back, or to let a wearer feel that help is coming: one write."""
    REST = 2
    """What is only shown to people; lets go when a window waits."""
    STREAM = 3
    """Held all day. While it is down the adverts go on, so it can wait for everything else."""


class Want(NamedTuple):
    """Who waits: the need, and among windows the greatest impact first."""

    need: Need
    peak_g: float = 0.0
    """For a window: greatest |a| of its candidate, as in the advert."""

    @property
    def order(self) -> tuple[int, float]:
        """Smaller goes first; who came first goes first among equals."""
        return self.need, -self.peak_g


class Slot:
    """A place in the queue, and once it is granted a slot; given back by `SlotQueue.release`."""

    __slots__ = ("_granted", "number", "on_wanted", "want")

    def __init__(self, want: Want, number: int, on_wanted: Callable[[], None] | None) -> None:
        self.want = want
        self.number = number
        """By age."""
        self.on_wanted = on_wanted
        self._granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_granted(self) -> bool:
        """Whether it is held now."""
        return self._granted.done() and not self._granted.cancelled()

    @property
    def is_given_up(self) -> bool:
        """Whether who waited was cancelled, and has not left the queue yet."""
        return self._granted.cancelled()

    def grant(self) -> None:
        """Let who waits go on."""
        self._granted.set_result(None)

    async def granted(self) -> None:
        """Wait until it is held."""
        await self._granted


class SlotQueue:
    """Gives slots in order of need; knows no clock, and loses none to whoever is cancelled.

    Parameters
    ----------
    total
        How many there are at the moment: adapters come and go.
    """

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._waiting: list[Slot] = []
        self._held: list[Slot] = []
        self._numbers = count()

    @property
    def held(self) -> int:
        """Slots that are taken."""
        return len(self._held)

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    def enter(self, want: Want, on_wanted: Callable[[], None] | None = None) -> Slot:
        """Stand in the queue. Whoever enters must `release`, whether it was granted or not.

        Parameters
        ----------
        want
            What for.
        on_wanted
            Called, at most once, when a window waits for the slot that this one holds.
        """
        slot = Slot(want, next(self._numbers), on_wanted)
        self._waiting.append(slot)
        self.look()
        return slot

    def hurry(self, slot: Slot, want: Want) -> None:
        """Somebody with another need waits for the same link: the greater need counts."""
        if not slot.is_granted and want.order < slot.want.order:
            slot.want = want
            self.look()

    def release(self, slot: Slot) -> None:
        """Give it back, or leave the queue; a second time does nothing."""
        if slot in self._held:
            self._held.remove(slot)
        elif slot in self._waiting:
            self._waiting.remove(slot)
        else:
            return
        self.look()

    def beats(self, want: Want) -> bool:
        """Whether a window of a greater impact than `want` waits for a slot."""
        return any(each.want.order < want.order for each in self._waiting)

    def room_for_streams(self) -> int:
        """How many streams that asked now would be given a slot at once."""
        if self._waiting:
            return 0
        total = self._total()
        return max(min(total - len(self._held), most_streams(total) - self._streams), 0)

    def look(self) -> None:
        """Give what is free to whoever is next; to be called when the total has changed."""
        waiting = [each for each in self._waiting if not each.is_given_up]
        for slot in sorted(waiting, key=lambda each: (each.want.order, each.number)):
            # A stream that may not have one stands behind all others: nobody is passed over.
            if not self._is_free_for(slot.want.need):
                break
            self._waiting.remove(slot)
            self._held.append(slot)
            slot.grant()
        self._ask_back()

    def _is_free_for(self, need: Need) -> bool:
        total = self._total()
        if len(self._held) >= total:
            return False
        return need is not Need.STREAM or self._streams < most_streams(total)

    @property
    def _streams(self) -> int:
        return sum(each.want.need is Need.STREAM for each in self._held)

    def _ask_back(self) -> None:
        """Where windows wait, ask as many slots back from those who can do without."""
        windows = sum(each.want.need is Need.WINDOW for each in self._waiting)
        askable = [
            each
            for each in self._held
            if each.on_wanted is not None and each.want.need is not Need.WINDOW
        ]
        for slot in askable[:windows]:
            on_wanted, slot.on_wanted = slot.on_wanted, None
            if on_wanted is not None:
                on_wanted()


def most_streams(total: int) -> int:
    """How many of `total` slots streams may hold: of very few half, and never the only one."""
    return max(total - KEPT_FREE, total // 2)
