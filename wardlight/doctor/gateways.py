"""Gateways and services by what is heard of them, and the beds that nobody hears."""

from __future__ import annotations

from typing import Final

from contract import topics
from contract.clock import now_us
from contract.units import US_PER_S
from wardlight.doctor.context import Context
from wardlight.doctor.findings import Finding, Level, fault, ok, warning
from wardlight.doctor.hearing import ALERTS, INGEST, Heard, Sender, is_gateway
from wardlight.doctor.records import who_wears
from wardlight.doctor.standing import most_urgent
from wardlight.doctor.words import duration, listed

OUTBOX_OLD_S: Final = 60.0
"""An event is receipted within a second; one that has waited a minute is stuck."""

CLOCK_WARNING_S: Final = 2.0
"""NTP keeps machines of one network within milliseconds, and ours and theirs may each be off."""

CLOCK_FAULT_S: Final = 60.0
"""Beyond this the board passes its points over (`ingest.read.FUTURE_TOLERANCE_S`)."""

_PLACES: Final = {
    INGEST: "what is measured waits in the gateways' outboxes",
    ALERTS: "nobody is called; the gateways' own sirens take over after 60 s",
}


async def gateway(context: Context, name: str) -> Finding:
    """Whether a gateway is there, and what it says of itself."""
    heard = await context.heard()
    sender = heard.sender(name)
    if not sender.alive:
        beds = _beds_near(context, name) or (sender.status.beds if sender.status else [])
        return fault(
            _last_word(context, sender, heard),
            f"Look in on {listed(beds) or 'the beds around it'}; check its power and network, and "
            f"that wardlight gateway runs there.",
        )
    return _well(sender, f"heard just now; it hears {len(sender.wearables())} wearables")


async def service(context: Context, name: str) -> Finding:
    """Whether ingest or alerts is there, and what it says of itself."""
    heard = await context.heard()
    sender = heard.sender(name)
    if not sender.alive:
        return fault(
            f"{_last_word(context, sender, heard)}: {_PLACES[name]}",
            f"Start wardlight {name}, and read its log.",
        )
    if name == ALERTS and heard.alert_state is None and heard.alive(context.gateways):
        return fault(
            "it runs, but sends no alert state: it says itself that it could not call anybody",
            "Read the log of wardlight alerts: its records cannot be read, or it stalls.",
        )
    return _well(sender, "heard just now")


def _well(sender: Sender, what: str) -> Finding:
    """What a sender that lives says of itself."""
    status = sender.status
    causes = status.faults if status is not None else []
    if causes:
        remedy = most_urgent(causes)
        say = fault if remedy.level is Level.FAULT else warning
        return say(f"{what}; it says: {listed(causes)}", remedy.advice)
    counts = status.counts if status is not None else {}
    oldest_s = counts.get("outbox_oldest_s", 0.0)
    if oldest_s > OUTBOX_OLD_S:
        return warning(
            f"{what}; an event has waited {duration(oldest_s)} for its receipts",
            "See that ingest and alerts run and are of the same version as the gateway.",
            outbox_oldest_s=oldest_s,
        )
    return ok(what)


def _last_word(context: Context, sender: Sender, heard: Heard) -> str:
    """Why a sender does not count as there."""
    status = sender.status
    if status is None:
        return f"never heard, and not in {duration(heard.listened_s)} of listening"
    age_s = (now_us(context.clock) - status.at_us) / US_PER_S
    if sender.is_will():
        # A will carries the time at which its connection began.
        return "the broker lost it without a goodbye"
    if not status.online:
        return f"stopped {duration(max(age_s, 0.0))} ago"
    return (
        f"silent for {duration(heard.listened_s)} of listening; its last status is of "
        f"{duration(max(age_s, 0.0))} ago"
    )


def _beds_near(context: Context, name: str) -> list[str]:
    zones = {entry.zone for entry in context.settings.gateways if entry.name == name}
    return sorted(each.bed for each in context.settings.residents if each.zone in zones)


async def beds(context: Context) -> Finding:
    """Beds whose wearable no gateway hears, whatever processes run (DESIGN 4, liveness)."""
    heard = await context.heard()
    audible: set[str] = set()
    for name, sender in heard.senders.items():
        if sender.alive and is_gateway(name, sender):
            audible |= sender.wearables()
    worn = await who_wears(context)
    if worn is None:
        worn = {each.id: {each.device} for each in context.settings.residents if each.device}
    wearing = [each for each in context.settings.residents if worn.get(each.id)]
    without = sorted(each.bed for each in wearing if audible.isdisjoint(worn[each.id]))
    figures = {"beds": float(len(wearing)), "beds_without_cover": float(len(without))}
    if not wearing:
        return warning("no resident has a wearable", "Enrol wearables in [[residents]].", **figures)
    if without:
        return fault(
            f"{len(without)} of {len(wearing)} beds without cover: {listed(without)}",
            "Look in on them by hand until their wearables are heard: bring them near, charge "
            "them, or mend the gateway.",
            **figures,
        )
    return ok(f"the wearables of all {len(wearing)} are heard", **figures)


async def strangers(context: Context) -> Finding:
    """Gateways that speak and are not entered, and what nobody can read."""
    heard = await context.heard()
    if heard.unreadable:
        topic, why = next(iter(sorted(heard.unreadable.items())))
        return warning(
            f"messages that cannot be read: {listed(sorted(heard.unreadable))} ({why})",
            "Bring all machines to the same version; a retained message that nobody sends any "
            f"more is cleared with: mosquitto_pub -r -n -t '{topic}'",
        )
    unknown = sorted(
        name
        for name, sender in heard.senders.items()
        if name not in context.gateways and is_gateway(name, sender)
    )
    if unknown:
        topic = topics.build(context.settings.home.id, unknown[0], topics.STATUS)
        return warning(
            f"heard but not entered: {listed(unknown)}",
            "Enter them in [[gateways]]; of one that is gone for good, clear the status: "
            f"mosquitto_pub -r -n -t '{topic}'",
        )
    return ok("only the gateways that are entered speak")


async def clocks(context: Context) -> Finding:
    """How far the clocks of gateways and services are from ours."""
    heard = await context.heard()
    errors = {
        name: sender.clock_error_s
        for name, sender in sorted(heard.senders.items())
        if sender.clock_error_s is not None
    }
    if not errors:
        return fault("nobody is heard whose clock could be compared", "Start the gateways first.")
    figures = {f"{name}_ahead_s": round(error_s, 3) for name, error_s in errors.items()}
    off = {name: error_s for name, error_s in errors.items() if abs(error_s) > CLOCK_WARNING_S}
    if not off:
        return ok(f"within {duration(max(map(abs, errors.values())))} of this machine's", **figures)
    said = listed(
        f"{name} {duration(error_s)} {'ahead' if error_s > 0 else 'behind'}"
        for name, error_s in off.items()
    )
    is_far = any(abs(error_s) > CLOCK_FAULT_S for error_s in off.values())
    say = fault if is_far else warning
    return say(
        f"{said} of this machine",
        "Give each machine NTP (timedatectl set-ntp true), or let them ask this one.",
        **figures,
    )
