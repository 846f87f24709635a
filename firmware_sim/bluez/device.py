"""A peripheral as bluetoothd shows it: what it advertises, and the link to it."""

from __future__ import annotations

import asyncio
from typing import Final

from dbus_fast import Message, Variant

from contract.clock import Clock
from contract.protocols import HeardAdvert, LinkLostError
from contract.units import ns_to_seconds
from firmware_sim.bluez.attributes import Attributes
from firmware_sim.bluez.connection import CallRefusedError, Reply
from firmware_sim.bluez.controller import Controller
from firmware_sim.bluez.mishaps import FAILED, IN_PROGRESS, Mishap, refusal
from firmware_sim.bluez.objects import Exported, ObjectTree, Properties
from firmware_sim.bluez.peripherals import HeldLink, full_uuid

DEVICE: Final = "org.bluez.Device1"

RESOLVE_S: Final = 0.12
"""From the link to ``ServicesResolved``: reading a table of one service takes about eight
exchanges at a connection interval of 15 ms."""

ATTEMPT_S: Final = 20.0
"""The kernel gives up a connection that nobody answers (HCI_LE_CONN_TIMEOUT of Linux)."""

REFUSED_S: Final = 1.0
"""What fails sooner was refused; what takes longer was not answered."""

RSSI_STEP_DB: Final = 8
"""Without ``DuplicateData`` BlueZ tells of an RSSI only once it has moved so far (RSSI_THRESHOLD of
its src/device.c)."""

ABORTED_FOR_S: Final = 0.05
"""How long a device seems connected before an ``abort-by-local``."""


