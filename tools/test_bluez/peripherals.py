"""Simulated wearables on a virtual air: what their firmware says, said by bumble's controllers.

The kernel's controller and those of the wearables share one `Air`, in one process. An advert of
`firmware_sim` becomes an advertising PDU, a link a connection, a transfer notifications; in
between are L2CAP, ATT and the security manager of bumble on one side and of Linux on the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

import structlog
from bumble import gatt, hci, ll
from bumble.controller import Controller
from bumble.core import PhysicalTransport
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.host import Host
from bumble.link import LocalLink
from bumble.pairing import PairingConfig
from bumble.transport import open_transport
from bumble.transport.common import AsyncPipeSink

from contract.advert import COMPANY_ID, decode_manufacturer_data
from contract.gatt import CONTROL_UUID, SERVICE_UUID, STREAM_UUID, WINDOW_UUID
from contract.protocols import HeardAdvert, LinkLostError, Radio, RadioLink

_log = structlog.get_logger(__name__)

ADAPTER_ADDRESS: Final = "00:57:4C:00:00:01"
SILENT_RSSI_DBM: Final = -127
"""Of a device that has not advertised yet: the lowest that HCI can say."""

_LEGACY: Final = Controller.le_features & ~(
    hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
    | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
    | hci.LeFeatureMask.LL_PRIVACY
)
"""What bumble's controllers can do, without what they only say: a controller with LL privacy
reports a connection by the enhanced event, bumble by the plain one, and Linux waits for the other
for twenty seconds, in which it does nothing else."""
_FLAGS: Final = bytes((0x02, 0x01, 0x06))
_MANUFACTURER: Final = 0xFF
_NOTIFY: Final = gatt.Characteristic.Properties.NOTIFY
_WRITE: Final = gatt.Characteristic.Properties.WRITE
_WRITEABLE: Final = gatt.Characteristic.WRITEABLE


class Air(LocalLink):  # type: ignore[misc]  # untyped
    """A link layer on which a signal has a strength."""

    def __init__(self) -> None:
        super().__init__()
        self.rssi_dbm: dict[str, int] = {}
        """By address, as the adapter hears it now."""

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """As bumble does it, but from the address that the connection was made with: Linux takes
        a new random address for each scan, and bumble would call it a stranger's.
        """
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if connection is not None and receiver is not None:
            asyncio.get_running_loop().call_soon(
                receiver.on_link_acl_data, connection.self_address, transport, data
            )


class Adapter(Controller):  # type: ignore[misc]
    """The controller that Linux uses; bumble's own reports everybody at -50 dBm.

    It has no extended advertising, as the adapters of a Raspberry Pi 3 and 4 have none.
    """

    le_features = _LEGACY
    pending_le_connection: hci.HCI_LE_Create_Connection_Command | None

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        """Report it once, with the strength of its sender."""
        if self.le_scan_enable:
            sender = pdu.advertiser_address
            report = hci.HCI_LE_Advertising_Report_Event.Report(
                event_type=hci.HCI_LE_Advertising_Report_Event.EventType.ADV_IND,
                address_type=sender.address_type,
                address=sender,
                data=pdu.data,
                rssi=self.link.rssi_dbm.get(_plain(sender), SILENT_RSSI_DBM),
            )
            self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))
        wanted = self.pending_le_connection
        if wanted is not None and wanted.peer_address == pdu.advertiser_address:
            self.create_le_connection(pdu.advertiser_address)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Stop looking for the wearable, and say so (Core, Vol 4, Part E, 7.8.13); bumble goes on
        looking, so that Linux never connects to anybody again.
        """
        wanted, self.pending_le_connection = self.pending_le_connection, None
        if wanted is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        # After the answer to this command.
        asyncio.get_running_loop().call_soon(
            self.send_hci_packet,
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=wanted.peer_address.address_type,
                peer_address=wanted.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            ),
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)


class WearableController(Controller):  # type: ignore[misc]
    """The controller of one wearable: it advertises when the firmware does, also while linked."""

    le_features = _LEGACY

    def __init__(self, name: str, air: Air, address: str) -> None:
        super().__init__(name, link=air, public_address=address)
        self.le_legacy_advertiser.own_address_type = hci.Address.RANDOM_DEVICE_ADDRESS

    def advertise(self, data: bytes) -> None:
        """Send one advert now, and be ready to be connected."""
        self.le_legacy_advertiser.advertising_data = data
        self.le_legacy_advertiser.enabled = True
        self.le_legacy_advertiser.send_advertising_data()


