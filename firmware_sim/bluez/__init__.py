"""Our own ``org.bluez`` on a private message bus: bleak's BlueZ backend runs on it unchanged, with
no radio and no root. See docs/air.md.
"""

from firmware_sim.bluez.daemon import NoBusError, PrivateBus
from firmware_sim.bluez.fake import SIMULATED_OUI, FakeBluez
from firmware_sim.bluez.gadgets import Advert, Beacon, Gadget, Gadgets
from firmware_sim.bluez.mishaps import Mishap, Mishaps
from firmware_sim.bluez.peripherals import (
    WARDLIGHT_SERVICES,
    Characteristic,
    HeldLink,
    HomeOnAir,
    OnAir,
    Service,
)
from firmware_sim.bluez.repeating import Repeating

__all__ = [
    "SIMULATED_OUI",
    "WARDLIGHT_SERVICES",
    "Advert",
    "Beacon",
    "Characteristic",
    "FakeBluez",
    "Gadget",
    "Gadgets",
    "HeldLink",
    "HomeOnAir",
    "Mishap",
    "Mishaps",
    "NoBusError",
    "OnAir",
    "PrivateBus",
    "Repeating",
    "Service",
]
