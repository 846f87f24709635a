"""Bluetooth of this machine, where it is a gateway: D-Bus, bluetoothd, adapters, and the right to
use them. It is asked; nothing is switched on and no scan is begun.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import counted, listed

if TYPE_CHECKING:
    from edge.radio.bluez_system import AdapterState

SIMULATED_OUI: Final = "02:57:4C"
"""First half of the addresses of controllers that are not real (`firmware_sim.bluez.fake`, which
the doctor does not load for one constant)."""

_RFKILL: Final = Path("/sys/class/rfkill")

_UNHEARD: Final = "until then nobody near this gateway is monitored by it"


async def bluetooth(context: Context) -> Finding:
    """Whether this machine can hear anybody."""
    it = context.settings
    if it.gateway.radio != "bluez":
        return ok(f"not used: [gateway] radio is {it.gateway.radio!r}")
    if "gateway" not in it.model_fields_set:
        return ok("not used: this machine is no gateway, for there is no table [gateway]")
    return await _look(context)


async def _look(context: Context) -> Finding:
    try:
        from edge.radio.bluez_system import BluezSystem, NoSystemBusError
        from edge.radio.calls import Calls
        from edge.radio.watchdog import RemedyFailedError
    except ModuleNotFoundError as error:
        return fault(
            f"{error.name} is not installed, without which no adapter can be used",
            f"pip install 'wardlight[bluetooth]'; {_UNHEARD}.",
        )
    system = BluezSystem(context.machine, Calls(context.machine), lambda: None)
    try:
        await system.open()
        await system.refresh()
    except NoSystemBusError as error:
        return fault(
            f"the system's D-Bus cannot be used: {error}",
            "Install and start it (apt install dbus; in a container pass /run/dbus in); "
            f"{_UNHEARD}.",
        )
    except RemedyFailedError as error:
        return _refused(str(error))
    finally:
        await system.close()
    if not system.running:
        return fault(
            "the Bluetooth service does not run",
            "apt install bluez, then systemctl enable --now bluetooth, and read its log "
            f"(journalctl -u bluetooth); {_UNHEARD}.",
        )
    return await _adapters(context.settings.gateway.adapters, system.adapters)


def _refused(error: str) -> Finding:
    if "AccessDenied" in error:
        return fault(
            f"this user may not use Bluetooth: {error}",
            "Put the user that runs the gateway into the group bluetooth (usermod -aG bluetooth "
            f"USER), and start it again; {_UNHEARD}.",
        )
    return fault(
        f"the Bluetooth service does not answer: {error}",
        f"systemctl restart bluetooth, and read its log; {_UNHEARD}.",
    )


async def _adapters(named: tuple[str, ...], adapters: dict[str, AdapterState]) -> Finding:
    figures = {"adapters": float(len(adapters))}
    missing = [name for name in named if name not in adapters]
    wanted = {name: each for name, each in adapters.items() if not named or name in named}
    blocked = await in_thread(_is_blocked)
    there = f" (there: {listed(sorted(adapters))})" if adapters else ""
    if not adapters or missing:
        what = f"no {listed(missing)}{there}" if missing else "no Bluetooth adapter"
        return fault(
            what,
            "Plug it in, or look whether the kernel knows it (dmesg | grep -i bluetooth); names "
            f"are set in [gateway] adapters; {_UNHEARD}.",
            **figures,
        )
    off = [name for name, each in sorted(wanted.items()) if not each.powered]
    if off and blocked:
        return fault(
            f"{listed(off)} is blocked",
            f"rfkill unblock bluetooth, or the switch on its case; {_UNHEARD}.",
            **figures,
        )
    if off:
        return warning(
            f"{listed(off)} is off",
            "The gateway switches it on when it starts; if it stays off: bluetoothctl power on.",
            **figures,
        )
    names = listed(f"{name} ({each.address})" for name, each in sorted(wanted.items()))
    if any(each.address.startswith(SIMULATED_OUI) for each in wanted.values()):
        return warning(
            f"a simulated home is heard in the place of this one: {names} is of wardlight air",
            "In a home: take DBUS_SYSTEM_BUS_ADDRESS out of the gateway's environment, and start "
            f"it again; {_UNHEARD}.",
            **figures,
        )
    return ok(f"{counted(len(wanted), 'adapter')}: {names}", **figures)


def _is_blocked() -> bool:
    """Whether the kernel keeps a Bluetooth adapter off (rfkill)."""
    try:
        for switch in _RFKILL.iterdir():
            if (switch / "type").read_text("ascii").strip() == "bluetooth" and any(
                (switch / kind).read_text("ascii").strip() == "1" for kind in ("soft", "hard")
            ):
                return True
    except OSError:
        return False
    return False
