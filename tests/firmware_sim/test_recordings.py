from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from firmware_sim import ParquetRecording, RecordingError


def row(trial, **changes):
    return {
        "dataset": "made-up",
        "trial": trial,
        "subject": "p-1",
        "placement": "waist",
        "is_fall": True,
        "rate_hz": 40.0,
        "ax": [0.0, 0.1],
        "ay": [0.0, 0.2],
        "az": [1.0, 0.9],
    } | changes


def write(path, *rows, drop=()):
    table = pa.Table.from_pylist(list(rows))
    parquet.write_table(table.drop_columns(list(drop)), path)
    return path


def test_a_file_is_read_trial_by_trial(tmp_path):
    recording = ParquetRecording(write(tmp_path / "a.parquet", row("t-1"), row("t-2", rate_hz=50)))
    first, second = recording.trials()
    assert (first.trial, first.subject, first.placement, first.rate_hz) == (
        "t-1",
        "p-1",
        "waist",
        40.0,
    )
    assert first.labels == {"dataset": "made-up", "is_fall": True}
    assert first.samples_g.dtype == np.float32
    assert np.allclose(first.samples_g, [[0, 0.1], [0, 0.2], [1, 0.9]])
    assert second.rate_hz == 50.0
    assert recording.names == ("t-1", "t-2")


def test_a_folder_is_read_in_the_order_of_its_files(tmp_path):
    write(tmp_path / "b.parquet", row("t-2"))
    write(tmp_path / "a.parquet", row("t-1"))
    (tmp_path / "notes.txt").write_text("no recording")
    assert [stream.trial for stream in ParquetRecording(tmp_path).trials()] == ["t-1", "t-2"]
    only = ParquetRecording(tmp_path, "t-2")
    assert [stream.trial for stream in only.trials()] == ["t-2"]


def test_nulls_and_nan_are_samples_that_were_not_measured(tmp_path):
    path = write(tmp_path / "a.parquet", row("t-1", ax=[0.0, None], ay=[float("nan"), 0.0]))
    (stream,) = ParquetRecording(path).trials()
    assert np.isnan(stream.samples_g).tolist() == [[False, True], [True, False], [False, False]]


def test_subject_and_placement_may_be_missing(tmp_path):
    path = write(tmp_path / "a.parquet", row("t-1"), drop=["subject", "placement"])
    (stream,) = ParquetRecording(path).trials()
    assert (stream.subject, stream.placement) == (None, "wrist")


@pytest.mark.parametrize("axis", [1.0, "1.0", ["1.0", "1.0"], [[1.0], [1.0]]])
def test_axes_are_lists_of_numbers(tmp_path, axis):
    path = write(tmp_path / "a.parquet", {**row("t-1"), "ay": axis})
    with pytest.raises(RecordingError, match="its column ay holds"):
        ParquetRecording(path)


def test_a_trial_without_a_name_is_refused_alone(tmp_path):
    path = write(tmp_path / "a.parquet", row("t-1"), row(None), row("t-2"))
    refused = []
    streams = list(ParquetRecording(path).trials(refused.append))
    assert [stream.trial for stream in streams] == ["t-1", "t-2"]
    assert ["no name" in str(each) for each in refused] == [True]


@pytest.mark.filterwarnings("error")
def test_what_no_float_can_hold_is_not_measured(tmp_path):
    (stream,) = ParquetRecording(
        write(tmp_path / "a.parquet", {**row("t-1"), "ax": [1e300, 0.5]})
    ).trials()
    assert np.isfinite(stream.samples_g[0]).tolist() == [False, True]


def test_a_missing_column_is_named(tmp_path):
    path = write(tmp_path / "a.parquet", row("t-1"), drop=["az", "rate_hz"])
    with pytest.raises(RecordingError, match="no column rate_hz, az; it has dataset, trial"):
        ParquetRecording(path)


def test_an_unknown_trial_is_refused_with_the_nearest_names(tmp_path):
    path = write(tmp_path / "a.parquet", row("U01-F01-R01"), row("U01-F01-R02"), row("other"))
    with pytest.raises(RecordingError, match="near it: U01-F01-R0"):
        ParquetRecording(path, "U01-F1-R1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ax": [0.0]}, "differ in length"),
        ({"ax": [], "ay": [], "az": []}, "no samples"),
        ({"ax": None, "ay": None, "az": None}, "no samples"),
        ({"rate_hz": 0.0}, "rate_hz is 0.0"),
        ({"rate_hz": None}, "rate_hz is None"),
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
    ],
)
def test_a_trial_that_cannot_be_played_says_why_and_where(tmp_path, changes, reason):
    path = write(tmp_path / "a.parquet", row("good"), row("bad") | changes)
    with pytest.raises(RecordingError, match=f"trial bad in .*a.parquet.*{reason}"):
        list(ParquetRecording(path).trials())


def test_what_is_no_recording_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="no file or folder"):
        ParquetRecording(tmp_path / "nowhere")
    with pytest.raises(RecordingError, match=r"holds no \.parquet file"):
        ParquetRecording(tmp_path)
    (tmp_path / "text.parquet").write_text("this is no parquet")
    with pytest.raises(RecordingError, match="cannot be read as parquet"):
        ParquetRecording(tmp_path / "text.parquet")


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"wardlight\[recordings\]"):
        ParquetRecording(tmp_path)
