"""The downtime sheet for the ward folder, as HTML to print and as plain text: for when nothing of
the system works. Both languages stand side by side on it, for whoever takes it out.
"""

from __future__ import annotations

from dashboards.sheet.html import render_html
from dashboards.sheet.text import render_text

__all__ = ["render_html", "render_text"]
