"""The siren of this machine's gateway, as the settings have it."""

from __future__ import annotations

from contract.clock import Clock
from contract.messages import Tone
from contract.protocols import Bus
from edge import GpioSiren, LogSiren, MqttSiren, Siren, SpeakerSiren, combined_siren
from wardlight.settings import Settings


def siren_of(settings: Settings, bus: Bus, clock: Clock) -> Siren:
    """Everything that shall sound, as one. What cannot is a trouble of it, and no error: a
    gateway that would not start for a missing sound file watches nobody.
    """
    wanted = settings.siren
    sirens: list[Siren] = [LogSiren()]
    if wanted.mqtt:
        sirens.append(MqttSiren(bus, settings.home.id, settings.gateway.name))
    if wanted.loudspeaker != "no":
        sounds = {Tone(name): path for name, path in wanted.sounds.items()}
        sirens.append(SpeakerSiren(sounds=sounds, required=wanted.loudspeaker == "yes"))
    if wanted.gpio_pin is not None:
        sirens.append(GpioSiren(wanted.gpio_pin, clock, active_high=wanted.gpio_active_high))
    return combined_siren(*sirens)
