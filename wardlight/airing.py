"""``wardlight air``: a simulated home on the air of a fake BlueZ, for those who have no radio."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wardlight.options import LogOption, first_fall, refuse, settings_of

if TYPE_CHECKING:
    from contract.protocols import RecordedStream
    from firmware_sim import HomePlan

app = typer.Typer(
    help="A simulated home on the air of a fake BlueZ: develop with no hardware (docs/air.md).",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)

SOCKET = Path("var/air/bus")


@app.callback()
def air(
    context: typer.Context,
    home: Annotated[
        str, typer.Option(help="demo, or the settings (TOML) of a home with its wearables.")
    ] = "demo",
    wearables: Annotated[
        int | None, typer.Option(min=1, help="A home of so many residents instead.")
    ] = None,
    sensors: Annotated[int, typer.Option(min=0, max=1000, help="So many more room sensors.")] = 0,
    rolling: Annotated[
        bool, typer.Option("--rolling", help="Give each wearable a key: its identity rolls.")
    ] = False,
    gateway: Annotated[
        str | None, typer.Option(help="Which gateway this machine is; default the first.")
    ] = None,
    adapters: Annotated[int, typer.Option(min=1, max=8, help="How many it has.")] = 1,
    passive: Annotated[bool, typer.Option(help="Whether they can scan passively.")] = True,
    data: Annotated[
        Path | None, typer.Option(help="Play a recorded trial: a parquet file or folder.")
    ] = None,
    trial: Annotated[
        str | None, typer.Option("--trial", "--recording", help="Which; default its first fall.")
    ] = None,
    resident: Annotated[
        str | None, typer.Option(help="Who plays it; default the first who holds no link.")
    ] = None,
    at: Annotated[float, typer.Option(min=0, help="So many seconds after the start.")] = 15.0,
    socket: Annotated[Path, typer.Option(help="Where the message bus listens.")] = SOCKET,
    write_home: Annotated[
        Path | None, typer.Option(help="Write the settings of this home here, for the services.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of everything that is drawn.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="The addresses, then what truly happens: JSON lines.")
    ] = False,
    log: LogOption = "warning",
) -> None:
    """Put a home on the air until Ctrl-C.

    A gateway with radio = "bluez" hears it through bleak and D-Bus once DBUS_SYSTEM_BUS_ADDRESS is
    what is printed. Exit status 2: there is no dbus-daemon, or the home cannot be simulated.
    """
    if context.invoked_subcommand is not None:
        return
    plan = _plan(home, wearables, sensors, log)
    if rolling:
        from firmware_sim.homes import with_keys

        plan = with_keys(plan)
    name = _gateway(plan, gateway)
    recording = _recording(data, trial)
    if resident is not None and resident not in {w.resident for w in plan.wearables}:
        refuse(f"--resident {resident}: nobody here is called so")
    from contract.clock import SystemClock

    try:
        from firmware_sim.bluez import NoBusError
        from wardlight.air_home import AirOptions, run_air, settings_file
    except ModuleNotFoundError as error:
        refuse(f"this needs {error.name}: pip install 'wardlight[bluetooth]'")

    if write_home is not None:
        write_home.write_text(settings_file(plan, name), "utf-8")
    options = AirOptions(
        plan=plan,
        gateway=name,
        adapters=adapters,
        socket=socket,
        seed=seed,
        passive=passive,
        recording=recording,
        resident=resident or _first_without_link(plan),
        at_s=at,
        as_json=as_json,
    )
    try:
        asyncio.run(run_air(options, SystemClock(), sys.stdout))
    except (NoBusError, OSError) as error:
        refuse(str(error))


@app.command()
def tell(
    socket: Annotated[Path, typer.Argument(help="Where its message bus listens.")],
    words: Annotated[list[str], typer.Argument(help="What to do; help lists it.")],
    as_json: Annotated[bool, typer.Option("--json", help="The answer as JSON.")] = False,
) -> None:
    """Ask a running air for trouble: drop-links, vanish-adapter, restart-bluetoothd …

    Exit status 2: nobody listens, or it cannot be done.
    """
    from firmware_sim.bluez.control import UnknownRequestError
    from firmware_sim.bluez.control import tell as ask
    from wardlight.air_home import control_of

    try:
        answer = asyncio.run(ask(control_of(socket), " ".join(words)))
    except UnknownRequestError as error:
        refuse(str(error))
    except OSError as error:
        refuse(f"{socket}: no air there: {error}")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    for name, value in answer.items():
        typer.echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")


def _plan(home: str, wearables: int | None, sensors: int, log: str) -> HomePlan:
    from firmware_sim.homes import many, with_sensors

    settings = settings_of(None if home == "demo" else Path(home), log)
    if wearables is not None:
        if home != "demo":
            refuse("--wearables makes a home of its own; without --home")
        try:
            return many(wearables, sensors=sensors)
        except ValueError as error:
            refuse(str(error))
    if home == "demo":
        from firmware_sim import demo_home

        return with_sensors(demo_home(sensors=True), sensors)
    from wardlight.air_home import NoSuchHomeError, plan_of

    try:
        return with_sensors(plan_of(settings), sensors)
    except (NoSuchHomeError, ValueError) as error:
        refuse(f"{home}: {error}")


def _gateway(plan: HomePlan, name: str | None) -> str:
    names = [gateway.name for gateway in plan.gateways]
    if name is not None and name not in names:
        refuse(f"--gateway {name}: this home has {', '.join(names)}")
    return name or names[0]


def _recording(path: Path | None, trial: str | None) -> RecordedStream | None:
    if path is None:
        if trial is not None:
            refuse("--trial needs --data: where the recordings are")
        return None
    return first_fall(path, trial)


def _first_without_link(plan: HomePlan) -> str:
    return next((w for w in plan.wearables if not w.streaming), plan.wearables[0]).resident
