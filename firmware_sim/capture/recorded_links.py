"""What a recording gateway's links came to, by address: for a player that is asked for the same."""

from __future__ import annotations

from typing import NamedTuple

from firmware_sim.capture.format import LinkStep
from firmware_sim.capture.reader import Capture


class RecordedAttempt(NamedTuple):
    """One attempt at a link in the recording; recorded monotonic ns."""

    outcome_ns: int
    failure: str | None
    until_ns: int
    """When the link was lost or let go; the outcome, of one that failed."""
    asked_ns: int


class RecordedValue(NamedTuple):
    """A value that was read; recorded monotonic ns."""

    at_ns: int
    data: bytes | None
    reason: str


def recorded_values(capture: Capture) -> dict[tuple[str, str], list[RecordedValue]]:
    """Every value that was read or could not be, by address and characteristic, in order."""
    values: dict[tuple[str, str], list[RecordedValue]] = {}
    for row in capture.links(notifications=False):
        if row.step in (LinkStep.READ, LinkStep.READ_FAILED):
            data = (row.data or b"") if row.step is LinkStep.READ else None
            value = RecordedValue(
                row.at_ns, data, row.reason or "it could not be read in the recording"
            )
            values.setdefault((row.address, row.characteristic or ""), []).append(value)
    return values


def recorded_attempts(capture: Capture) -> dict[str, list[RecordedAttempt]]:
    """Every recorded attempt at a link by address, in order."""
    asked: dict[int, int] = {}
    found: dict[int, tuple[str, RecordedAttempt]] = {}
    end_ns = capture.end_ns()
    for row in capture.links(notifications=False):
        if row.step is LinkStep.ASKED:
            asked[row.link] = row.at_ns
            unknown = RecordedAttempt(end_ns, "the recording ends here", end_ns, row.at_ns)
            found[row.link] = (row.address, unknown)
        elif row.step is LinkStep.FAILED:
            reason = row.reason or "the link did not come up in the recording"
            attempt = RecordedAttempt(row.at_ns, reason, row.at_ns, asked.get(row.link, row.at_ns))
            found[row.link] = (row.address, attempt)
        elif row.step is LinkStep.CONNECTED:
            attempt = RecordedAttempt(row.at_ns, None, end_ns, asked.get(row.link, row.at_ns))
            found[row.link] = (row.address, attempt)
        elif row.step in (LinkStep.LOST, LinkStep.LET_GO) and row.link in found:
            address, attempt = found[row.link]
            found[row.link] = (address, attempt._replace(until_ns=row.at_ns))
    attempts: dict[str, list[RecordedAttempt]] = {}
    for address, attempt in found.values():
        attempts.setdefault(address, []).append(attempt)
    for of_address in attempts.values():
        of_address.sort(key=lambda each: each.until_ns)
    return attempts
