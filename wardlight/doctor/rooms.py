"""The plan of the home: whether who leaves it would be noticed, and whether rooms can be told."""

from __future__ import annotations

from collections.abc import Iterator

from contract.whereabouts import ZoneUse
from detectors import room_file
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import counted, listed, reason
from wardlight.settings import Settings


async def plan(context: Context) -> Finding:
    """What of the plan would leave somebody who may not go out alone unnoticed."""
    it = context.settings
    if not it.zones:
        return ok("no [[zones]]: where residents are, and who goes out, is not told")
    at_risk = [each for each in it.residents if each.whereabouts and each.whereabouts.at_risk]
    figures = {"zones": float(len(it.zones)), "at_risk": float(len(at_risk))}
    gaps = list(_gaps(it)) if at_risk else []
    naked = [each.id for each in at_risk if not each.device]
    if naked:
        gaps.append(f"{listed(naked)} may not leave alone and wears nothing")
    if gaps:
        return warning(
            "; ".join(gaps),
            "Give each exit a contact sensor in [[sensors]] and a gateway or receiver of its own, "
            "and each resident at risk a wearable; until then watch the exits by eye.",
            **figures,
        )
    return ok(
        f"{counted(len(it.zones), 'zone')}, {counted(len(at_risk), 'resident')} at risk by the "
        "settings (the board may say otherwise)",
        **figures,
    )


def _gaps(it: Settings) -> Iterator[str]:
    watched = {each.zone for each in it.sensors}
    heard = {each.zone for each in it.gateways} | {each.zone for each in it.receivers}
    exits = [zone.id for zone in it.zones if zone.use is ZoneUse.EXIT]
    open_ = [zone for zone in exits if zone not in watched]
    if open_:
        yield f"no sensor hangs at {listed(open_)}: its door is not seen to open"
    deaf = [zone for zone in exits if zone not in heard]
    if deaf:
        yield f"nothing hears in {listed(deaf)}: who stands there is held to be somewhere near"


async def calibration(context: Context) -> Finding:
    """Whether what was walked can be given to gateways, and is of these zones."""
    it = context.settings
    path = it.home.rooms
    if path is None:
        if not it.zones:
            return ok("none, and no plan")
        return ok("none: rooms are told by the plan alone, less surely (docs/rooms.md)")
    try:
        content = await in_thread(path.read_bytes)
        model = room_file.decode(content)
        room_file.pack(model)
    except (OSError, room_file.RoomFileError) as error:
        return fault(
            f"{path} cannot be used: {reason(error)}",
            "Make it anew with `wardlight calibrate rooms`, or take rooms out of [home]; until "
            "then the one that was entered before is used.",
        )
    strange = sorted(set(model.zones) - {zone.id for zone in it.zones})
    if strange:
        return warning(
            f"{path} speaks of {listed(strange)}, which [[zones]] do not have",
            "Name the zones as they were called on the walk, or walk again.",
            zones=float(len(model.zones)),
        )
    return ok(f"{path}: {counted(len(model.zones), 'zone')}", zones=float(len(model.zones)))
