"""The command line, the settings, and the composition of all the rooms into running services.

It injects clocks, radios, buses and stores, and holds no logic of its own.
"""

from __future__ import annotations

import os
from typing import Final

__version__: Final = "0.1.0"

# Before NumPy is loaded: our matrices are small, and threads halve the speed of their
# products while they take the cores from the alarm path.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
