"""The machine that the doctor runs on: its clock, and whether it can be heard."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import Final

from contract.clock import within
from edge.loudspeaker import PLAYERS
from wardlight.doctor.context import Context
from wardlight.doctor.findings import Finding, ok, warning
from wardlight.doctor.words import listed

ASK_S: Final = 3.0
"""For a sound system to list its devices; it takes some 20 ms, or hangs."""

_LISTS: Final = {
    "paplay": ("pactl", "list", "short", "sinks"),
    "aplay": ("aplay", "-l"),
}
"""What tells the devices of each player of `edge.loudspeaker.PLAYERS`; both come with it."""

_NOWHERE: Final = ("auto_null", "null-sink", "Dummy")
"""Sinks that PulseAudio and PipeWire make when there is no device: they swallow the sound."""

_SOUNDERS: Final = "or have a sounder that listens to the gateway's siren topic at the staff point"


async def clock(context: Context) -> Finding:
    """Whether wall time is known to be right."""
    if context.clock.synced():
        return ok("set by NTP")
    return warning(
        "nobody sets this machine's clock: its times are not to be believed (alarms go by ages, "
        "and come all the same)",
        "Turn NTP on (timedatectl set-ntp true) and let the firewall pass UDP port 123.",
    )


async def loudspeaker(context: Context) -> Finding:
    """A player and a device for the siren, as `edge.SpeakerSiren` will look for them."""
    player = next((each for each in PLAYERS if shutil.which(each)), None)
    if player is None:
        return warning(
            f"no player for the siren ({' or '.join(PLAYERS)})",
            f"Install alsa-utils where a gateway shall sound by itself, {_SOUNDERS}.",
        )
    status, listing = await _ask(context, _LISTS[player])
    devices = [
        line
        for line in listing.splitlines()
        if _is_device(player, line) and not any(each in line for each in _NOWHERE)
    ]
    if status != 0 or not devices:
        said = listing.strip().splitlines()
        return warning(
            f"{player} has no device to play on" + (f" ({said[-1]})" if said else ""),
            f"Plug a loudspeaker in and let this user use it (group audio), {_SOUNDERS}.",
        )
    return ok(f"{player}, {listed(devices)}")


def _is_device(player: str, line: str) -> bool:
    return line.startswith("card ") if player == "aplay" else "\t" in line


async def _ask(context: Context, command: tuple[str, ...]) -> tuple[int, str]:
    """Exit status and output of a program; 127 if it is not there."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return 127, f"{command[0]} is not installed"
    try:
        output, _ = await within(context.machine, ASK_S, process.communicate())
    except TimeoutError:
        process.kill()
        await process.wait()
        return 1, f"{command[0]} does not answer"
    return process.returncode or 0, output.decode("utf-8", "replace")
