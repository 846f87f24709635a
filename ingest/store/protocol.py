"""What ingest needs of a store; `tests/ingest/test_store_conformance.py` runs against each.

A store is the place of the measures and events. What must be remembered exactly (which
batches and events were taken, receipts' prefixes, dead letters) is kept in a local
`ingest.store.ledger.Ledger`, whatever the store is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from contract.protocols import Store
from ingest.letters import DeadLetter
from ingest.read import ReadSide


class IngestStore(Store, Protocol):
    """A store as ingest needs it, beyond `contract.protocols.Store`.

    `durable` says whether the *place of the measures* keeps what it acknowledged over a kill;
    where it does not, the store itself keeps a journal in its ledger, so that a returned
    `write` holds for every store alike.
    """

    @property
    def where(self) -> str:
        """The place of the measures, for people; holds no secret."""
        ...

    @property
    def dead_letters_forgotten(self) -> int:
        """Dead letters deleted to make room, since the start."""
        ...

    @property
    def points_refused(self) -> int:
        """Points refused one by one, out of batches that were stored, since the start."""
        ...

    async def write_dead_letters(self, letters: Sequence[DeadLetter], received_at_us: int) -> None:
        """Keep refused messages; a batch among them is settled for `settled_up_to`.

        Raises
        ------
        contract.protocols.StoreUnavailableError
            If nothing was written.
        """
        ...

    def settled_up_to(self, home: str, gateway: str, session: str) -> int:
        """Greatest sequence up to which every batch is durable, of a session just written.

        Stored or kept as a dead letter; 0 if the first is missing, or the session was in no
        write since the store was opened.
        """
        ...

    async def upkeep(self, now_us: int, *, thin: bool = True) -> bool:
        """Do one piece of what is to be done regularly, for at most some 0.1 s of the store's
        thread; whether more is waiting.

        Parameters
        ----------
        now_us
            Wall time.
        thin
            Whether this time can be believed, so that what is too old by it may go.

        Raises
        ------
        contract.protocols.StoreUnavailableError
            If it cannot be done now.
        """
        ...

    def reader(self) -> ReadSide:
        """A reader of it, which the caller closes."""
        ...
