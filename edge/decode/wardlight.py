"""Our own wearables, as one kind among the others: how they are recognised by who enrols them."""

from __future__ import annotations

from typing import Final

from contract.advert import COMPANY_ID, is_own_layout
from contract.devices import DeviceKind, SensorDecoder, WearableDecoder
from contract.messages import SensorConfig, WearableConfig
from contract.protocols import HeardAdvert
from edge.wearables import OWN_KIND


class WardlightKind:
    """The wearables of `contract.advert`."""

    name: str = OWN_KIND

    def recognise(self, heard: HeardAdvert) -> str | None:
        data = heard.manufacturer_data.get(COMPANY_ID)
        return "Wardlight wearable" if data is not None and is_own_layout(data) else None

    def wearable(self, config: WearableConfig) -> WearableDecoder | None:
        """None: what they say needs an answer by this gateway, which no general decoder gives.
        `edge.decode.wearable` reads them, whatever is installed.
        """
        return None

    def sensor(self, config: SensorConfig) -> SensorDecoder | None:
        return None


KIND: Final[DeviceKind] = WardlightKind()
