"""The wearable's GATT service: characteristics and control commands.

A gateway subscribes to *window* or *stream*, then writes a command to *control*. Commands
are one operation byte and its arguments, little-endian:

==== ================== ===================================================================
byte operation          arguments
==== ================== ===================================================================
0x01 acknowledge        uint8 candidate counter: its result is in a gateway's outbox
     candidate
0x02 acknowledge button uint8 button counter
0x03 request window     uint8 candidate counter, uint16 first packet wanted (0, or where a
                        broken transfer stopped)
0x04 start stream       none; it ends with the link
0x05 vibrate            uint8 pattern, `VibratePattern`
0x06 set time           uint64 microseconds since 1970
==== ================== ===================================================================

A window can be requested as long as the ring holds a part of it, also after its candidate was
acknowledged: a gateway acknowledges as soon as it has a result, and reads later what came after.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from typing import Final

from contract.advert import MalformedPacketError

SERVICE_UUID: Final = "7a8b0001-5d2e-4c63-9e0a-3f1c5b2d7e10"
WINDOW_UUID: Final = "7a8b0002-5d2e-4c63-9e0a-3f1c5b2d7e10"
STREAM_UUID: Final = "7a8b0003-5d2e-4c63-9e0a-3f1c5b2d7e10"
CONTROL_UUID: Final = "7a8b0004-5d2e-4c63-9e0a-3f1c5b2d7e10"

MAX_NOTIFICATION_BYTES: Final = 244
"""ATT MTU of 247 (what one link-layer packet carries) less three bytes of header."""


class Operation(IntEnum):
    """First byte of a control command."""

    ACKNOWLEDGE_CANDIDATE = 1
    ACKNOWLEDGE_BUTTON = 2
    REQUEST_WINDOW = 3
    START_STREAM = 4
    VIBRATE = 5
    SET_TIME = 6


class VibratePattern(IntEnum):
    """What the wearer feels."""

    LOCATE = 1
    HELP_IS_COMING = 2


_ARGUMENTS: Final[dict[Operation, struct.Struct]] = {
    Operation.ACKNOWLEDGE_CANDIDATE: struct.Struct("<B"),
    Operation.ACKNOWLEDGE_BUTTON: struct.Struct("<B"),
    Operation.REQUEST_WINDOW: struct.Struct("<BH"),
    Operation.START_STREAM: struct.Struct("<"),
    Operation.VIBRATE: struct.Struct("<B"),
    Operation.SET_TIME: struct.Struct("<Q"),
}

_OPERATIONS: Final = frozenset(_ARGUMENTS)


def encode_command(operation: Operation, *arguments: int) -> bytes:
    """A control command as bytes.

    Raises
    ------
    struct.error
        If the arguments are not those of the operation: a defect of the caller.
    """
    return bytes((operation,)) + _ARGUMENTS[operation].pack(*arguments)


def decode_command(data: bytes) -> tuple[Operation, tuple[int, ...]]:
    """Read a control command.

    Raises
    ------
    MalformedPacketError
        If the operation is unknown or its arguments have another length.
    """
    if not data:
        raise MalformedPacketError("an empty control command")
    if data[0] not in _OPERATIONS:
        raise MalformedPacketError(f"a control command with the unknown operation {data[0]}")
    operation = Operation(data[0])
    arguments = _ARGUMENTS[operation]
    if len(data) != 1 + arguments.size:
        raise MalformedPacketError(
            f"the control command {operation.name.lower()} with {len(data) - 1} bytes of "
            f"arguments instead of {arguments.size}"
        )
    return operation, arguments.unpack_from(data, 1)
