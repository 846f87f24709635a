"""Small folders in exactly the layouts that authors publish, with synthetic motion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

G = 9.80665

Floats = NDArray[np.float64]


class Published:
    """Writes files of published sets below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, content: str | bytes, *, windows: bool = False) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        path.write_bytes(data.replace(b"\n", b"\r\n") if windows else data)
        return path

    @staticmethod
    def motion(seconds: float, rate_hz: float, seed: int = 0) -> Floats:
        """Gravity on z with a little movement; shape (3, samples), in g."""
        count = round(seconds * rate_hz)
        values = np.random.default_rng(seed).normal(0, 0.05, (3, count))
        values[2] += 1
        return values

    @staticmethod
    def bursts(count: int, rate_hz: float, per_burst: int = 4) -> Floats:
        """Stamps as packets deliver samples: 1 ms apart in a burst, a burst every few samples."""
        index = np.arange(count)
        return (index // per_burst) * per_burst / rate_hz + (index % per_burst) * 0.001

    # --- WEDA-FALL

    def weda_text(self, motion: Floats, stamps: Floats) -> str:
        lines = ["accel_time_list,accel_x_list,accel_y_list,accel_z_list"]
        rows = zip(stamps, *(np.round(motion * G, 1)), strict=True)
        lines += [f"{t:.3f},{x},{y},{z}" for t, x, y, z in rows]
        return "\n".join(lines) + "\n"

    def weda_file(
        self,
        activity: str = "D01",
        user: int = 1,
        repetition: int = 1,
        *,
        rate: str = "40Hz",
        rate_hz: float = 39.9,
        seconds: float = 8.0,
        windows: bool = False,
        base: str = "dataset",
    ) -> Path:
        motion = self.motion(
            seconds,
            rate_hz,
            seed=int(activity[1:]) * 10_000
            + user * 100
            + repetition
            + (activity[0] == "F") * 10**6,
        )
        text = self.weda_text(motion, self.bursts(motion.shape[1], rate_hz))
        stem = f"{base}/{rate}/{activity}/U{user:02d}_R{repetition:02d}"
        for other in ("gyro", "orientation", "vertical_accel"):
            self.write(f"{stem}_{other}.csv", f"{other}_time_list,x\n0,1\n")
        return self.write(f"{stem}_accel.csv", text, windows=windows)

    def weda_marks(self, *lines: str, base: str = "dataset", windows: bool = False) -> Path:
        text = "\n".join(["filename,start_time,end_time", *lines]) + "\n"
        return self.write(
            f"{base}/fall_timestamps.csv", b"\xef\xbb\xbf" + text.encode(), windows=windows
        )

    # --- SisFall

    @staticmethod
    def sisfall_text(adxl: NDArray[np.int64], mma: NDArray[np.int64] | None = None) -> str:
        mma = adxl * 4 if mma is None else mma
        rows = zip(*adxl, *mma, strict=True)
        return "\n".join(
            f"{a:4d},{b:4d},{c:4d}, -18,-504,-352,{d:4d},{e:4d},{f:4d};"
            for a, b, c, d, e, f in rows
        )

    def sisfall_counts(self, seconds: float = 4.0, seed: int = 0) -> NDArray[np.int64]:
        return np.round(self.motion(seconds, 200.0, seed) * 256).astype(np.int64)

    # --- SmartFallMM

    def smartfall_watch(self, motion: Floats, stamps: list[str]) -> str:
        rows = zip(stamps, *(motion * G), strict=True)
        return "".join(f"{t},{x:.6f},{y:.6f},{z:.6f}\n" for t, x, y, z in rows)

    # --- UMAFall

    def umafall_text(
        self,
        sensors: dict[int, tuple[str, float]],
        seconds: float = 6.0,
        *,
        age: str = "% Age: 68\n",
        without_rows: tuple[int, ...] = (),
    ) -> str:
        """`sensors`: position and rate by sensor id."""
        head = "% Universidad de Malaga\n% Name: Subject_01\n" + age
        head += "% MAC address; Sensor ID; Position; Sensor Model\n"
        for number, (position, _) in sensors.items():
            head += f"% C4:BE:84:70:64:{number:02X}; {number}; {position}; SensorTag\n"
        head += "% TimeStamp; Sample No; X-Axis; Y-Axis; Z-Axis; Sensor Type; Sensor ID\n"
        rows = []
        for number, (_, rate_hz) in sensors.items():
            if number in without_rows:
                continue
            motion = self.motion(seconds, rate_hz, seed=number)
            for i, (x, y, z) in enumerate(motion.T):
                at = i * 1000 / rate_hz
                rows.append((at, f"{at:.0f};{i + 1};{x:.6f};{y:.6f};{z:.6f};0;{number}\n"))
                rows.append((at, f"{at:.0f};{i + 1};30.5;-120.0;2.1;1;{number}\n"))
        return head + "".join(text for _, text in sorted(rows, key=lambda row: row[0]))


@pytest.fixture
def published(tmp_path: Path) -> Published:
    folder = tmp_path / "download"
    folder.mkdir()
    return Published(folder)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "trials.parquet"


@pytest.fixture
def publish(tmp_path: Path) -> Callable[[str], Published]:
    """More folders, by name."""

    def make(name: str) -> Published:
        folder = tmp_path / name
        folder.mkdir()
        return Published(folder)

    return make
