"""The gateway's own small page: what sounds and why, beds, wearables, faults; and one big button,
"I am going". It works with no broker and no server, from the standard library alone (decision
0010), and knows bed labels and no names.
"""

from __future__ import annotations

from edge.page.server import GatewayPage

__all__ = ["GatewayPage"]
