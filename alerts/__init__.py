"""From events to people: policy → incident → escalation → channels, with the residents, the
staff and the case records behind it, in a database of its own. `AlertService` runs it,
`Desk` is what people see and do, `Directory` is who lives and works here.
"""

from __future__ import annotations

from alerts.channels import AppriseChannel, Channel, ChannelError, Notice
from alerts.desk import (
    Desk,
    DeskError,
    UnknownCheckError,
    UnknownHomeError,
    UnknownIncidentError,
    UnknownStaffError,
    WrongStateError,
)
from alerts.directory import Directory
from alerts.records.database import Database
from alerts.service import AlertService
from alerts.views import (
    Board,
    CheckView,
    EventLine,
    FaultView,
    IncidentView,
    LogLine,
    ResidentState,
    ResidentView,
    ResolutionOutcome,
    ServiceView,
    StaffRole,
    StaffView,
)

__all__ = [
    "AlertService",
    "AppriseChannel",
    "Board",
    "Channel",
    "ChannelError",
    "CheckView",
    "Database",
    "Desk",
    "DeskError",
    "Directory",
    "EventLine",
    "FaultView",
    "IncidentView",
    "LogLine",
    "Notice",
    "ResidentState",
    "ResidentView",
    "ResolutionOutcome",
    "ServiceView",
    "StaffRole",
    "StaffView",
    "UnknownCheckError",
    "UnknownHomeError",
    "UnknownIncidentError",
    "UnknownStaffError",
    "WrongStateError",
]
