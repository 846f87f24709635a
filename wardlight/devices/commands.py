"""``wardlight devices …``: what a person types."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from wardlight.options import ConfigOption, LogOption, refuse, settings_of

if TYPE_CHECKING:
    from alerts import Directory
    from alerts.devices import Enrolled
    from wardlight.devices.hearing import Hearing, Line
    from wardlight.settings import Settings

app = typer.Typer(
    help="What is heard, what of it is the home's, and whose it is. See docs/devices.md.",
    invoke_without_command=True,
)

SERVICE: Final = "devices"
"""Whose certificate this shows the broker."""

CLIENT_ID_BYTES: Final = 4

FIND_S: Final = 20.0
"""How long a device is looked for that is to be enrolled: wearables advertise twice a second, the
slowest room sensors every ten."""

DeviceArgument = Annotated[str, typer.Argument(metavar="DEVICE", help="Its name in this home.")]
SecondsOption = Annotated[float, typer.Option(min=2, max=600, help="How long to listen.")]


@app.callback()
def devices(
    context: typer.Context,
    seconds: SecondsOption = 15.0,
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON, at the end.")] = False,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Without a command: list what gateways hear, and what is enrolled, for a while.

    What is not enrolled is shown and kept nowhere. Exit status 1: nobody can be asked; what is
    enrolled is listed all the same. 2: the settings or the records cannot be read.
    """
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    from wardlight.devices.hearing import NotHeardError
    from wardlight.devices.table import device_list, render

    settings = settings_of(config, log)
    with _book(settings) as book:
        enrolled = book.devices()
        hearing, trouble = None, ""
        live = not as_json and sys.stdout.isatty()
        screen = _Screen()

        def look(now: Hearing) -> bool:
            if live:
                screen.show(render(device_list(now, enrolled)))
            return False

        try:
            hearing = _listen(settings, book, seconds, look)
        except NotHeardError as error:
            trouble = str(error)
        found = device_list(hearing, enrolled)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        screen.end(render(found))
    if trouble:
        typer.echo(trouble, err=True)
        raise typer.Exit(1)


@app.command()
def enrol(
    context: typer.Context,
    device: Annotated[
        str, typer.Option("--as", metavar="DEVICE", help="What it is to be called, as wearable-7.")
    ],
    address: Annotated[
        str | None, typer.Argument(help="Bluetooth address, as `wardlight devices` lists it.")
    ] = None,
    identity: Annotated[
        int | None, typer.Option(help="Of a wearable of ours, instead of its address.")
    ] = None,
    kind: Annotated[
        str | None, typer.Option(help="Which decoder reads it; default: what it is taken for.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(help="Where it hangs; a wearable: where it is kept as a spare.")
    ] = None,
    resident: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="File of its key, 32 hexadecimal digits.")
    ] = None,
    placement: Annotated[str, typer.Option(help="wrist, waist or pendant.")] = "wrist",
    streaming: Annotated[
        bool, typer.Option("--streaming", help="Hold a link with continuous samples.")
    ] = False,
    seconds: Annotated[
        float, typer.Option(min=2, max=600, help="How long to look for it.")
    ] = FIND_S,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Make a device one of the home's: from now on what it says is believed."""
    from wardlight.devices.book import RefusedError, is_sensor, read_key, who

    if address is None and identity is None:
        refuse("name its address, or --identity: `wardlight devices` lists what is heard")
    settings = settings_of(config or context.obj, log)
    with _book(settings) as book:
        taken = {each.device: each for each in book.devices()}.get(device)
        if taken is not None:
            raise RefusedError(
                f"{device!r} is enrolled already (address {taken.address}): choose another name, "
                f"or retire that one first (wardlight devices retire {device})"
            )
        if address is None or kind is None or (kind == "wardlight" and not (identity or key_file)):
            line = _find(settings, book, address, identity, seconds)
            address, kind = line.device.address, kind or line.device.kind
            identity = line.device.identity if identity is None else identity
        key = None if key_file is None else read_key(key_file)
        if is_sensor(kind, device, address, key):
            if zone is None:
                raise RefusedError(f"{device!r} is a room sensor: say with --zone where it hangs")
            book.add_sensor(
                device, address=address, zone=zone, kind=kind, key=key, resident=resident, by=who()
            )
        else:
            rolls = key is not None and kind == "wardlight"
            book.add_wearable(
                device,
                address=address,
                identity=0 if rolls else identity or 0,
                resident=resident,
                placement=placement,
                streaming=streaming,
                kind=kind,
                key=key,
                zone=zone,
                by=who(),
            )
    typer.echo(f"{device} is enrolled ({kind}, {address}). Gateways know it within seconds.")
    if resident is None:
        typer.echo(
            f"It is nobody's yet, and alarms by where it is heard. Next: wardlight devices pair "
            f"{device} RESIDENT"
        )


