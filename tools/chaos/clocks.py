"""Wall clocks that are wrong, for gateways: a Pi has no battery for its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from contract.clock import Clock
from contract.protocols import Radio
from contract.units import NS_PER_MS, seconds_to_ns

if TYPE_CHECKING:
    from firmware_sim import TruthEntry

_LOOK_NS: Final = 100 * NS_PER_MS
"""How often the file is looked at."""


def set_wrong(path: Path, seconds: float, *, synced: bool) -> None:
    """Move the wall clock of whoever lives by this file, at once and as a whole."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"seconds": seconds, "synced": synced}))
    new.replace(path)


class WrongClock:
    """A clock whose wall time is off by what a file says; implements `contract.clock.Clock`.

    Parameters
    ----------
    right
        The clock that it goes by.
    path
        As `set_wrong` writes it; what is not there is right.
    """

    def __init__(self, right: Clock, path: Path) -> None:
        self.right = right
        self._path = path
        self._off_ns = 0
        self._synced = True
        self._looked_ns = -_LOOK_NS

    def now_ns(self) -> int:
        self._look()
        return self.right.now_ns() + self._off_ns

    def monotonic_ns(self) -> int:
        return self.right.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await self.right.sleep(seconds)

    def synced(self) -> bool:
        self._look()
        return self._synced

    def _look(self) -> None:
        moment_ns = self.right.monotonic_ns()
        if moment_ns - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = moment_ns
        try:
            said = json.loads(self._path.read_text())
        except FileNotFoundError:
            return
        self._off_ns = seconds_to_ns(said["seconds"])
        self._synced = bool(said["synced"])


def run_gateway_with_wrong_clock(config: Path, wall: Path) -> int:
    """``wardlight gateway --config …``, but for its clock; its exit status."""
    from wardlight.options import settings_of
    from wardlight.services import clock_of, run_gateway, run_until_stopped

    settings = settings_of(config, "info")
    clock = WrongClock(clock_of(settings), wall)

    def on_right_clock(_radio: Radio, _clock: Clock, _truth: Sequence[TruthEntry]) -> Radio:
        # The simulated air tells its times as wall time, which must not be off with ours.
        from wardlight.air import RemoteRadio

        assert settings.gateway.radio_socket is not None, "chaos sets it"
        return RemoteRadio(settings.gateway.radio_socket, settings.gateway.name, clock.right)

    return run_until_stopped(partial(run_gateway, wrap_radio=on_right_clock, clock=clock), settings)
