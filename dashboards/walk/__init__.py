"""The page of the calibration walk: a phone says "now in: …" while a wearable is carried through
the home. It shows one walk of one process (`wardlight calibrate walk`), and keeps nothing itself.
"""

from __future__ import annotations

from dashboards.walk.app import Walk, create_walk_app

__all__ = ["Walk", "create_walk_app"]
