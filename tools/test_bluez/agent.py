"""Who says yes when BlueZ asks whether to pair: somebody with neither a screen nor keys."""

# dbus_fast reads D-Bus types from annotations, so they must be evaluated here, and are no types.
# ruff: noqa: F821, N802
# mypy: disable-error-code="valid-type, name-defined, no-untyped-def"

from typing import Final

from dbus_fast.service import ServiceInterface, method

PATH: Final = "/wardlight/agent"
CAPABILITY: Final = "NoInputNoOutput"


class Agent(ServiceInterface):
    """``org.bluez.Agent1`` (doc/agent-api.txt of BlueZ), as far as it is asked without keys."""

    def __init__(self) -> None:
        super().__init__("org.bluez.Agent1")

    @method()
    def Release(self):
        """BlueZ needs it no longer."""

    @method()
    def Cancel(self):
        """What was asked is void."""

    @method()
    def RequestAuthorization(self, device: "o"):
        """Yes."""

    @method()
    def RequestConfirmation(self, device: "o", passkey: "u"):
        """Yes, unseen."""
