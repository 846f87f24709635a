"""What radios hear, made into what we know: adverts of the enrolled, and nothing of anybody else.

Other people's devices are kinds of the `Registry`, one file and one entry point for each.
"""

from __future__ import annotations

from edge.decode.registry import Registry, UnusableKindError
from edge.decode.wearable import Anomaly, WearableDecoder

__all__ = ["Anomaly", "Registry", "UnusableKindError", "WearableDecoder"]
