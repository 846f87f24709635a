"""Trouble on request: one line to a socket, one line of JSON back."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from contract.devices import Quantity
from firmware_sim.bluez.fake import FakeBluez
from firmware_sim.bluez.mishaps import Mishap
from firmware_sim.home import SimulatedHome
from firmware_sim.room_sensors import SensorKind

LONGEST_LINE: Final = 4_096
"""A request is a few words."""

_STATES: Final = (Quantity.MOTION, Quantity.OPENING, Quantity.OCCUPIED)
"""What a sensor says at once when it changes."""

Found = dict[str, Any]


class UnknownRequestError(ValueError):
    """What was asked for cannot be done; the message says what could be."""


class _Request(NamedTuple):
    usage: str
    does: str
    do: Callable[[list[str]], Awaitable[Found]]


class Control:
    """What can be asked of a fake BlueZ and the home around it.

    Parameters
    ----------
    bluez
        The fake.
    home
        Who lives there.
    """

    def __init__(self, bluez: FakeBluez, home: SimulatedHome) -> None:
        self._bluez = bluez
        self._home = home
        self._sensors = [sensor.config.device for sensor in home.plan.sensors]
        self._requests: Mapping[str, _Request] = {
            "help": _Request("", "say what can be asked for", self._help),
            "status": _Request("", "count adverts, devices, links and mishaps", self._status),
            "drop-links": _Request("[ADAPTER]", "break every link", self._drop_links),
            "break-after": _Request(
                "ADAPTER N…", "break the next links after N notifications each", self._break_after
            ),
            "vanish-adapter": _Request("ADAPTER", "unplug it", self._vanish),
            "return-adapter": _Request("ADAPTER", "plug it in again", self._return),
            "deafen": _Request(
                "ADAPTER [scan|power|restart|never]",
                "let its adverts cease, until this is tried",
                self._deafen,
            ),
            "restart-bluetoothd": _Request(
                "[SECONDS]", "kill it, and start another after so long", self._restart
            ),
            "stop-bluetoothd": _Request("", "kill it", self._stop),
            "start-bluetoothd": _Request("", "start it again", self._start),
            "hang-connect": _Request("[TIMES]", "never answer Connect", self._hang_connect),
            "let": _Request(
                f"MEMBER {'|'.join(Mishap)} [TIMES] [PATH]", "let calls go wrong", self._let
            ),
            "clear": _Request("", "let no call go wrong any more", self._clear),
            "refuse-systemd": _Request(
                "[yes|no]", "let polkit refuse to restart services", self._refuse_systemd
            ),
            "fall": _Request("RESIDENT [lies|struggles|gets_up]", "let her fall", self._fall),
            "press": _Request(
                "RESIDENT|SENSOR", "let her press her button, or somebody a call point", self._press
            ),
            "sense": _Request(
                "SENSOR [yes|no]", "let somebody move there, a door open, a bed fill", self._sense
            ),
            "hide": _Request("RESIDENT", "let no radio hear her wearable", self._hide),
            "show": _Request("RESIDENT", "let it be heard again", self._show),
        }

    async def ask(self, line: str) -> Found:
        """Do what a line asks for; what came of it.

        Raises
        ------
        UnknownRequestError
            If it asks for nothing that there is.
        """
        name, *words = line.split() or ["help"]
        request = self._requests.get(name)
        if request is None:
            raise UnknownRequestError(f"{name!r}: ask for one of {', '.join(self._requests)}")
        try:
            return await request.do(words)
        except (ValueError, IndexError) as error:
            reason = f" ({error})" if str(error) and not isinstance(error, IndexError) else ""
            raise UnknownRequestError(f"say: {name} {request.usage}{reason}") from error

    # -- the fake -------------------------------------------------------------------------

    async def _help(self, words: list[str]) -> Found:
        return {
            f"{name} {request.usage}".strip(): request.does
            for name, request in self._requests.items()
        }

    async def _status(self, words: list[str]) -> Found:
        return {
            "adapters": {
                name: {
                    "present": controller.present,
                    "deaf": controller.deaf,
                    "adverts": controller.heard,
                    "devices": len(self._bluez.devices(name)),
                    "links": len(controller.links),
                }
                for name, controller in self._bluez.controllers.items()
            },
            "bluetoothd": {"running": self._bluez.running, "restarts": self._bluez.restarts},
            "mishaps": {str(mishap): met for mishap, met in self._bluez.mishaps.met.items()},
            "systemd": self._bluez.systemd.asked,
        }

    def _adapter(self, words: list[str]) -> str:
        name = words[0]
        if name not in self._bluez.controllers:
            raise ValueError(f"there are {', '.join(self._bluez.controllers)}")
        return name

    async def _drop_links(self, words: list[str]) -> Found:
        name = self._adapter(words) if words else None
        return {"dropped": await self._bluez.drop_links(name)}

    async def _break_after(self, words: list[str]) -> Found:
        numbers = [int(word) for word in words[1:]]
        self._bluez.controllers[self._adapter(words)].breaks_after = numbers
        return {"links": len(numbers)}

    async def _vanish(self, words: list[str]) -> Found:
        await self._bluez.unplug(self._adapter(words))
        return {}

    async def _return(self, words: list[str]) -> Found:
        await self._bluez.plug(self._adapter(words))
        return {}

    async def _deafen(self, words: list[str]) -> Found:
        heals = words[1] if len(words) > 1 else "never"
        if heals not in ("scan", "power", "restart", "never"):
            raise ValueError(f"nothing heals by {heals!r}")
        controller = self._bluez.controllers[self._adapter(words)]
        controller.deaf, controller.heals = True, heals
        return {"heals": heals}

    async def _restart(self, words: list[str]) -> Found:
        await self._bluez.restart_bluetoothd(float(words[0]) if words else 0.3)
        return {"restarts": self._bluez.restarts}

    async def _stop(self, words: list[str]) -> Found:
        await self._bluez.stop_bluetoothd()
        return {}

    async def _start(self, words: list[str]) -> Found:
        await self._bluez.start_bluetoothd()
        return {}

    async def _hang_connect(self, words: list[str]) -> Found:
        self._bluez.mishaps.let("Connect", Mishap.HANG, times=int(words[0]) if words else None)
        return {}

    async def _let(self, words: list[str]) -> Found:
        times = int(words[2]) if len(words) > 2 and words[2] != "always" else None
        under = words[3] if len(words) > 3 else "/"
        self._bluez.mishaps.let(words[0], Mishap(words[1]), times=times, under=under)
        return {}

    async def _clear(self, words: list[str]) -> Found:
        self._bluez.mishaps.clear()
        return {}

    async def _refuse_systemd(self, words: list[str]) -> Found:
        self._bluez.systemd.allows = words[:1] == ["no"]
        return {"allows": self._bluez.systemd.allows}

    # -- who lives there --------------------------------------------------------------------

    async def _fall(self, words: list[str]) -> Found:
        self._home.fall(words[0], then=words[1] if len(words) > 1 else "lies")
        return {}

    async def _press(self, words: list[str]) -> Found:
        name = words[0]
        if name not in self._sensors:
            self._home.press_button(name)
        elif (kind := self._home.sensor(name).kind) is not SensorKind.CALL_POINT:
            raise ValueError(f"{name} is a {kind} sensor")
        else:
            self._home.press_call_point(name)
        return {}

    async def _sense(self, words: list[str]) -> Found:
        sensor = self._home.sensor(words[0])
        states = [quantity for quantity in _STATES if quantity in sensor.values]
        if not states:
            raise ValueError(f"{words[0]} is a {sensor.kind} sensor")
        is_so = words[1:2] != ["no"]
        sensor.set(states[0], float(is_so))
        return {str(states[0]): is_so}

    async def _hide(self, words: list[str]) -> Found:
        self._home.set_heard(words[0], False)
        return {}

    async def _show(self, words: list[str]) -> Found:
        self._home.set_heard(words[0], True)
        return {}


class ControlServer:
    """Lets other processes ask.

    Parameters
    ----------
    control
        Who answers.
    path
        Of the socket.
    """

    def __init__(self, control: Control, path: Path) -> None:
        self._control = control
        self._path = path
        self._server: asyncio.Server | None = None
        self._asking: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; raises `OSError` if that cannot be."""
        self._path.unlink(missing_ok=True)
        # Only its own user may ask: as much as the socket of the bus allows.
        before = os.umask(0o077)
        try:
            self._server = await asyncio.start_unix_server(
                self._serve, self._path, limit=LONGEST_LINE
            )
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None, "the server calls this in a task"
        self._asking.add(task)
        try:
            while line := await reader.readline():
                try:
                    answer = {"ok": True, **await self._control.ask(line.decode(errors="replace"))}
                except UnknownRequestError as error:
                    answer = {"ok": False, "error": str(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            pass  # gone, or no line; or `stop`, which asyncio's server would log as an error
        finally:
            self._asking.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def tell(path: Path, line: str) -> Found:
    """Ask a `ControlServer`.

    Raises
    ------
    OSError
        If nobody listens at `path`, or it went away.
    UnknownRequestError
        If it does not know what is asked for.
    """
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        writer.write(line.encode() + b"\n")
        answered = await reader.readline()
    finally:
        writer.close()
    if not answered:
        raise ConnectionError("it went away without an answer")
    answer: Found = json.loads(answered)
    if not answer.pop("ok"):
        raise UnknownRequestError(str(answer["error"]))
    return answer
