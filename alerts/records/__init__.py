"""The alert service's records: tables, migrations, and one way to read and to write them."""

from __future__ import annotations

from alerts.records.database import Database

__all__ = ["Database"]
