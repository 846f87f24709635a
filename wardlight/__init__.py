"""The command line, the settings, and the composition of all the rooms into running services.

It injects clocks, radios, buses and stores, and holds no logic of its own.
"""

from typing import Final

__version__: Final = "0.1.0"