@app.command()
def pair(
    context: typer.Context,
    device: DeviceArgument,
    whose: Annotated[
        str, typer.Argument(metavar="RESIDENT|ZONE", help="Whose it is, or where it hangs.")
    ],
    instead: Annotated[
        bool, typer.Option("--instead", help="In the place of what the resident wears now.")
    ] = False,
    also: Annotated[bool, typer.Option("--also", help="Beside what the resident wears.")] = False,
    new_zone: Annotated[
        bool, typer.Option("--new-zone", help="The zone is one of which nothing is known yet.")
    ] = False,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Give a device to a resident, or to a zone."""
    from wardlight.devices.book import RefusedError, find, who

    settings = settings_of(config or context.obj, log)
    with _book(settings) as book:
        ours = find(book, device)
        residents, zones = book.residents(), book.zones()
        known = f"Residents: {', '.join(residents)}. Zones: {', '.join(zones)}"
        if whose in residents:
            _pair_resident(book, ours, whose, instead=instead, also=also)
        elif whose in zones or new_zone:
            book.pair(device, zone=whose, by=who())
        else:
            raise RefusedError(
                f"{whose!r} is neither a resident nor a zone. {known}; another zone: --new-zone"
            )
    belongs = f"is {whose}'s" if whose in residents else f"belongs to {whose}"
    typer.echo(f"{device} {belongs} from now on.")


def _pair_resident(
    book: Directory, ours: Enrolled, resident: str, *, instead: bool, also: bool
) -> None:
    """Two wearables of one resident are a slip, unless somebody says that they are none.

    Raises
    ------
    RefusedError
        If nobody does.
    """
    from wardlight.devices.book import RefusedError, who

    worn = [
        each.device
        for each in book.devices()
        if each.resident == resident and not each.is_sensor and each.device != ours.device
    ]
    if worn and not ours.is_sensor and not also:
        if not instead:
            raise RefusedError(
                f"{resident} wears {', '.join(worn)} already: say --instead, or --also if both "
                "are worn"
            )
        for other in worn:
            book.unpair(other, by=who())
    book.pair(ours.device, resident=resident, by=who())


@app.command()
def unpair(
    context: typer.Context,
    device: DeviceArgument,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Take a device from its resident: it is nobody's, and still alarms by where it is heard."""
    from wardlight.devices.book import find, who

    with _book(settings_of(config or context.obj, log)) as book:
        find(book, device)
        book.unpair(device, by=who())
    typer.echo(
        f"{device} is nobody's from now on. If it is worn no more: "
        f"wardlight devices retire {device}"
    )


@app.command()
def key(
    context: typer.Context,
    device: DeviceArgument,
    generate: Annotated[
        Path | None, typer.Option(help="Make a new key, and write it here for the wearable.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(help="Take the key from this file: 32 hexadecimal digits.")
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="It has none; what it says is believed unencrypted.")
    ] = False,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Set what a device encrypts, or rolls its identity, with. It is never shown again."""
    from contract.identity import new_key
    from wardlight.devices.book import find, read_key, who, write_key

    if sum((generate is not None, file is not None, none)) != 1:
        refuse("say one of --generate FILE, --file FILE or --none")
    with _book(settings_of(config or context.obj, log)) as book:
        find(book, device)
        if generate is not None:
            made = new_key()
            write_key(generate, made)
            book.set_key(device, made, by=who())
        else:
            book.set_key(device, None if file is None else read_key(file), by=who())
    if none:
        typer.echo(f"{device} has no key from now on.")
        return
    typer.echo(
        f"{device} is believed with this key alone from now on. Put it into the device now, and "
        f"delete {generate or file}: until then the device is not heard."
    )


@app.command()
def retire(
    context: typer.Context,
    device: DeviceArgument,
    config: ConfigOption = None,
    log: LogOption = "warning",
) -> None:
    """Take a device out of use: gateways turn it away from now on, and its key is forgotten."""
    from wardlight.devices.book import find, who

    with _book(settings_of(config or context.obj, log)) as book:
        ours = find(book, device)
        book.retire(device, by=who())
    typer.echo(f"{device} is out of use; what it told before is kept.")
    if ours.resident is not None and not ours.is_sensor:
        typer.echo(f"{ours.resident} ({ours.bed}) wears none now, and is looked after by rounds.")


# --- how -----------------------------------------------------------------------------------


@contextmanager
def _book(settings: Settings) -> Iterator[Directory]:
    """The records; a refusal ends the command with its reason."""
    from wardlight.devices.book import RefusedError, open_book

    try:
        with open_book(settings) as book:
            yield book
    except RefusedError as error:
        refuse(str(error))


def _listen(
    settings: Settings, book: Directory, seconds: float, look: Callable[[Hearing], bool]
) -> Hearing:
    """Ask every gateway; `look` is called each second, and says when it is enough.

    Raises
    ------
    wardlight.devices.hearing.NotHeardError
        If nobody can be asked.
    """
    from contract.ids import UuidSource
    from wardlight.devices.hearing import Hearing, NotHeardError
    from wardlight.services import bus_of, clock_of

    clock = clock_of(settings)
    try:
        bus = bus_of(settings, f"{SERVICE}-{secrets.token_hex(CLIENT_ID_BYTES)}", clock, SERVICE)
    except (ValueError, OSError) as error:
        raise NotHeardError(f"[broker]: {error}") from error
    hearing = Hearing(bus, settings.home.id, clock, UuidSource(clock), book.gateways())
    asyncio.run(hearing.listen(seconds, lambda: look(hearing)))
    return hearing


def _find(
    settings: Settings, book: Directory, address: str | None, identity: int | None, seconds: float
) -> Line:
    """The device that is to be enrolled, as gateways hear it.

    Raises
    ------
    wardlight.devices.book.RefusedError
        If none of that address or identity is heard.
    """
    from wardlight.devices.book import RefusedError
    from wardlight.devices.hearing import NotHeardError

    def matching(hearing: Hearing) -> list[Line]:
        return [
            line
            for line in hearing.lines()
            if (address is None or line.device.address == address.upper())
            and (identity is None or line.device.identity == identity)
        ]

    try:
        hearing = _listen(settings, book, seconds, lambda now: bool(matching(now)))
    except NotHeardError as error:
        raise RefusedError(f"{error} Then say --kind, and --identity or --key-file.") from error
    found = matching(hearing)
    if not found:
        raise RefusedError(
            f"{address or f'identity {identity}'} is not heard by any gateway: hold it near one, "
            "switched on and off its charger, and try again; or say --kind, and --identity or "
            "--key-file"
        )
    return found[0]


class _Screen:
    """A text that replaces the one before, on a terminal, as far as it has room."""

    def __init__(self) -> None:
        self._lines = 0

    def show(self, text: str) -> None:
        """What stands for a second."""
        from wardlight.devices.table import cropped

        size = shutil.get_terminal_size()
        self.end(cropped(text, size.columns - 1, size.lines - 2))
        self._lines = min(text.count("\n") + 1, size.lines - 2)

    def end(self, text: str) -> None:
        """What stays."""
        if self._lines:
            typer.echo(f"\x1b[{self._lines}A\x1b[J", nl=False)
        typer.echo(text)
