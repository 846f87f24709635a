"""What ingest does with very much at a time: pieces for a write, and one statement for many."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contract.messages import Outcome
from contract.protocols import Message
from ingest import SqliteStore
from ingest.service import MAX_BYTES_PER_WRITE, MAX_MESSAGES_PER_WRITE, portions

LENGTHS = st.lists(
    st.sampled_from([0, 264, 3_200, MAX_BYTES_PER_WRITE // 2, MAX_BYTES_PER_WRITE, 300_000]),
    max_size=40,
)


@given(LENGTHS, st.integers(0, 3))
def test_a_write_takes_no_more_than_it_may_and_nothing_is_left_out(
    lengths: list[int], many: int
) -> None:
    messages = [Message("a", bytes(each)) for each in lengths] + [Message("b", b"")] * (400 * many)
    pieces = list(portions(messages))
    assert [each for piece in pieces for each in piece] == messages
    for piece in pieces:
        assert 1 <= len(piece) <= MAX_MESSAGES_PER_WRITE
        size = sum(len(each.payload) for each in piece)
        assert len(piece) == 1 or size <= MAX_BYTES_PER_WRITE


def test_one_batch_that_cannot_be_stored_keeps_no_other_out(
    tmp_path: Path, batch: Any, point: Any
) -> None:
    unstorable = batch(2, points=[point(20), point(21, battery_percent=2**70)])
    batches = [batch(1), unstorable, batch(3), batch(1), batch(2), unstorable, batch(4)]

    async def main() -> None:
        store = SqliteStore.open(tmp_path / "store.sqlite")
        _, outcomes = await store.write([], batches, 1)
        assert [outcome for outcome, _ in outcomes] == [
            Outcome.STORED,
            Outcome.REJECTED,
            Outcome.STORED,
            Outcome.DUPLICATE,
            Outcome.STORED,
            Outcome.DUPLICATE,
            Outcome.STORED,
        ]
        assert store.settled_up_to("demo", "gateway-a", batch(1).session) == 4
        reader = store.reader()
        stored = reader.series("resident-1", "max_g", 0, 4_000_000_000_000_000)
        assert len(stored.at_us) == 4 * len(batch(1).points), "each once, and none of the refused"
        reader.close()
        _, again = await store.write([], [batch(5), batch(5), batch(4)], 1)
        assert [outcome for outcome, _ in again] == [
            Outcome.STORED,
            Outcome.DUPLICATE,
            Outcome.DUPLICATE,
        ]
        await store.close()

    asyncio.run(main())
