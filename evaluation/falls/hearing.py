"""Trials through a gateway: the one that runs in homes, with a radio, a clock and a far end
that are simulated.

A few trials are worn side by side, each by a wearable of its own, and every such group gets a new
gateway: no state goes from one trial to the next. How many stand side by side is what the gateway
serves without letting any of them wait (held streams, links).
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from contract.clock import VirtualClock
from contract.events import Event, EventKind
from contract.ids import seeded_ids
from contract.messages import MESSAGE_SCHEMA, GatewayConfig
from contract.units import NS_PER_US, US_PER_S, ns_to_seconds
from detectors.confirmation import CONFIRM_AFTER_S
from detectors.fall_model import load_model
from edge import Gateway, LogSiren
from edge.links import MAX_LINKS, MAX_STREAMS
from edge.pipeline import SUMMARY_LATENESS_S
from evaluation.falls.far_end import SESSION, FarEnd
from evaluation.falls.models import Load
from evaluation.falls.stress import Stress
from evaluation.falls.worn import Worn, begin_ns, make_config
from evaluation.trials import PlayedTrial, Trial, play

HOME: Final = "evaluation"
GATEWAY: Final = "evaluation"

Transport = Literal["stream", "window"]

SIDE_BY_SIDE: Final[dict[Transport, int]] = {"stream": MAX_STREAMS, "window": MAX_LINKS}
"""Trials that one gateway plays at a time: as many as it holds streams or links for."""

BEFORE_S: Final = 15.0
"""Rest before a trial. A window reaches 10 s back (`contract.screen.WINDOW_BEFORE_S`), a held link
stands within two seconds of the first advert, and filters settle within one."""

AFTER_S: Final = 22.0
"""Rest after a trial: a window reaches 15 s past its candidate, and a suspicion is there 5 s after
the impact; with lost packets some seconds later."""

MEMORY: Final = Path("/dev/shm")  # noqa: S108 - files of a gateway that is gone with its trials
"""Where the gateways' files are put, if it is there: thousands of small commits of outboxes that
nobody will read again are not to wait for a disk."""

UNTIL_DECIDED_S: Final = CONFIRM_AFTER_S + SUMMARY_LATENESS_S + 5.0
"""While a suspicion is open, rest goes on for so long after its impact: to the confirmation, with
the lateness of summaries and the seconds between ticks."""

_SAID: Final = (
    EventKind.FALL_SUSPECTED,
    EventKind.FALL_DETECTED,
    EventKind.MAY_HAVE_GOT_UP,
    EventKind.LONG_LIE,
)


class Said(NamedTuple):
    """One event about a fall. Times are seconds after the trial's first sample."""

    kind: EventKind
    impact_s: float
    emitted_s: float
    score: float | None
    """Of the suspicion that it comes from; None where there was none."""
    fall_id: str | None


class Heard(NamedTuple):
    """What the gateway said of one trial."""

    trial: Trial
    """As it was recorded, not as it was made worse."""
    said: list[Said]
    faults: frozenset[str]
    """Causes of the faults that were raised about its wearable."""


def hear(
    trials: Sequence[Trial],
    transport: Transport,
    *,
    stress: Stress | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    models: Load = load_model,
) -> list[Heard]:
    """Play all trials, and return what was said of each, in their order.

    Parameters
    ----------
    trials
        Those of similar length are played together; nothing of their labels is looked at.
    transport
        ``stream``: a held link with all samples; ``window``: adverts with summaries, and on a
        candidate its window.
    stress
        What is to be worse than recorded.
    seed
        Of the noise before and after each trial, and of the air.
    progress
        Told how many of how many are done.
    models
        Gives the model of a placement; default those that ship.
    """
    stress = stress or Stress()
    order = sorted(range(len(trials)), key=lambda number: trials[number].duration_s)
    heard: dict[int, Heard] = {}
    for numbers in _batches(order, SIDE_BY_SIDE[transport]):
        group = [trials[number] for number in numbers]
        name = f"{seed}/{numbers[0]}"
        played = _Group(group, transport, stress, seed=seed, name=name, models=models).play()
        heard |= zip(numbers, played, strict=True)
        if progress is not None:
            progress(len(heard), len(trials))
    return [heard[number] for number in range(len(trials))]


def _batches(order: Iterable[int], size: int) -> Iterator[tuple[int, ...]]:
    rest = iter(order)
    while batch := tuple(itertools.islice(rest, size)):
        yield batch


