"""The guest of ./run test-bluez: its modules load in their order, its archive can be read."""

from __future__ import annotations

import gzip

import pytest

from tools.test_bluez.image import MODULES, build


@pytest.fixture
def modules(tmp_path):
    """A kernel whose modules depend on each other."""
    depends = {"9p": "9pnet,netfs", "9pnet_virtio": "9pnet,virtio", "hci_vhci": "bluetooth"}
    names = {*MODULES, "9pnet", "netfs", "virtio", "bluetooth"}
    for name in names:
        # Files have hyphens where the kernel says underscores.
        path = tmp_path / "kernel" / f"{name.replace('_', '-')}.ko"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x7fELF\0depends=" + depends.get(name, "").encode() + b"\0name=x\0")
    return tmp_path


def entries(archive):
    """Names and contents of a cpio archive of the newc form."""
    data, at = gzip.decompress(archive), 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, name_size = fields[6], fields[11]
        name = data[at + 110 : at + 110 + name_size - 1].decode()
        begin = at + 110 + name_size + -(110 + name_size) % 4
        if name == "TRAILER!!!":
            return
        yield name, data[begin : begin + size]
        at = begin + size + -size % 4


def test_each_module_comes_after_what_it_depends_on(modules, tmp_path):
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"static")
    found = dict(entries(build(busybox, modules, "echo hello\n")))
    assert found["bin/busybox"] == b"static"
    assert found["script"] == b"echo hello\n"
    assert found["init"].startswith(b"#!/bin/busybox sh\n")
    order = [name.split("-", 1)[1] for name in sorted(found) if name.startswith("modules/")]
    assert len(order) == len(MODULES) + 4
    for later, earlier in (("9p", "9pnet"), ("9p", "netfs"), ("hci-vhci", "bluetooth")):
        assert order.index(f"{earlier}.ko") < order.index(f"{later}.ko")


def test_a_kernel_without_virtual_controllers_is_named_so(modules, tmp_path):
    (modules / "kernel/hci-vhci.ko").unlink()
    busybox = tmp_path / "busybox"
    busybox.write_bytes(b"")
    with pytest.raises(KeyError, match="hci_vhci"):
        build(busybox, modules, "")
