"""Against the development data, where they are: the same columns, types, units and trials."""

from __future__ import annotations

import io
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from firmware_sim.layouts import (
    HomeEvent,
    casas_events,
    import_motion,
    read_back,
    sphere_sequences,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FALLS = ("weda", "smartfall_watch", "sisfall", "sphere_daily")

pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="../shared/data is absent: nothing to compare with"
)


def first(path, count):
    trials = []
    for trial in read_back(path):
        trials.append(trial)
        if len(trials) == count:
            break
    return trials


@pytest.mark.parametrize("name", FALLS)
def test_an_import_has_the_columns_and_types_of_the_development_data(published, out, name):
    published.weda_file()
    import_motion(published.root, out)
    ours = pq.read_schema(out).remove_metadata()
    theirs = pq.read_schema(DATA / "falls" / f"{name}.parquet").remove_metadata()
    assert ours.names == theirs.names
    for column in theirs:
        # A column of which a set has no value at all is stored without a type.
        assert str(column.type) == "null" or ours.field(column.name).type == column.type


@pytest.mark.parametrize("name", FALLS)
def test_the_development_data_are_read_back(name):
    for trial in first(DATA / "falls" / f"{name}.parquet", 3):
        assert trial.samples_g.shape[0] == 3
        assert trial.samples_g.dtype == np.float32


def test_weda_trials_published_anew_come_back_the_same(published, out):
    before = [t for t in read_back(DATA / "falls/weda.parquet") if t.subject in ("U01", "U21")]
    before = [t for t in before if t.trial.endswith("R01")]
    marks = []
    for trial in before:
        subject, activity, repetition = trial.trial.split("-")
        count = trial.samples_g.shape[1]
        # The uniform axis loses the bursts; count and duration are what is published.
        text = published.weda_text(trial.samples_g.astype(float), np.arange(count) / trial.rate_hz)
        published.write(f"dataset/40Hz/{activity}/{subject}_{repetition}_accel.csv", text)
        if trial.is_fall:
            name = f"{activity}/{subject}_{repetition}"
            marks.append(f"{name},{trial.fall_start_s},{trial.fall_end_s}")
    published.weda_marks(*marks)
    report = import_motion(published.root, out)
    after = {trial.trial: trial for trial in read_back(out)}
    assert report.exit_status == 0
    assert len(after) == len(before) > 15
    for trial in before:
        again = after[trial.trial]
        np.testing.assert_allclose(again.samples_g, trial.samples_g, atol=1e-6)
        assert again.rate_hz == pytest.approx(trial.rate_hz, rel=1e-4)
        plain = {"samples_g": None, "rate_hz": 0, "source": "", "notes": ()}
        assert again._replace(**plain) == trial._replace(**plain)


def test_sphere_sequences_published_anew_come_back_the_same(published, out):
    rooms = DATA / "rooms" / "sphere-00003"
    table = pq.read_table(rooms / "wrist.parquet")
    text = io.BytesIO()
    pa_csv.write_csv(table, text)
    published.write("train/00003/acceleration.csv", text.getvalue().replace(b'"', b""))
    for name in ("pir.csv", "location_0.csv"):
        published.write(f"train/00003/{name}", (rooms / name).read_bytes())
    [sequence] = sphere_sequences(published.root)
    np.testing.assert_array_equal(sequence.wrist.t_s, table["t"].to_numpy())
    for row, axis in enumerate("xyz"):
        np.testing.assert_array_equal(sequence.wrist.acceleration_g[row], table[axis].to_numpy())
    for row, name in enumerate(sequence.wrist.access_points):
        np.testing.assert_array_equal(sequence.wrist.rssi_dbm[row], table[name].to_numpy())
    assert {interval.name for interval in sequence.locations[0]} >= {"hall", "living"}
    assert sequence.pir is not None
    import_motion(published.root, out)
    [ours] = read_back(out)
    daily = {t.trial: t for t in read_back(DATA / "falls" / "sphere_daily.parquet")}["train-00003"]
    np.testing.assert_array_equal(ours.samples_g, daily.samples_g)
    assert ours.rate_hz == pytest.approx(daily.rate_hz, rel=1e-6)
    assert (ours.dataset, ours.placement, ours.activity) == (
        daily.dataset,
        daily.placement,
        daily.activity,
    )


def test_every_casas_event_is_read():
    path = DATA / "homes" / "casas-al.csv.gz"
    found = list(casas_events(path, ZoneInfo("America/Los_Angeles")))
    assert len(found) == 29_656
    assert all(isinstance(event, HomeEvent) for event in found)
    zone = ZoneInfo("America/Los_Angeles")
    assert found[0].at == datetime(2011, 6, 15, 1, 3, 39, 149620, tzinfo=zone)
    assert {event.message for event in found} <= {"ON", "OFF", "OPEN", "CLOSE"}
    assert all(event.activity for event in found)