class _Group:
    """Trials that are worn side by side."""

    def __init__(
        self,
        trials: Sequence[Trial],
        transport: Transport,
        stress: Stress,
        *,
        seed: int,
        name: str,
        models: Load,
    ) -> None:
        self._trials = trials
        self._models = models
        self._stress = stress
        self._seed = seed
        self._name = name
        self._measured = [stress.apply(trial) for trial in trials]
        longest_s = max(trial.duration_s for trial in self._measured)
        self._least_s = math.ceil(BEFORE_S + longest_s + AFTER_S) + 1
        most_s = math.ceil(BEFORE_S + longest_s + max(AFTER_S, UNTIL_DECIDED_S)) + 1
        self._played = [
            play(
                trial.samples_g,
                trial.rate_hz,
                trial.rng(seed),
                from_ns=0,
                before_s=BEFORE_S,
                after_s=most_s - BEFORE_S - trial.duration_s,
            )
            for trial in self._measured
        ]
        self._configs = [
            make_config(number, trial.placement, streaming=transport == "stream")
            for number, trial in enumerate(trials)
        ]
        self._clock = VirtualClock()
        self._begun_ns = self._clock.now_ns()
        self._far_end = FarEnd(HOME, GATEWAY, self._clock)

    def play(self) -> list[Heard]:
        """What was said of each trial."""
        self._clock.run(self._play())
        return [
            Heard(
                trial,
                [
                    said
                    for event in self._far_end.events
                    if event.device == config.device and event.kind in _SAID
                    if _is_of(said := self._placed(event, played), measured)
                ],
                frozenset(
                    str(each.cause)
                    for each in self._far_end.faults
                    if each.device == config.device and each.kind is EventKind.FAULT
                ),
            )
            for trial, measured, played, config in zip(
                self._trials, self._measured, self._played, self._configs, strict=True
            )
        ]

    async def _play(self) -> None:
        worn = Worn(
            self._clock,
            self._configs,
            self._played,
            [trial.rate_hz for trial in self._measured],
            seeds=[f"{self._seed}/{trial.dataset}/{trial.trial}" for trial in self._trials],
            air=self._name,
            loss=self._stress.loss,
        )
        memory = MEMORY if os.access(MEMORY, os.W_OK) else None
        with tempfile.TemporaryDirectory(prefix="wardlight-", dir=memory) as folder:
            gateway = Gateway(
                home=HOME,
                name=GATEWAY,
                folder=Path(folder),
                clock=self._clock,
                ids=seeded_ids(self._clock, self._name),
                radio=self._stress.on_air(worn.radio, self._name),
                bus=self._far_end,
                siren=LogSiren(),
                boot=SESSION,
                session=SESSION,
                config=GatewayConfig(
                    schema=MESSAGE_SCHEMA, home=HOME, revision=0, wearables=self._configs
                ),
                models=self._models,
            )
            async with _background(gateway.run(), worn.run()):
                await self._clock.sleep(self._least_s)
                while self._is_open():
                    await self._clock.sleep(1.0)

    def _is_open(self) -> bool:
        """Whether a suspicion may still be confirmed or taken back."""
        suspected, decided = {}, set()
        for event in self._far_end.events:
            if event.kind is EventKind.FALL_SUSPECTED:
                suspected[event.fall_id] = event.at_us
            else:
                decided.add(event.fall_id)
        since_us = self._clock.now_ns() // NS_PER_US - UNTIL_DECIDED_S * US_PER_S
        return any(suspected[each] > since_us for each in suspected.keys() - decided)

    def _placed(self, event: Event, played: PlayedTrial) -> Said:
        shift_ns = int(played.t_ns[0]) - begin_ns(played)
        start_ns = self._begun_ns + played.start_ns - shift_ns
        return Said(
            kind=event.kind,
            impact_s=ns_to_seconds(event.at_us * NS_PER_US - start_ns),
            emitted_s=ns_to_seconds(event.emitted_at_us * NS_PER_US - start_ns),
            score=event.evidence.score if event.evidence is not None else None,
            fall_id=event.fall_id,
        )


def _is_of(said: Said, trial: Trial) -> bool:
    """Whether this would have been said, too, had no longer trial been played beside this one.

    Beside a long trial a short one rests until that one's end. Who rests for minutes after a fall
    is a long lie, but the rest is padding.
    """
    return said.kind is not EventKind.LONG_LIE or said.emitted_s <= trial.duration_s + AFTER_S


@asynccontextmanager
async def _background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these beside the body, and end them with it; if one fails, so does the body."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(each) for each in work]
        yield
        for task in running:
            task.cancel()
