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


class UnknownResidentError(DeskError):
    """There is no resident with this id."""


class UnknownAbsenceError(DeskError):
    """There is no absence with this id."""


class UnknownFaultError(DeskError):
    """There is no such fault, or it is no longer open."""


class BadEndError(DeskError):
    """An expected end that cannot be; the message says what can."""


class UnknownStaffError(DeskError):
    """There is nobody with this id; nothing is done in nobody's name."""


class WrongStateError(DeskError):
    """The incident stands where this action makes no sense; the message says what would."""


class BadChoiceError(DeskError, ValueError):
    """What is asked for a resident's whereabouts cannot be; the message says what can."""


class NotAllowedError(DeskError):
    """It is not this person's to decide; the message says whose it is."""
