"""Who may say and hear what: mosquitto's access list, by role.

There is no ``pattern`` and no rule for everybody: who does not stand in the list may nothing,
also on a connection that stood before he was taken out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from contract import topics
from wardlight.provision.registry import Registry

SERVICE_PREFIX: Final = "service."
"""Before a service's name in its certificate: no gateway's name holds a dot, so none passes for
a service (`contract.ids.IDENTIFIER_PATTERN`)."""

PROVISION: Final = "provision"
"""Who tells the broker that something has changed, and throws out whom it concerns."""

SYSTEM: Final = "$SYS/broker/#"

RECEIVERS_ROOT: Final = "home"
"""The topic that OpenMQTTGateway and Theengs begin with, as delivered."""
RECEIVERS: Final = f"{RECEIVERS_ROOT}/+/BTtoMQTT/#"
"""The adverts that receivers publish; nothing else there concerns a gateway."""

_GATEWAY_SAYS: Final = (
    topics.TELEMETRY,
    topics.STATUS,
    topics.PRESENCE,
    topics.WHEREABOUTS,
    topics.SIREN,
    topics.DISCOVERED,
)
"""Beside its events."""

_GENERATION: Final = "generation"

Rule = tuple[str, str]
"""``read``, ``write`` or ``readwrite``, and a filter."""


def identity(name: str, role: str) -> str:
    """The name in a certificate, which is the user that the broker sees."""
    return f"{SERVICE_PREFIX}{name}" if role == "service" else name


def gateway_rules(home: str, name: str) -> Iterator[Rule]:
    """A gateway says what is its own and hears what is meant for it, and its neighbours.

    It may not write what it reads: a configuration that a stolen gateway retains for itself
    would outlive it.
    """
    for kind in _GATEWAY_SAYS:
        yield "write", topics.build(home, name, kind)
    yield "write", topics.event_topic(home, name, topics.ANY)
    for kind in (topics.RECEIPT, topics.ALERT_STATE, topics.CONFIG, topics.COMMAND):
        yield "read", topics.build(home, name, kind)
    yield from _of_all(home, "read", topics.PRESENCE, topics.WHEREABOUTS)
    yield "read", RECEIVERS


def receiver_rules(_home: str, name: str) -> Iterator[Rule]:
    """A receiver says what it hears, as itself, and is told how to."""
    yield "write", f"{RECEIVERS_ROOT}/{name}/#"
    yield "read", f"{RECEIVERS_ROOT}/{name}/commands/#"


def sounder_rules(home: str, _name: str) -> Iterator[Rule]:
    """A siren of its own hears when to sound, and nothing else."""
    yield "read", topics.build(home, topics.ANY, topics.SIREN)


def _of_all(home: str, what: str, *branches: str) -> Iterator[Rule]:
    for branch in branches:
        yield what, topics.build(home, topics.ANY, branch)


def _own(home: str, name: str) -> Rule:
    return "readwrite", f"{topics.ROOT}/{home}/{name}/#"


def _ingest(home: str) -> Iterator[Rule]:
    yield _own(home, "ingest")
    yield "read", topics.event_topic(home, topics.ANY, topics.ANY)
    yield from _of_all(home, "read", topics.TELEMETRY)
    yield from _of_all(home, "write", topics.RECEIPT)


def _alerts(home: str) -> Iterator[Rule]:
    yield _own(home, "alerts")
    yield "read", topics.event_topic(home, topics.ANY, topics.ANY)
    yield from _of_all(home, "read", topics.STATUS, topics.PRESENCE, topics.WHEREABOUTS)
    told = (topics.RECEIPT, topics.ALERT_STATE, topics.CONFIG, topics.COMMAND)
    yield from _of_all(home, "write", *told)


def _web(home: str) -> Iterator[Rule]:
    yield from _of_all(home, "read", topics.STATUS, topics.ALERT_STATE)


def _doctor(home: str) -> Iterator[Rule]:
    yield _own(home, "doctor")
    yield from _of_all(home, "read", topics.STATUS, topics.PRESENCE, topics.ALERT_STATE)
    yield "read", SYSTEM


def _devices(home: str) -> Iterator[Rule]:
    """Asks gateways what they hear, and hears what they answer (`wardlight devices`)."""
    yield from _of_all(home, "read", topics.STATUS, topics.DISCOVERED)
    yield from _of_all(home, "write", topics.COMMAND)


def _engineer(home: str) -> Iterator[Rule]:
    yield "read", f"{topics.ROOT}/{home}/#"
    yield _own(home, "replay")


def _provision(_home: str) -> Iterator[Rule]:
    yield from ()


SERVICES: Final[Mapping[str, Callable[[str], Iterator[Rule]]]] = MappingProxyType(
    {
        "ingest": _ingest,
        "alerts": _alerts,
        "web": _web,
        "doctor": _doctor,
        "devices": _devices,
        PROVISION: _provision,
        "engineer": _engineer,
    }
)
"""By the name of the service."""

EVERY_HOME_HAS: Final = ("ingest", "alerts", "web", "doctor", "devices", PROVISION)
"""An engineer's certificate reads everything, and plays alarms: it is made when one comes."""


def generation_topic(registry: Registry) -> str:
    """What may be written as soon as the broker has read this very list, and not before."""
    return topics.build(registry.home, PROVISION, f"{_GENERATION}-{registry.generation}")


def access_list(registry: Registry) -> str:
    """Mosquitto's ``acl_file`` (mosquitto.conf(5))."""
    home = registry.home
    lines = ["# Written by `wardlight provision`; the next one overwrites it."]

    def enter(name: str, rules: Iterator[Rule]) -> None:
        lines.extend(("", f"user {name}", *(f"topic {what} {where}" for what, where in rules)))

    for member in registry.of("gateway"):
        enter(member.name, gateway_rules(home, member.name))
    for member in registry.of("receiver"):
        enter(member.name, receiver_rules(home, member.name))
    for member in registry.of("sounder"):
        enter(member.name, sounder_rules(home, member.name))
    for member in registry.of("service"):
        enter(identity(member.name, member.role), SERVICES[member.name](home))
        if member.name == PROVISION:
            lines.append(f"topic write {generation_topic(registry)}")
    return "\n".join(lines) + "\n"
