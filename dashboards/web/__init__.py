"""The staff board and the JSON API: what carers look at and answer on, live and in two
languages. It reads and acts through `alerts.Desk` alone, and holds no state of its own but
who watches; run several beside each other, or none, and no alert is lost.
"""

from dashboards.web.app import create_app
from dashboards.web.server import RunningServer, serve

__all__ = ["RunningServer", "create_app", "serve"]