class Device:
    """One device of one adapter.

    Parameters
    ----------
    adapter_path
        Whose.
    advert
        By which it was first heard.
    controller, tree, clock
        Through which it is reached, where it is shown, and by which it waits.
    """

    def __init__(
        self,
        adapter_path: str,
        advert: HeardAdvert,
        *,
        controller: Controller,
        tree: ObjectTree,
        clock: Clock,
    ) -> None:
        self.address = advert.address
        self.path = f"{adapter_path}/dev_{advert.address.replace(':', '_')}"
        self._controller = controller
        self._tree = tree
        self._clock = clock
        self._link: HeldLink | None = None
        self._attributes: Attributes | None = None
        self._watching: asyncio.Task[None] | None = None
        self._attempt: asyncio.Task[HeldLink] | None = None
        self._rssi_dbm: int | None = advert.rssi_dbm
        self.seen_ns = clock.monotonic_ns()
        """When it was last heard."""
        properties: Properties = {
            "Address": Variant("s", advert.address),
            "AddressType": Variant("s", _address_type(advert.address)),
            "Alias": Variant("s", advert.local_name or advert.address.replace(":", "-")),
            "Adapter": Variant("o", adapter_path),
            "Paired": Variant("b", False),
            "Bonded": Variant("b", False),
            "Trusted": Variant("b", False),
            "Blocked": Variant("b", False),
            "LegacyPairing": Variant("b", False),
            "Connected": Variant("b", False),
            "ServicesResolved": Variant("b", False),
            "UUIDs": Variant("as", []),
            "AdvertisingFlags": Variant("ay", b"\x06"),
            **_advertised(advert),
            "RSSI": Variant("n", advert.rssi_dbm),
        }
        self._properties = properties
        tree.add(
            Exported(
                self.path,
                {DEVICE: properties},
                {(DEVICE, "Connect"): self._connect, (DEVICE, "Disconnect"): self._disconnect},
                {(DEVICE, "Trusted"): self._set_trusted},
            )
        )

    # -- adverts --------------------------------------------------------------------------

    def hear(self, advert: HeardAdvert, *, duplicates: bool) -> None:
        """It was heard again.

        Parameters
        ----------
        advert
            What it said.
        duplicates
            Whether somebody wants to hear also what did not change.
        """
        self.seen_ns = self._clock.monotonic_ns()
        said = _advertised(advert)
        if not duplicates:
            said = self._news(said)
        if duplicates or self._rssi_moved(advert.rssi_dbm):
            self._rssi_dbm = advert.rssi_dbm
            said["RSSI"] = Variant("n", advert.rssi_dbm)
        if said:
            self._tree.change(self.path, DEVICE, said)

    def _rssi_moved(self, rssi_dbm: int) -> bool:
        return self._rssi_dbm is None or abs(rssi_dbm - self._rssi_dbm) >= RSSI_STEP_DB

    def _news(self, said: Properties) -> Properties:
        """Of what it says, what it did not say before; BlueZ keeps what it said earlier of other
        companies and services.
        """
        news: Properties = {}
        for name, variant in said.items():
            before = self._properties.get(name)
            value = variant.value
            if before is not None and isinstance(value, dict):
                value = {**before.value, **value}
            if before is None or before.value != value:
                news[name] = Variant(variant.signature, value)
        return news

    def unheard(self) -> None:
        """Nobody looks for devices any more: how strongly it was heard is no longer known."""
        if self._rssi_dbm is not None:
            self._rssi_dbm = None
            self._tree.change(self.path, DEVICE, {}, ["RSSI"])

    # -- the link -------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether a link stands or is being made."""
        return self._link is not None or self._attempt is not None

    @property
    def notified(self) -> int:
        """Notifications that went out."""
        return 0 if self._attributes is None else self._attributes.notified

    async def _connect(self, call: Message) -> Reply:
        if self._link is not None:
            return Reply()
        if self._attempt is not None:
            raise CallRefusedError(IN_PROGRESS, "Operation already in progress")
        self._attempt = asyncio.create_task(self._reach())
        # Left to itself if the kernel gives up first: it must not say so to nobody.
        self._attempt.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        try:
            link = await asyncio.shield(self._attempt)
        except asyncio.CancelledError:
            if self._attempt.cancelled():
                raise CallRefusedError(FAILED, "Operation canceled") from None
            raise
        except LinkLostError as error:
            raise refusal(Mishap.ABORT) from error
        finally:
            self._attempt = None
        self._begin(link)
        return Reply()

    async def _reach(self) -> HeldLink:
        """Open a link; raises `LinkLostError`, as late as the kernel does for want of an answer."""
        begun_ns = self._clock.monotonic_ns()
        try:
            return await self._controller.connect(self.address)
        except LinkLostError:
            passed_s = ns_to_seconds(self._clock.monotonic_ns() - begun_ns)
            if passed_s > REFUSED_S:
                await self._clock.sleep(max(0.0, ATTEMPT_S - passed_s))
            raise

    def _begin(self, link: HeldLink) -> None:
        self._link = link
        self._tree.change(self.path, DEVICE, {"Connected": Variant("b", True)})
        self._watching = asyncio.create_task(self._watch(link))

    async def _watch(self, link: HeldLink) -> None:
        """Resolve the services, then wait for the end of the link."""
        resolving = asyncio.create_task(self._resolve(link))
        try:
            await link.until_lost()
        finally:
            resolving.cancel()
            await asyncio.gather(resolving, return_exceptions=True)
        self._end(link)

    async def _resolve(self, link: HeldLink) -> None:
        await self._clock.sleep(RESOLVE_S)
        if self._attributes is None:
            services = self._controller.services(self.address)
            self._attributes = Attributes(self.path, services, self._tree)
        self._attributes.connected(link)
        self._tree.change(
            self.path,
            DEVICE,
            {
                "UUIDs": Variant("as", self._attributes.uuids),
                "ServicesResolved": Variant("b", True),
            },
        )

    def _end(self, link: HeldLink) -> None:
        self._controller.links.discard(link)
        self._link = None
        if self._attributes is not None:
            self._attributes.disconnected()
        self._tree.change(
            self.path,
            DEVICE,
            {"ServicesResolved": Variant("b", False), "Connected": Variant("b", False)},
        )

    async def _disconnect(self, call: Message) -> Reply:
        if self._attempt is not None:
            self._attempt.cancel()
            return Reply()
        if self._link is None:
            raise CallRefusedError("org.bluez.Error.NotConnected", "Not Connected")
        await self.drop()
        return Reply()

    async def drop(self) -> None:
        """End the link, if there is one, and tell of it."""
        watching = self._watching
        if self._attempt is not None:
            self._attempt.cancel()
        if self._link is not None and watching is not None:
            await self._link.disconnect()
            await asyncio.gather(watching, return_exceptions=True)

    async def abort(self) -> None:
        """Seem connected for a moment, as before an ``abort-by-local``."""
        self._tree.change(self.path, DEVICE, {"Connected": Variant("b", True)})
        await self._clock.sleep(ABORTED_FOR_S)
        self._tree.change(self.path, DEVICE, {"Connected": Variant("b", False)})

    async def _set_trusted(self, value: bool) -> None:
        self._tree.change(self.path, DEVICE, {"Trusted": Variant("b", value)})

    def client_gone(self, client: str) -> None:
        """A client left the bus."""
        if self._attributes is not None:
            self._attributes.client_gone(client)

    async def close(self) -> None:
        """Let go without a word: bluetoothd itself is gone, or the adapter."""
        link, self._link = self._link, None
        tasks = [task for task in (self._watching, self._attempt) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._attributes is not None:
            self._attributes.disconnected()
        if link is not None:
            self._controller.links.discard(link)
            await link.disconnect()


def _address_type(address: str) -> str:
    # Static random addresses have both upper bits set, private ones the second alone.
    return "random" if int(address[:2], 16) & 0x40 else "public"


def _advertised(advert: HeardAdvert) -> Properties:
    said: Properties = {}
    if advert.manufacturer_data:
        said["ManufacturerData"] = Variant(
            "a{qv}",
            {company: Variant("ay", data) for company, data in advert.manufacturer_data.items()},
        )
    if advert.service_data:
        said["ServiceData"] = Variant(
            "a{sv}",
            {full_uuid(uuid): Variant("ay", data) for uuid, data in advert.service_data.items()},
        )
    if advert.service_uuids:
        said["UUIDs"] = Variant("as", [full_uuid(uuid) for uuid in advert.service_uuids])
    if advert.local_name:
        said["Name"] = Variant("s", advert.local_name)
        said["Alias"] = Variant("s", advert.local_name)
    return said
