"""What a gateway hears with, as its settings say."""

from __future__ import annotations

import sys

import pytest

from contract.clock import VirtualClock
from wardlight.services import _radio
from wardlight.settings import Settings, SettingsError, load_settings


def written(tmp_path, text):
    path = tmp_path / "home.toml"
    path.write_text(f"[gateway]\n{text}\n")
    return path


def test_who_forgets_the_setting_watches_no_simulated_people():
    assert Settings().gateway.radio == "bluez"


def test_adapters_and_scan_are_checked_before_anything_runs(tmp_path):
    settings = load_settings(written(tmp_path, 'adapters = ["hci0", "hci1"]\nscan = "passive"'))
    assert settings.gateway.adapters == ("hci0", "hci1")
    for wrong in ('adapters = ["/dev/hci0"]', 'scan = "both"', 'radio = "wifi"'):
        with pytest.raises(SettingsError, match=r"gateway\."):
            load_settings(written(tmp_path, wrong))


def test_without_its_libraries_it_is_said_what_to_install(monkeypatch):
    for name in [each for each in sys.modules if each.startswith("edge.radio.bluez")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bleak", None)
    with pytest.raises(ValueError, match=r"pip install 'wardlight\[bluetooth\]'"):
        _radio(Settings(), VirtualClock())
