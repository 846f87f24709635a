"""Receipts: what became of messages, told to each sender in as few words as possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from contract.events import Receiver
from contract.messages import MESSAGE_SCHEMA, Outcome, Receipt

MAX_IDS: Final = 1_000
"""Ids in one receipt: 40 kB, well under `contract.wire.MAX_PAYLOAD_BYTES`."""


class AddressedReceipt(NamedTuple):
    """A receipt and the gateway (or service) that it is for."""

    sender: str
    receipt: Receipt


class ReceiptBook:
    """Collects the outcomes of one batch of messages: one receipt for each sender, outcome
    and reason.

    Parameters
    ----------
    at_us
        Wall time that the receipts carry.
    """

    def __init__(self, at_us: int) -> None:
        self._at_us = at_us
        self._ids: dict[tuple[str, Outcome, str | None], list[str]] = {}
        self._refused: dict[tuple[str, str, int], str] = {}
        self._settled: dict[tuple[str, str], Outcome] = {}

    def add_event(
        self, sender: str, event_id: str, outcome: Outcome, reason: str | None = None
    ) -> None:
        """What became of an event."""
        ids = self._ids.setdefault((sender, outcome, reason), [])
        ids.append(event_id)

    def refuse_batch(self, sender: str, session: str, sequence: int, reason: str) -> None:
        """A telemetry batch that will never be accepted."""
        self._refused[sender, session, sequence] = reason

    def settle_batches(self, sender: str, session: str, outcome: Outcome) -> None:
        """A batch of this session is durable; stored, if only one of several was."""
        if self._settled.get((sender, session)) is not Outcome.STORED:
            self._settled[sender, session] = outcome

    def receipts(self, settled_up_to: Callable[[str, str], int]) -> list[AddressedReceipt]:
        """All of them, in the order to be sent.

        A refused batch comes before the prefix that settles it: a sender that has read the
        prefix has forgotten the batch, and would not notice that it was refused.

        Parameters
        ----------
        settled_up_to
            From sender and session to the greatest sequence without a hole before it; 0 for
            none, and then there is no receipt.
        """
        made = [
            self._receipt(sender, outcome, reason, ids=ids[start : start + MAX_IDS])
            for (sender, outcome, reason), ids in self._ids.items()
            for start in range(0, len(ids), MAX_IDS)
        ]
        made += [
            self._receipt(sender, Outcome.REJECTED, reason, session=session, up_to=sequence)
            for (sender, session, sequence), reason in self._refused.items()
        ]
        for (sender, session), outcome in self._settled.items():
            up_to = settled_up_to(sender, session)
            if up_to > 0:
                made.append(self._receipt(sender, outcome, None, session=session, up_to=up_to))
        return made

    def _receipt(
        self,
        sender: str,
        outcome: Outcome,
        reason: str | None,
        *,
        ids: list[str] | None = None,
        session: str | None = None,
        up_to: int | None = None,
    ) -> AddressedReceipt:
        receipt = Receipt(
            schema=MESSAGE_SCHEMA,
            by=Receiver.INGEST,
            outcome=outcome,
            at_us=self._at_us,
            ids=ids or [],
            session=session,
            up_to_sequence=up_to,
            reason=reason,
        )
        return AddressedReceipt(sender, receipt)