class Peripheral:
    """One wearable of a `Radio` as a GATT server.

    Attributes
    ----------
    connections
        How often somebody has connected.
    break_after
        When so many more notifications have gone, the link is dropped, once; None: never.
    bond
        How it is paired with the adapter, in words, once it is.
    """

    def __init__(self, air: Air, radio: Radio, address: str) -> None:
        self.address = address
        self.connections = 0
        self.notified = 0
        self.break_after: int | None = None
        self.bond: str | None = None
        self._radio = radio
        self._air = air
        self._said: bytes | None = None
        self._controller = WearableController(address, air, address)
        self._connection: Connection | None = None
        self._link: asyncio.Task[RadioLink] | None = None
        self._forwarders: dict[str, asyncio.Task[None]] = {}
        self._characteristics: dict[str, gatt.Characteristic] = {}
        host = Host(self._controller, AsyncPipeSink(self._controller))
        self.device = Device(
            config=DeviceConfiguration(name="Wardlight", address=hci.Address(address)), host=host
        )

    async def begin(self) -> None:
        """Power it on and lay out its service (`contract.gatt`)."""
        control = gatt.Characteristic(
            CONTROL_UUID, _WRITE, _WRITEABLE, gatt.CharacteristicValue(write=self._written)
        )
        for uuid in (WINDOW_UUID, STREAM_UUID):
            characteristic = gatt.Characteristic(
                uuid, _NOTIFY, gatt.Characteristic.Permissions(0), b""
            )
            characteristic.on("subscription", self._on_subscription(uuid))
            self._characteristics[uuid] = characteristic
        self.device.add_service(
            gatt.Service(SERVICE_UUID, [*self._characteristics.values(), control])
        )
        self.device.pairing_config_factory = _pairing
        self.device.on("connection", self._connected)
        await self.device.power_on()

    def say(self, heard: HeardAdvert) -> None:
        """The firmware has advertised; the strength is what the adapter hears it with."""
        self._air.rssi_dbm[self.address] = heard.rssi_dbm
        data = self._said = heard.manufacturer_data[COMPANY_ID]
        head = bytes((len(data) + 3, _MANUFACTURER)) + COMPANY_ID.to_bytes(2, "little")
        self._controller.advertise(_FLAGS + head + data)

    def pending(self, what: Literal["button", "candidate"]) -> bool:
        """Whether its advert still asks about that."""
        if self._said is None:
            return False
        advert = decode_manufacturer_data(self._said)
        return advert.button_pending if what == "button" else advert.candidate_pending

    async def drop(self) -> None:
        """Break the link from the wearable's side."""
        if self._connection is not None:
            await self._connection.disconnect()

    @property
    def linked(self) -> bool:
        """Whether a link stands."""
        return self._connection is not None

    def _connected(self, connection: Connection) -> None:
        self.connections += 1
        self._connection = connection
        self._link = asyncio.create_task(self._radio.connect(self.address))
        connection.on("disconnection", self._disconnected)
        connection.on("pairing", lambda _keys: self._paired(connection))

    def _paired(self, connection: Connection) -> None:
        how = "LE Secure Connections" if connection.sc else "LE legacy pairing"
        is_encrypted = "encrypted" if connection.is_encrypted else "not encrypted"
        self.bond = f"bonded by {how}, {is_encrypted}"

    def _disconnected(self, _reason: int) -> None:
        self._connection = None
        for forwarder in self._forwarders.values():
            forwarder.cancel()
        self._forwarders.clear()
        link, self._link = self._link, None
        if link is not None:
            link.add_done_callback(_let_go)
            link.cancel()

    async def _written(self, _connection: Connection, value: bytes) -> None:
        """A gateway wrote a command; a broken link is the gateway's to notice."""
        if self._link is None:
            return
        try:
            await (await self._link).write(CONTROL_UUID, bytes(value))
        except LinkLostError as error:
            _log.info("command_lost", address=self.address, reason=str(error))
            await self.drop()

    def _on_subscription(self, uuid: str) -> object:
        def changed(_connection: Connection, notify: bool, _indicate: bool) -> None:
            forwarder = self._forwarders.pop(uuid, None)
            if forwarder is not None:
                forwarder.cancel()
            if notify and self._link is not None:
                self._forwarders[uuid] = asyncio.create_task(self._forward(uuid, self._link))

        return changed

    async def _forward(self, uuid: str, connecting: asyncio.Task[RadioLink]) -> None:
        """Notify what the firmware sends, until the link is gone on either side."""
        try:
            link = await connecting
            async for payload, _ in link.notifications(uuid):
                if self._connection is None:
                    return
                await self.device.notify_subscriber(
                    self._connection, self._characteristics[uuid], payload
                )
                self.notified += 1
                if self.break_after is not None:
                    self.break_after -= 1
                    if self.break_after <= 0:
                        self.break_after = None
                        await self.drop()
        except LinkLostError as error:
            _log.info("firmware_let_go", address=self.address, reason=str(error))
            await self.drop()


def _pairing(_connection: Connection) -> PairingConfig:
    """A wearable has neither screen nor keys: it cannot show that nobody stands in between."""
    return PairingConfig(sc=True, mitm=False, bonding=True)


def _let_go(link: asyncio.Task[RadioLink]) -> None:
    """The firmware's side of a link that is gone."""
    if not link.cancelled() and link.exception() is None:
        asyncio.ensure_future(link.result().disconnect())  # noqa: RUF006 - it cannot fail


def _plain(address: hci.Address) -> str:
    return str(address.to_string(with_type_qualifier=False))


class OnTheAir:
    """Everybody whom a `Radio` hears, on the air of one adapter of this kernel."""

    def __init__(self, radio: Radio, addresses: list[str]) -> None:
        self._radio = radio
        self._air = Air()
        self.peripherals: Mapping[str, Peripheral] = {
            address: Peripheral(self._air, radio, address) for address in addresses
        }

    async def begin(self) -> None:
        """Give the kernel its adapter and power the wearables on."""
        transport = await open_transport("vhci")
        Adapter(
            "hci0",
            host_source=transport.source,
            host_sink=transport.sink,
            link=self._air,
            public_address=hci.Address(ADAPTER_ADDRESS, hci.Address.PUBLIC_DEVICE_ADDRESS),
        )
        for peripheral in self.peripherals.values():
            await peripheral.begin()

    async def run(self) -> None:
        """Advertise what the firmware does, until cancelled."""
        async for batch in self._radio.adverts():
            for heard in batch:
                peripheral = self.peripherals.get(heard.address)
                if peripheral is not None:
                    peripheral.say(heard)
