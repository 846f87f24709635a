"""Settings of devices: ``[[residents]]`` with wearables, ``[[sensors]]``, ``[[receivers]]``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

from wardlight.settings_plan import Identifier, Table, WhereaboutsSettings

__all__ = [
    "CarerTagSettings",
    "ContactSettings",
    "Identifier",
    "ReceiverSettings",
    "ResidentSettings",
    "SensorSettings",
    "Table",
    "VitalsSettings",
    "device_contradictions",
]

ADDRESS_PATTERN: Final = r"^([0-9A-F]{2}:){5}[0-9A-F]{2}$"
KIND_PATTERN: Final = r"^[a-z0-9][a-z0-9_-]{0,47}$"
KEY_PATTERN: Final = r"^[0-9A-Fa-f]{32}$"


class ContactSettings(Table):
    """One of a resident's ``contacts``."""

    name: str = Field(description="whom to tell")
    relation: str = Field("", description="who that is to her")
    phone: str = Field("", description="to be dialled")


class VitalsSettings(Table):
    """One resident's ``vitals``: when her heart rate is unusual, and who wants to be called."""

    pages: bool = Field(False, description="call people for it; otherwise it is written down")
    clinician: str | None = Field(None, description="who decided so, by name; needed to page")
    high_bpm: int | None = Field(None, ge=20, le=250, description="above it the rate is high")
    low_bpm: int | None = Field(None, ge=20, le=250, description="below it the rate is low")
    persistence_s: int | None = Field(
        None, ge=1, le=3600, description="how long it must last before it is told"
    )

    @model_validator(mode="after")
    def _somebody_answers(self) -> VitalsSettings:
        if self.pages and not (self.clinician or "").strip():
            raise ValueError("pages needs the name of the clinician who wants it")
        if self.high_bpm and self.low_bpm and self.high_bpm <= self.low_bpm:
            raise ValueError("high_bpm must be above low_bpm")
        return self


class ResidentSettings(Table):
    """``[[residents]]``: one resident and her wearable."""

    id: Identifier = Field(description="pseudonym in topics and telemetry")
    name: str = Field(description="as staff call her; stays in the alert service")
    bed: str = Field(description="label of the bed, such as 2/F 212-B")
    zone: Identifier = Field(description="zone of the bed")
    floor: str = Field("", description="floor, for the escalation's second step")
    device: Identifier | None = Field(None, description="her wearable, if she wears one")
    address: str | None = Field(
        None,
        pattern=ADDRESS_PATTERN,
        description="its Bluetooth address, upper case with colons",
    )
    identity: int | None = Field(
        None, ge=0, lt=2**32, description="the identity it advertises; none where it has a key"
    )
    kind: str = Field("wardlight", pattern=KIND_PATTERN, description="which decoder reads it")
    key: str | None = Field(
        None,
        pattern=KEY_PATTERN,
        description="what its rolling identity is made with; better set by `wardlight devices key`",
    )
    placement: str = Field("wrist", description="where worn: wrist, waist or pendant")
    streaming: bool = Field(False, description="hold a link with continuous samples")
    vitals: VitalsSettings | None = Field(None, description="when her heart rate is unusual")
    whereabouts: WhereaboutsSettings | None = Field(
        None, description="what somebody is called for by where she is"
    )
    plan: str = Field("", description="what to mind with her; printed on the downtime sheet")
    contacts: tuple[ContactSettings, ...] = Field(
        (), description="whom to tell; printed on the downtime sheet"
    )


class SensorSettings(Table):
    """``[[sensors]]``: one room sensor."""

    id: Identifier = Field(description="its name: call-point-2f, door-212")
    address: str = Field(
        pattern=ADDRESS_PATTERN, description="its Bluetooth address, upper case with colons"
    )
    zone: Identifier = Field(description="zone in which it hangs")
    kind: str = Field("bthome", pattern=KIND_PATTERN, description="which decoder reads it")
    key: str | None = Field(
        None, pattern=KEY_PATTERN, description="its encryption key, 32 hexadecimal digits"
    )
    key_file: Path | None = Field(None, description="file that holds the key and nothing else")
    resident: Identifier | None = Field(
        None, description="whose bed, chair or call point it is, where it is one person's alone"
    )

    def secret(self) -> str | None:
        """The key, from wherever it is.

        Raises
        ------
        ValueError
            If its file cannot be read; the message holds nothing of it.
        """
        if self.key_file is None:
            return self.key
        try:
            return self.key_file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise ValueError(
                f"sensor {self.id!r}: key_file {self.key_file} cannot be read: {reason}"
            ) from error


class CarerTagSettings(Table):
    """``[[carer_tags]]``: a tag that staff wear. Whose it is is written down nowhere."""

    device: Identifier = Field(description="its name: carer-tag-1, and not a person's")
    address: str = Field(
        "", pattern=f"{ADDRESS_PATTERN}|^$", description="its Bluetooth address; none if it rolls"
    )
    identity: int = Field(0, ge=0, lt=2**32, description="the identity it advertises, if any")
    kind: str = Field("wardlight", pattern=KIND_PATTERN, description="which decoder reads it")
    key: str | None = Field(
        None, pattern=KEY_PATTERN, description="what its rolling identity is made with"
    )

    @model_validator(mode="after")
    def _can_be_known(self) -> CarerTagSettings:
        if self.key is None and not self.address:
            raise ValueError("address, or the key with which it rolls")
        if self.kind == "wardlight" and self.key is None and not self.identity:
            raise ValueError("identity, or the key with which it rolls")
        return self


class ReceiverSettings(Table):
    """``[[receivers]]``: one receiver, which hears where no gateway stands."""

    name: str = Field(
        pattern=r"^[^/+#\s\x00]{1,64}$", description="its name, as in the topics it publishes on"
    )
    zone: Identifier = Field(description="zone in which it hangs")


def device_contradictions(
    residents: Sequence[ResidentSettings],
    sensors: Sequence[SensorSettings],
    carer_tags: Sequence[CarerTagSettings],
) -> Iterator[str]:
    """Faults that no single value shows: a device that is two, or half of one."""
    worn: list[ResidentSettings | CarerTagSettings] = [*residents, *carer_tags]
    for what, ids in (
        ("devices", [each.device for each in worn if each.device] + [s.id for s in sensors]),
        (
            "device addresses",
            [each.address for each in worn if each.address] + [s.address for s in sensors],
        ),
    ):
        for repeated in sorted({value for value in ids if ids.count(value) > 1}):
            yield f"{what}: {repeated!r} stands twice"
    yield from map(_incomplete, filter(_is_incomplete, residents))
    known = {resident.id for resident in residents}
    for sensor in sensors:
        if sensor.key is not None and sensor.key_file is not None:
            yield f"sensor {sensor.id!r}: key or key_file, not both"
        if sensor.resident is not None and sensor.resident not in known:
            yield f"sensor {sensor.id!r}: unknown resident {sensor.resident!r}"


def _is_incomplete(resident: ResidentSettings) -> bool:
    """Too little is said of her wearable. One with a key, or of another maker, needs less."""
    given: list[str | int | None] = [resident.device, resident.address]
    if resident.kind == "wardlight" and resident.key is None:
        given.append(resident.identity)
    return None in given and any(value is not None for value in given)


def _incomplete(resident: ResidentSettings) -> str:
    return f"resident {resident.id!r}: device, address and identity go together"
