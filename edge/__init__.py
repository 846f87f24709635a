"""The gateway: listens to the radios, decodes, runs the detectors on the spot, keeps what they
find in an outbox until every receipt has come, and sounds the siren when nobody answers. It
knows no simulator, no server and no broker client: `Radio`, `Bus` and `Siren` are handed in.
"""

from __future__ import annotations

from contract.messages import Tone
from edge.credentials import CredentialWatch
from edge.gateway import Gateway
from edge.gpio_siren import GpioSiren
from edge.loudspeaker import SpeakerSiren
from edge.siren import LogSiren, MqttSiren, Siren, combined_siren

__all__ = [
    "CredentialWatch",
    "Gateway",
    "GpioSiren",
    "LogSiren",
    "MqttSiren",
    "Siren",
    "SpeakerSiren",
    "Tone",
    "combined_siren",
]
