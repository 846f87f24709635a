from __future__ import annotations

import tracemalloc

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.layouts import (
    ImportReport,
    LayoutError,
    RecordedTrial,
    UnknownLayoutError,
    detect_layout,
    import_motion,
    read_back,
    read_metadata,
    table,
)


def sisfall(published, repetition=1, seed=0, seconds=4.0):
    text = published.sisfall_text(published.sisfall_counts(seconds, seed))
    return published.write(f"SA01/D01_SA01_R{repetition:02d}.txt", text)


def test_progress_counts_every_file_of_the_layout(published, out):
    for repetition in range(1, 4):
        sisfall(published, repetition=repetition, seed=repetition)
    published.write("SA01/D02_SA01_R01.txt", "")
    seen = []
    report = import_motion(
        published.root, out, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert (report.files, report.trials) == (4, 3)


def test_the_report_is_json_and_the_file_says_where_it_is_from(published, out):
    sisfall(published)
    report = import_motion(published.root, out)
    assert msgspec.json.decode(msgspec.json.encode(report), type=ImportReport) == report
    assert report.out == str(out)
    assert read_metadata(out) == {
        "wardlight.format": "wardlight-trials-1",
        "wardlight.layout": "sisfall",
        "wardlight.title": "SisFall",
        "wardlight.reader_version": "1",
        "wardlight.unit": "g",
        "wardlight.rate": "as recorded",
    }
    assert str(published.root) not in out.read_bytes().decode("latin-1")


def test_the_same_folder_makes_the_same_bytes(published, tmp_path):
    for repetition in range(1, 4):
        sisfall(published, repetition=repetition, seed=repetition)
    import_motion(published.root, tmp_path / "a.parquet")
    import_motion(published.root, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_row_groups_hold_a_bounded_number_of_samples(published, out, monkeypatch):
    monkeypatch.setattr(table, "ROW_GROUP_SAMPLES", 2_000)
    for repetition in range(1, 8):
        sisfall(published, repetition=repetition, seed=repetition)
    import_motion(published.root, out)
    metadata = pq.ParquetFile(out).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [3, 3, 1]
    assert len(list(read_back(out))) == 7


def test_nothing_readable_writes_nothing_and_keeps_what_was_there(published, out):
    out.write_bytes(b"older")
    published.write("SA01/D01_SA01_R01.txt", "")
    report = import_motion(published.root, out)
    assert (report.out, report.trials, report.exit_status) == (None, 0, 2)
    assert out.read_bytes() == b"older"
    assert list(out.parent.glob("*partial*")) == []


def test_a_failure_on_the_way_leaves_the_older_file(published, out):
    out.write_bytes(b"older")
    for repetition in range(1, 4):
        sisfall(published, repetition=repetition, seed=repetition)

    def stop(done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_motion(published.root, out, progress=stop)
    assert out.read_bytes() == b"older"
    assert sorted(path.name for path in out.parent.iterdir()) == ["download", "trials.parquet"]


def test_an_out_that_cannot_be_written(published, tmp_path):
    sisfall(published)
    with pytest.raises(LayoutError, match="is a folder"):
        import_motion(published.root, tmp_path)
    with pytest.raises(FileNotFoundError):
        import_motion(published.root, tmp_path / "no" / "such.parquet")


def test_two_copies_of_a_set_are_read_once(published, out):
    counts = published.sisfall_counts()
    published.write("a/SA01/D01_SA01_R01.txt", published.sisfall_text(counts))
    published.write("b/SA01/D01_SA01_R01.txt", published.sisfall_text(counts))
    published.write("c/SA01/D01_SA01_R01.txt", published.sisfall_text(counts + 1))
    report = import_motion(published.root, out)
    assert report.trials == 1
    assert [skip.reason for skip in report.skipped] == [
        "holds the samples of a/SA01/D01_SA01_R01.txt",
        "trial SA01-D01-R01 was already read from a/SA01/D01_SA01_R01.txt",
    ]


def test_an_unknown_folder_lists_what_was_looked_for(published, out):
    published.write("holiday/photo.jpg", b"\xff\xd8")
    with pytest.raises(UnknownLayoutError) as caught:
        import_motion(published.root, out)
    message = str(caught.value)
    for name in ("weda", "sisfall", "smartfallmm", "umafall", "sphere", "casas"):
        assert f"  {name}: " in message
    assert "sisfall_mma8451" not in message
    assert "No file name comes near" in message


def test_a_folder_with_two_sets_asks_which(published, out):
    sisfall(published)
    published.weda_file()
    with pytest.raises(UnknownLayoutError, match=r"more than one set.*weda.*sisfall"):
        detect_layout(published.root)
    report = import_motion(published.root, out, layout="sisfall")
    assert (report.layout, report.trials) == ("sisfall", 1)


def test_a_layout_that_the_folder_does_not_have(published, out):
    sisfall(published)
    with pytest.raises(UnknownLayoutError, match="no layout 'sisfail'; there are weda, sisfall"):
        import_motion(published.root, out, layout="sisfail")
    with pytest.raises(UnknownLayoutError, match="no known layout"):
        import_motion(published.root, out, layout="umafall")
    with pytest.raises(LayoutError, match="no such folder"):
        import_motion(published.root / "gone", out)


def test_what_mac_and_git_leave_about_is_passed_over(published, out):
    path = sisfall(published)
    published.write("__MACOSX/SA01/D01_SA01_R01.txt", path.read_bytes())
    published.write("SA01/._D01_SA01_R01.txt", b"\x00\x05\x16\x07")
    published.write(".git/SA01/D01_SA01_R02.txt", path.read_bytes())
    report = import_motion(published.root, out)
    assert (report.files, report.trials, report.exit_status) == (1, 1, 0)


numbers = st.floats(-16, 16, width=32)


@settings(max_examples=20, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=40),
            st.none() | st.floats(0, 100),
            st.sampled_from([None, "young", "older"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "trials.parquet"
    written = [
        RecordedTrial(
            dataset="d",
            trial=f"t{i}",
            subject="s",
            placement="wrist",
            age_group=age,
            activity="a",
            is_fall=fall,
            fall_start_s=mark,
            fall_end_s=mark,
            rate_hz=39.5,
            samples_g=np.array(samples, dtype=np.float32).T,
        )
        for i, (samples, mark, age, fall) in enumerate(rows)
    ]
    with table.TrialWriter(path, {}) as writer:
        for trial in written:
            writer.write(trial)
        writer.commit()
    read = list(read_back(path))
    for before, after in zip(written, read, strict=True):
        np.testing.assert_array_equal(before.samples_g, after.samples_g)
        assert before._replace(samples_g=None) == after._replace(samples_g=None)


def test_a_file_of_another_layout_is_not_read_back(tmp_path):
    import pyarrow as pa

    pq.write_table(pa.table({"trial": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="no column dataset"):
        list(read_back(tmp_path / "other.parquet"))


def peak_bytes(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_set(publish, tmp_path, monkeypatch):
    monkeypatch.setattr(table, "ROW_GROUP_SAMPLES", 8_000)
    peaks = {}
    for files in (6, 36):
        published = publish(f"set{files}")
        text = published.sisfall_text(published.sisfall_counts(seconds=20.0))
        for repetition in range(1, files + 1):
            # Different samples in each, without formatting each anew.
            published.write(f"SA01/D01_SA01_R{repetition:02d}.txt", f"{repetition}{text[4:]}")
        target = tmp_path / f"{files}.parquet"
        peaks[files] = peak_bytes(lambda a=published.root, b=target: import_motion(a, b))
        assert sum(1 for _ in read_back(target)) == files
    # Thirty trials more are 1.4 MB of samples; hashes and names are some 10 kB.
    assert peaks[36] < peaks[6] + 300_000, peaks
