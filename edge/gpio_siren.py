"""A relay, bell or beacon on a pin of the Raspberry Pi, through gpiozero (extra ``gpio``).

Each tone has a rhythm of its own. The rhythm runs on our clock and stops by itself when nobody
asks for it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog

from contract.clock import Clock
from contract.messages import Tone
from contract.units import seconds_to_ns

_log = structlog.get_logger(__name__)


class Rhythm(NamedTuple):
    """Seconds on and seconds off, in turn."""

    on_s: float
    off_s: float


RHYTHMS: Final[Mapping[Tone, Rhythm]] = {
    # Once a second, half on: urgent, and slow enough for a bell's striker and a relay.
    Tone.ALARM: Rhythm(0.5, 0.5),
    # A short stroke every two seconds: nobody takes it for the alarm.
    Tone.SYSTEM_DOWN: Rhythm(0.2, 1.8),
    Tone.TEST: Rhythm(0.2, 0.3),
}

HOLDS_NS: Final = seconds_to_ns(5)
"""`sound` comes once a second; five missed, and the gateway has stalled: it must not ring on."""


class Output(Protocol):
    """What we need of `gpiozero.DigitalOutputDevice`."""

    def on(self) -> None:
        """Draw the relay."""
        ...

    def off(self) -> None:
        """Let it go."""
        ...

    def close(self) -> None:
        """Give the pin back."""
        ...


def open_pin(pin: int, *, active_high: bool) -> Output:
    """The pin of this number (Broadcom's numbering, as gpiozero counts), off.

    Raises
    ------
    ImportError
        If gpiozero is not installed.
    Exception
        Whatever gpiozero or its pin library raises where there is no such pin.
    """
    from gpiozero import DigitalOutputDevice  # only where a pin is set

    output: Output = DigitalOutputDevice(pin, active_high=active_high, initial_value=False)
    return output


class GpioSiren:
    """Switches a pin in the rhythm of the tone.

    Parameters
    ----------
    pin
        Broadcom's number, 0 to 27.
    clock
        Beats the rhythm.
    active_high
        Whether the pin's high level sounds; relay boards with an opto-coupler often want low.
    open_output
        Opens the pin; a pin that cannot be opened is tried again at each call.
    """

    def __init__(
        self,
        pin: int,
        clock: Clock,
        *,
        active_high: bool = True,
        open_output: Callable[..., Output] = open_pin,
    ) -> None:
        self._pin = pin
        self._clock = clock
        self._active_high = active_high
        self._open_output = open_output
        self._output: Output | None = None
        self._asked_ns = clock.monotonic_ns()
        self._tone: Tone | None = None
        self._beating: asyncio.Task[None] | None = None
        self.troubles: tuple[str, ...] = ()
        self._open()

    async def sound(self, tone: Tone, reason: str, volume_percent: int) -> None:
        """A bell knows no volume but none."""
        if volume_percent <= 0:
            await self.quiet()
            return
        self._asked_ns = self._clock.monotonic_ns()
        if self._output is None and not self._open():
            return
        if self._tone is tone and self._beating is not None and not self._beating.done():
            return
        await self.quiet()
        self._tone = tone
        self._beating = asyncio.create_task(self._beat(RHYTHMS[tone]))

    async def quiet(self) -> None:
        beating, self._beating, self._tone = self._beating, None, None
        if beating is not None:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
        self._switch(on=False)

    async def _beat(self, rhythm: Rhythm) -> None:
        try:
            while self._clock.monotonic_ns() - self._asked_ns < HOLDS_NS:
                self._switch(on=True)
                await self._clock.sleep(rhythm.on_s)
                self._switch(on=False)
                await self._clock.sleep(rhythm.off_s)
        finally:
            self._switch(on=False)

    def _open(self) -> bool:
        try:
            self._output = self._open_output(self._pin, active_high=self._active_high)
        except ImportError as error:
            self._fail(f"{error.name} is not installed (pip install 'wardlight[gpio]')")
        except Exception as error:  # noqa: BLE001 - each pin library raises its own
            self._fail(f"{type(error).__name__}: {error}")
        else:
            self.troubles = ()
            return True
        return False

    def _switch(self, *, on: bool) -> None:
        if self._output is None:
            return
        try:
            if on:
                self._output.on()
            else:
                self._output.off()
        except Exception as error:  # noqa: BLE001 - as above; opened anew at the next call
            self._fail(f"{type(error).__name__}: {error}")
            self._let_go()

    def _let_go(self) -> None:
        output, self._output = self._output, None
        try:
            if output is not None:
                output.close()
        except Exception:  # noqa: BLE001 - as above, and nothing is left to be done
            _log.exception("gpio_pin_not_closed", pin=self._pin)

    def _fail(self, why: str) -> None:
        told = f"the siren on pin {self._pin} is silent: {why}"
        if (told,) != self.troubles:
            _log.error("gpio_siren_failed", pin=self._pin, reason=why)
        self.troubles = (told,)
