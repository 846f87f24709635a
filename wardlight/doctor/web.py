"""The board: whether it answers, and whether it can be believed."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any, Final

from contract.units import NS_PER_MS
from wardlight.doctor.context import Context, in_thread
from wardlight.doctor.findings import Finding, fault, ok, warning
from wardlight.doctor.words import listed, reason

ANSWER_S: Final = 4.0
"""The board answers in some 10 ms; a person who waits so long has given up."""

HEALTH_PATH: Final = "/api/v1/health"
"""Not imported from `dashboards.web`: FastAPI is no part of a gateway."""

_ANY_ADDRESS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - replaced, not bound


async def board(context: Context) -> Finding:
    """Ask the board for its health, as a browser on this machine would."""
    web = context.settings.web
    if web.port == 0:
        return warning(
            "the board takes any free port, so nobody knows where to look",
            "Give it a port in the table [web].",
        )
    host = _ANY_ADDRESS.get(web.host, web.host)
    place = f"[{host}]:{web.port}" if ":" in host else f"{host}:{web.port}"
    began_ns = context.machine.monotonic_ns()
    try:
        status, answer = await in_thread(lambda: _get(f"http://{place}{HEALTH_PATH}"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", error)
        return fault(
            f"no board at {place}: {reason(why) if isinstance(why, Exception) else why}",
            "Start wardlight web here; if it runs on another machine, run the doctor there too.",
        )
    took_ms = (context.machine.monotonic_ns() - began_ns) / NS_PER_MS
    if status == 503:
        return fault(
            f"the board at {place} cannot read the records",
            "See what the checks of the records say, and read the log of wardlight web.",
        )
    known = answer.get("status")
    if status != 200 or known not in ("ok", "degraded"):
        return fault(
            f"what answers at {place} is no board (status {status})",
            "Stop what else uses this port, or give the board another one in the table [web].",
        )
    if known == "degraded":
        return warning(
            f"{place} answers; it does not hear {listed(map(str, answer.get('not_heard', [])))}",
            "See what the checks of gateways and services say.",
            answer_ms=took_ms,
        )
    return ok(f"{place} answers in {took_ms:.0f} ms", answer_ms=took_ms)


def _get(url: str) -> tuple[int, dict[str, Any]]:
    """Status and JSON of an answer; never through a proxy, which knows no private addresses.

    Raises
    ------
    OSError, http.client.HTTPException, ValueError
        If there is no answer, or none in HTTP, or no JSON.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ANSWER_S) as response:
            status, body = response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {}
    try:
        answer = json.loads(body)
    except ValueError:
        return status, {}
    return status, answer if isinstance(answer, dict) else {}
