"""The certificates that this machine shows: how long they are good, and who can read them."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from contract.clock import now_us
from contract.units import US_PER_S
from messaging.certificate import ends_at
from wardlight.credentials import GATEWAY, is_the_gateways, own_file
from wardlight.doctor.context import NAME, Context
from wardlight.doctor.encryption import SOON_DAYS
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import counted, duration, listed, reason

_DAY_S: Final = 86_400
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SERVICES: Final = ("ingest", "alerts", NAME)
"""Those that talk to the broker in every home."""


async def own(context: Context) -> Finding:
    """Every certificate that the settings name and that is there."""
    path = context.settings.broker.certificate_file
    if path is None:
        return ok("the settings name none")
    whose = (GATEWAY,) if is_the_gateways(context.settings) else _SERVICES
    files = {who: own_file(path, who) for who in whose}
    files = {who: file for who, file in files.items() if file.exists()}
    if not files:
        return fault(
            f"there is none at {path}",
            "Make it (wardlight provision, wardlight enrol), or correct certificate_file.",
        )
    now_s = now_us(context.clock) / US_PER_S
    try:
        days = {who: (ends_at(file).timestamp() - now_s) / _DAY_S for who, file in files.items()}
    except (OSError, ValueError) as error:
        return fault(reason(error), "Make a new one (wardlight provision rotate).")
    return _open_to_others(files, days) or _by_end(days)


def _open_to_others(files: Mapping[str, Path], days: Mapping[str, float]) -> Finding | None:
    seen = sorted(str(file) for file in files.values() if file.stat().st_mode & _OTHERS)
    if not seen:
        return None
    return warning(
        f"others can read {listed(seen)}, with the key", f"chmod 600 {seen[0]}", **_figures(days)
    )


def _by_end(days: Mapping[str, float]) -> Finding:
    first = min(days, key=days.__getitem__)
    left, figures = duration(days[first] * _DAY_S), _figures(days)
    renew = f"wardlight provision rotate {first}"
    if days[first] <= 0:
        return fault(
            f"that of {first} ended {left} ago: the broker does not let it in",
            f"Renew it: {renew}",
            **figures,
        )
    if days[first] < SOON_DAYS:
        return warning(f"that of {first} ends in {left}", f"Renew it now: {renew}", **figures)
    return ok(f"{counted(len(days), 'certificate')}, good for {left}", **figures)


def _figures(days: Mapping[str, float]) -> dict[str, float]:
    return {f"{who}_certificate_days": left for who, left in days.items()}
