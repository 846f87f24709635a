"""The demo's radios as a real gateway has them: bleak's BlueZ backend, over D-Bus, on our own fake
of BlueZ (`firmware_sim.bluez`). Each gateway has an adapter of its own.
"""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from contract.clock import Clock
from contract.protocols import Radio
from edge.radio.bluez import BluezRadio
from firmware_sim.bluez import FakeBluez, HomeOnAir
from firmware_sim.radio import SimulatedRadio

BUS_VARIABLE = "DBUS_SYSTEM_BUS_ADDRESS"
"""Where bleak looks for BlueZ."""


@asynccontextmanager
async def radios_on_bluez(
    simulated: Mapping[str, Callable[[], SimulatedRadio]], clock: Clock
) -> AsyncIterator[Mapping[str, Callable[[], Radio]]]:
    """Put what each gateway would hear on an adapter, and hear that.

    Raises
    ------
    NoBusError
        If there is no dbus-daemon.
    """
    # On a machine without Bluetooth it misses tools, and at the end the bus: neither is news here.
    logging.getLogger("bleak.backends.bluezdbus").setLevel(logging.ERROR)
    adapters = {name: f"hci{number}" for number, name in enumerate(simulated)}
    hears = {adapters[name]: [HomeOnAir(radio())] for name, radio in simulated.items()}
    async with FakeBluez(clock, hears) as bluez:
        before = os.environ.get(BUS_VARIABLE)
        os.environ[BUS_VARIABLE] = bluez.address
        try:
            yield {
                name: partial(BluezRadio, clock, adapters=(adapter,))
                for name, adapter in adapters.items()
            }
        finally:
            os.environ.pop(BUS_VARIABLE)
            if before is not None:
                os.environ[BUS_VARIABLE] = before
