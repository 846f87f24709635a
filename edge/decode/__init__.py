"""From what a radio hears to what a device said: one file for each kind of device."""

from __future__ import annotations

from edge.decode.wearable import Anomaly, WearableDecoder

__all__ = ["Anomaly", "WearableDecoder"]
