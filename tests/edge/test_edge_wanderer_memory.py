"""What is kept of habits: whole, or known to be damaged and kept aside."""

from __future__ import annotations

import asyncio
import sqlite3

import msgspec
import numpy as np
import pytest

from edge.wanderer_memory import WANDERERS_FILE, Kept, KeptArray, WandererMemory, pack

ARRAYS = {
    "habit": np.arange(48.0).reshape(24, 2),
    "here": np.array([-1.0, np.nan]),
    "none": np.zeros((0, 2)),
}


def kept() -> Kept:
    return Kept(
        residents=["resident-1", "resident-2"],
        zones=["room-211", "corridor"],
        told=[("night_wandering:resident-1:1799999000", 1_799_999_900)],
        arrays=pack(ARRAYS),
    )


def saved(folder) -> None:
    async def main():
        memory = WandererMemory(folder)
        assert await memory.load() is None
        await memory.save(kept())
        await memory.close()

    asyncio.run(main())


def loaded(folder) -> Kept | None:
    async def main():
        memory = WandererMemory(folder)
        found = await memory.load()
        await memory.close()
        return found

    return asyncio.run(main())


def names(folder) -> list[str]:
    with sqlite3.connect(folder / WANDERERS_FILE) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM kept")]


def test_what_is_saved_is_loaded(tmp_path):
    saved(tmp_path)
    found = loaded(tmp_path)
    assert found == kept()
    for name, values in found.values().items():
        np.testing.assert_array_equal(values, ARRAYS[name])


@pytest.mark.parametrize("payload", [b"", b"x\x9c\x03", b"not what was written"])
def test_what_cannot_be_read_is_kept_aside_and_nothing_stops(tmp_path, payload):
    saved(tmp_path)
    with sqlite3.connect(tmp_path / WANDERERS_FILE) as connection:
        connection.execute("UPDATE kept SET payload = ?", (payload,))
    assert loaded(tmp_path) is None
    assert names(tmp_path) == ["damaged"]
    saved(tmp_path)
    assert sorted(names(tmp_path)) == ["current", "damaged"]


def test_a_file_that_is_none_is_moved_aside(tmp_path):
    (tmp_path / WANDERERS_FILE).write_bytes(b"\xff" * 8_192)
    assert loaded(tmp_path) is None
    assert (tmp_path / f"{WANDERERS_FILE}.damaged-1").exists()


@pytest.mark.parametrize(
    ("shape", "bytes_kept"), [([3, 3], 32), ([2, 2], 31), ([2, 3], 32), ([], 32)]
)
def test_an_array_that_is_not_what_it_says_is_damage(shape, bytes_kept):
    arrays = {"habit": KeptArray(shape, b"\0" * bytes_kept)}
    damaged = msgspec.structs.replace(kept(), arrays=arrays)
    with pytest.raises(ValueError, match=r".+"):
        damaged.values()
