"""Making a link: by the adapter that hears the wearable best and has a place free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bleak import BleakClient
from bleak_retry_connector import establish_connection

from contract.clock import Clock
from contract.protocols import LinkLostError
from edge.radio.bluez_adapter import Adapter
from edge.radio.bluez_library import BLEAK_ERRORS, reason_of
from edge.radio.bluez_link import BluezLink
from edge.radio.bluez_scan import SIGHTING_NS, Sighting
from edge.radio.calls import Calls
from edge.waiting import WaitedTooLongError
from edge.wearables import HEARD_NS

CONNECT_LIMIT_S: Final = 14.0
"""Below the limit of those who wait for a link (`edge.links.CONNECT_LIMIT_S`), so that they are
told our reason. A wearable in reach is connected within two seconds; one attempt of BlueZ takes up
to ten; after ``le-connection-abort-by-local`` bleak waits for a disconnection that may not come."""

ATTEMPTS: Final = 3
"""Of bleak-retry-connector, within the limit: failures by interference are over at the next."""


async def connect(
    address: str, adapters: Mapping[str, Adapter], clock: Clock, calls: Calls
) -> BluezLink:
    """A link to `address`.

    Raises
    ------
    LinkLostError
        If nobody hears it, all places are taken, or it does not come up.
    """
    adapter, sighting = _choose(address, adapters, clock.monotonic_ns())
    made: list[BluezLink] = []

    def lost(_client: BleakClient) -> None:
        # Attempts that fail call it too, before there is a link.
        for link in made:
            link.end(f"the link to {address} was lost")

    adapter.connecting += 1
    try:
        client = await calls.within(
            CONNECT_LIMIT_S,
            establish_connection(
                BleakClient,
                sighting.device,
                address,
                disconnected_callback=lost,
                max_attempts=ATTEMPTS,
                # BlueZ has one of its own; bleak's answers before BlueZ is ready to read.
                use_services_cache=False,
            ),
            f"connecting {address}",
            adapter.gone,
        )
    except LinkLostError:
        raise
    except (WaitedTooLongError, *BLEAK_ERRORS) as error:
        raise LinkLostError(reason_of(error)) from error
    finally:
        adapter.connecting -= 1
    link = BluezLink(client, clock, calls, adapter.links.discard)
    made.append(link)
    if not client.is_connected:
        link.end(f"the link to {address} was lost")
        raise LinkLostError(f"the link to {address} was lost as soon as it stood")
    adapter.links.add(link)
    return link


def _choose(address: str, adapters: Mapping[str, Adapter], now_ns: int) -> tuple[Adapter, Sighting]:
    """The adapter to connect with; raises `LinkLostError` if there is none."""
    hearing = [
        (adapter, sighting)
        for adapter in adapters.values()
        if (sighting := adapter.sighting(address)) is not None
        and now_ns - sighting.heard_ns <= SIGHTING_NS
    ]
    if not hearing:
        raise LinkLostError(f"{address} has not been heard for {SIGHTING_NS // 1_000_000_000} s")
    free = [each for each in hearing if each[0].free_links > 0]
    if not free:
        names = ", ".join(sorted(adapter.name for adapter, _ in hearing))
        raise LinkLostError(f"all links of {names} are taken")
    # One that has heard it just now before one that heard it better a while ago.
    return max(free, key=lambda each: (now_ns - each[1].heard_ns <= HEARD_NS, each[1].rssi_dbm))
