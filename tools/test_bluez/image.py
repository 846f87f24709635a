"""The initial RAM disk: busybox, the kernel's modules, and a script that goes over to the host's
own files, read-only, with changes in memory.
"""

from __future__ import annotations

import gzip
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

MODULES: Final = (
    "virtio_pci",
    "virtio_rng",
    "9pnet_virtio",
    "9p",
    "overlay",
    # The security manager of Bluetooth: without cmac, ecdh and a random source for it (drbg,
    # which wants ctr and sha512 at its start) Linux pairs with nobody.
    "cmac",
    "ctr",
    "ecb",
    "sha512_generic",
    "drbg",
    "ecdh_generic",
    "hci_vhci",
)
"""Loaded in this order, each after what it depends on."""

HOST: Final = "host"
"""Mount tag of the host's files."""
SCRIPT: Final = "/run/test-bluez.sh"

_OVERLAY: Final = "lowerdir=/lower,upperdir=/upper/changes,workdir=/upper/work"

_INIT: Final = f"""#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
for module in /modules/*.ko; do
  $b insmod "$module" || echo "init: $module was not loaded"
done
$b mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 {HOST} /lower &&
  $b mount -t tmpfs -o size=50% tmpfs /upper &&
  $b mkdir /upper/changes /upper/work &&
  $b mount -t overlay -o {_OVERLAY} overlay /root &&
  for each in proc sys dev; do $b mount --move /$each /root/$each; done &&
  $b mount -t tmpfs tmpfs /root/run &&
  $b cp /script /root{SCRIPT} &&
  $b chroot /root /bin/sh {SCRIPT}
echo "init: over, status $?"
$b poweroff -f
"""

_DEPENDS: Final = re.compile(rb"\0depends=([^\0]*)\0")
"""In a module's .modinfo section."""

_DIRECTORY: Final = stat.S_IFDIR | 0o755
_FILE: Final = stat.S_IFREG | 0o755
_PADDING: Final = 4
_FIELDS: Final = 13


def build(busybox: Path, modules: Path, script: str) -> bytes:
    """The image, as the kernel takes it.

    Parameters
    ----------
    busybox
        A static one.
    modules
        Folder of the kernel's version.
    script
        For ``/bin/sh`` on the host's files; the guest is switched off when it ends.

    Raises
    ------
    KeyError
        If this kernel has no such module.
    """
    files: dict[str, bytes | None] = dict.fromkeys(
        ("bin", "dev", "lower", "modules", "proc", "root", "sys", "upper")
    )
    files["bin/busybox"] = busybox.read_bytes()
    for number, module in enumerate(_ordered(modules)):
        files[f"modules/{number:03d}-{module.name}"] = module.read_bytes()
    files["init"] = _INIT.encode()
    files["script"] = script.encode()
    return gzip.compress(b"".join(_archive(files)), 1)


def _ordered(modules: Path) -> list[Path]:
    """Every module that is needed, each after those that it depends on."""
    there = {each.stem.replace("-", "_"): each for each in modules.rglob("*.ko")}
    found: dict[str, Path] = {}

    def need(name: str) -> None:
        if name in found:
            return
        path = there[name]
        depends = _DEPENDS.search(path.read_bytes())
        for other in depends[1].decode().split(",") if depends and depends[1] else []:
            need(other.replace("-", "_"))
        found[name] = path

    for name in MODULES:
        need(name)
    return list(found.values())


def _archive(files: Mapping[str, bytes | None]) -> Iterator[bytes]:
    """A cpio archive of the form that Linux wants (Documentation/driver-api/early-userspace);
    None is a folder.
    """
    for name, data in files.items():
        yield _entry(name, _DIRECTORY if data is None else _FILE, data or b"")
    yield _entry("TRAILER!!!", 0, b"")


def _entry(name: str, mode: int, data: bytes) -> bytes:
    fields = [0] * _FIELDS
    fields[1], fields[4], fields[6], fields[11] = mode, 1, len(data), len(name) + 1
    head = b"070701" + b"".join(b"%08X" % each for each in fields) + name.encode() + b"\0"
    return _padded(head) + _padded(data)


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _PADDING)
