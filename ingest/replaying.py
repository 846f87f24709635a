"""Dead letters, tried again: after an update, or a setting put right, they may be accepted.

What is accepted is stored as if it had just come, and is no dead letter any more; what is
refused again stays, with the reason that it was refused for first.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import Final

import msgspec

from contract.clock import Clock, now_us
from contract.events import Event
from contract.messages import Outcome
from contract.protocols import Message, WriteOutcome
from contract.telemetry import TelemetryBatch
from ingest.letters import DeadLetter
from ingest.reading import read_message
from ingest.store.ledger import Ledger
from ingest.store.protocol import IngestStore

LETTERS_AT_ONCE: Final = 200
"""In one transaction: ingest, which may be running, waits for so long."""


class Replayed(msgspec.Struct, kw_only=True):
    """What became of the dead letters."""

    tried: int = 0
    stored: int = 0
    repeated: int = 0
    """Stored before: the letter is gone, nothing is new."""
    refused: dict[str, int] = msgspec.field(default_factory=dict)
    """Reason, and how many letters are still refused for it."""
    truncated: int = 0
    """Not kept whole, so that they cannot be tried."""


async def replay_dead(
    ledger: Ledger,
    store: IngestStore,
    clock: Clock,
    home: str,
    *,
    containing: str = "",
    is_trial: bool = False,
) -> Replayed:
    """Try dead letters again, oldest first.

    Parameters
    ----------
    ledger
        Where the letters are.
    store
        Where what is accepted now goes.
    clock
        For the time of receipt.
    home
        Letters of another home stay refused.
    containing
        Only letters with this in their reason.
    is_trial
        Only say what would be read; change nothing.

    Raises
    ------
    contract.protocols.StoreUnavailableError
        If the ledger or the store cannot be used; what was tried until then is done.
    """
    replayed, refused, after = Replayed(), Counter[str](), 0
    while True:
        since = after
        letters = await ledger.in_thread(
            lambda since=since: ledger.transaction(  # type: ignore[misc]
                lambda entry: _letters(entry.connection, since, containing)
            )
        )
        if not letters:
            replayed.refused = dict(refused.most_common())
            return replayed
        after = letters[-1][0]
        await _replay(letters, (ledger, store, clock, home), replayed, refused, is_trial=is_trial)


_Letter = tuple[int, str, bytes, int, str]
"""Row, topic, payload, the payload's true length, reason."""


def _letters(connection: sqlite3.Connection, after: int, containing: str) -> list[_Letter]:
    return connection.execute(
        "SELECT id, topic, payload, payload_bytes, reason FROM dead_letter "
        "WHERE id > ? AND instr(reason, ?) > 0 ORDER BY id LIMIT ?",
        (after, containing, LETTERS_AT_ONCE),
    ).fetchall()


async def _replay(
    letters: list[_Letter],
    places: tuple[Ledger, IngestStore, Clock, str],
    replayed: Replayed,
    refused: Counter[str],
    *,
    is_trial: bool,
) -> None:
    ledger, store, clock, home = places
    events: list[tuple[int, Event]] = []
    batches: list[tuple[int, TelemetryBatch]] = []
    for row, topic, payload, length, _ in letters:
        replayed.tried += 1
        if len(payload) < length:
            replayed.truncated += 1
            continue
        read = read_message(Message(topic, bytes(payload)), home)
        if isinstance(read, DeadLetter):
            refused[read.reason] += 1
        elif isinstance(read, Event):
            events.append((row, read))
        else:
            batches.append((row, read))
    if is_trial or not (events or batches):
        replayed.stored += len(events) + len(batches)
        return
    outcomes = await store.write(
        [event for _, event in events], [batch for _, batch in batches], now_us(clock)
    )
    rows = [row for row, _ in (*events, *batches)]
    done = _settle(rows, [*outcomes[0], *outcomes[1]], replayed, refused)
    await ledger.in_thread(
        lambda: ledger.transaction(
            lambda entry: entry.connection.executemany("DELETE FROM dead_letter WHERE id = ?", done)
        )
    )


def _settle(
    rows: list[int], outcomes: list[WriteOutcome], replayed: Replayed, refused: Counter[str]
) -> list[tuple[int]]:
    """Count what became of each; the rows that are no dead letters any more."""
    done = []
    for row, (outcome, reason) in zip(rows, outcomes, strict=True):
        if outcome is Outcome.REJECTED:
            refused[reason or "refused by the store"] += 1
            continue
        done.append((row,))
        if outcome is Outcome.STORED:
            replayed.stored += 1
        else:
            replayed.repeated += 1
    return done
