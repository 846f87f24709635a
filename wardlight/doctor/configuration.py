"""The settings: what is allowed and yet seldom meant."""

from __future__ import annotations

import os
import stat

from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import counted, listed, reason

_PREFIX = "WARDLIGHT_"


async def settings(context: Context) -> Finding:
    """Where they come from and what they describe."""
    it = context.settings
    overrides = sorted(name for name in os.environ if name.upper().startswith(_PREFIX))
    what = (
        f"{context.path or 'no file'}: {counted(len(it.residents), 'resident')}, "
        f"{counted(len(it.staff), 'person', 'people')} to call, "
        f"{counted(len(it.gateways), 'gateway')}"
    )
    if overrides:
        what += f"; overridden by {listed(overrides)}"
    if "gateway" in it.model_fields_set and it.gateway.name not in context.gateways:
        return warning(
            f"{what}; this machine's gateway {it.gateway.name!r} is not among [[gateways]]",
            f"Enter {it.gateway.name!r} and its zone in [[gateways]]: otherwise nobody knows "
            "which beds it stands by.",
        )
    if not it.gateways:
        return warning(
            f"{what}; no [[gateways]], so one called {it.gateway.name!r} is looked for",
            "Enter each gateway and its zone in [[gateways]].",
        )
    return ok(what)


async def slides(context: Context) -> Finding:
    """Whether a slide to the floor without impact can be told anywhere (`edge.lies`)."""
    it = context.settings
    floors = {entry.name: entry.zone for entry in it.gateways if not entry.resting}
    at_wrist = [each for each in it.residents if each.device and each.placement == "wrist"]
    # In the zone of her own bed a resident is taken to rest, whatever else it is.
    without = [each for each in at_wrist if not set(floors.values()) - {each.zone}]
    figures = {"gateways_without_rest": float(len(floors)), "nowhere_told": float(len(without))}
    if without:
        return warning(
            f"of {counted(len(without), 'resident')} with a wearable at the wrist a slide to the "
            "floor without impact is told nowhere: no gateway"
            f"{' outside the zone of the bed' if floors else ''} has resting = false",
            "Where nobody sits or lies for long (a corridor, stairs, a shower) and a gateway of "
            "its own stands, set resting = false for it in [[gateways]]; elsewhere rely on rounds.",
            **figures,
        )
    if not at_wrist:
        return ok("nobody has a wearable at the wrist", **figures)
    return ok(f"told where {listed(floors)} hears best, and there alone", **figures)


async def simulation(context: Context) -> Finding:
    """Whether anything here is not real."""
    it = context.settings
    if it.clock.rate != 1.0:
        return fault(
            f"the home's clock runs {it.clock.rate:g} times as fast as time",
            "Take the table [clock] out: it is for engineers, and with it every limit is wrong.",
        )
    if it.gateway.radio == "simulated":
        return warning(
            "the gateway plays simulated residents; no real wearable is listened to",
            'Use it for demonstrations and training only; a home has radio = "bluez" in [gateway].',
        )
    return ok("a real clock and real radios")


async def secrets(context: Context) -> Finding:
    """Whether what the settings say is for the services alone."""
    path, it = context.path, context.settings
    if path is None:
        return ok("the settings come from the environment")
    held = []
    if any(person.contact for person in it.staff):
        held.append("contacts of staff")
    if "@" in it.alerts.database and ":" in it.alerts.database.split("@")[0].split("://")[-1]:
        held.append("the password of the records")
    if it.residents:
        held.append("names of residents")
    try:
        mode = await in_thread(lambda: path.stat().st_mode)
    except OSError as error:
        return warning(f"{path} cannot be looked at: {reason(error)}", "Look who may read it.")
    if held and mode & stat.S_IROTH:
        return warning(
            f"everybody on this machine can read {path}, which holds {listed(held)}",
            f"Close it to others: chmod o-rwx {path}",
        )
    return ok(f"{path} is read by {'its owners' if held else 'anybody, and holds no secret'}")


async def password(context: Context) -> Finding:
    """Whether the broker's password can be read, and by whom."""
    broker = context.settings.broker
    path = broker.password_file
    if path is None:
        if broker.username:
            return warning(
                f"the broker's user {broker.username!r} has no password",
                "Name a password_file in the table [broker].",
            )
        return ok("none is asked for")
    try:
        text = await in_thread(lambda: path.read_text("utf-8").strip())
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        return fault(
            f"the broker's password file cannot be read: {reason(error)}",
            f"Make {path} readable by the user that runs the services.",
        )
    if not text:
        return fault(
            f"the broker's password file {path} is empty", "Write the password into it, alone."
        )
    if mode & stat.S_IROTH:
        return warning(
            f"everybody on this machine can read {path}", f"Close it to others: chmod o-r {path}"
        )
    return ok(f"in {path}")
