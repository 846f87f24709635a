"""Connections to a broker: a real one over MQTT (`MqttBus`), one inside the process for the
demo (`EmbeddedBroker`), and a deterministic one for replays and tests (`LocalBroker`). The
other rooms know only `contract.protocols.Bus`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from messaging.local import LocalBroker, LocalBus
from messaging.mosquitto import Mosquitto
from messaging.mqtt import MqttBus
from messaging.tls import Credentials

if TYPE_CHECKING:
    from messaging.embedded import EmbeddedBroker

__all__ = ["Credentials", "EmbeddedBroker", "LocalBroker", "LocalBus", "Mosquitto", "MqttBus"]


def __getattr__(name: str) -> Any:
    """Import amqtt only where it is asked for: it is an extra that a gateway lacks."""
    if name == "EmbeddedBroker":
        from messaging.embedded import EmbeddedBroker

        return EmbeddedBroker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
