"""Why an action at the desk was refused; each message is fit to be shown."""

from __future__ import annotations


class DeskError(Exception):
    """An action that was not done."""


class UnknownHomeError(DeskError):
    """The database knows no such home, or several and none was named."""


class UnknownIncidentError(DeskError):
    """There is no incident with this id."""


class UnknownCheckError(DeskError):
    """There is no manual check with this id."""


class UnknownStaffError(DeskError):
    """There is nobody with this id; nothing is done in nobody's name."""


class WrongStateError(DeskError):
    """The incident stands where this action makes no sense; the message says what would."""
