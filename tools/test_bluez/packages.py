"""What the guest needs of Debian: a kernel with virtual controllers, ``bluetoothd``, busybox.

They are downloaded by apt, which checks their signatures, and unpacked beside each other into a
cache; nothing of it is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

CACHE: Final = "wardlight/test-bluez"
KERNEL: Final = "linux-image-amd64"
"""The package that stands for the newest kernel of the release."""
UNPACKED: Final = "unpacked"
COMPLETE: Final = "complete"
"""Written last: a download that was broken off is begun anew."""

DOWNLOAD_LIMIT_S: Final = 600.0
"""75 megabytes."""

_DEPENDS: Final = re.compile(r"^ +Depends: (\S+)$", re.MULTILINE)
_CANDIDATE: Final = re.compile(r"^ +Candidate: (\S+)$", re.MULTILINE)


class NotHereError(RuntimeError):
    """Something cannot be had on this machine; the message says what to do."""


class Parts(NamedTuple):
    """Where the parts of a guest are."""

    kernel: Path
    modules: Path
    """Folder of one kernel version."""
    bluetoothd: Path
    libraries: Path
    """What ``bluetoothd`` is linked with, where the machine itself lacks it."""
    busybox: Path
    versions: str
    """Of kernel and BlueZ, for the report."""


def cache_folder() -> Path:
    """Where downloads are kept, by the XDG base directory specification."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / CACHE


def fetch(folder: Path) -> Parts:
    """Download and unpack what is not in `folder` yet.

    Raises
    ------
    NotHereError
        If this machine has no apt, or its sources lack something.
    """
    for program in ("apt-get", "apt-cache", "dpkg-deb"):
        if shutil.which(program) is None:
            raise NotHereError(f"{program} is missing: this runs on Debian and what comes of it")
    wanted = _wanted()
    unpacked = folder / UNPACKED
    complete = folder / COMPLETE
    if not complete.exists() or complete.read_text("utf-8").split() != wanted:
        complete.unlink(missing_ok=True)
        shutil.rmtree(unpacked, ignore_errors=True)
        unpacked.mkdir(parents=True)
        _download(folder, wanted)
        for package in sorted(folder.glob("*.deb")):
            _call("dpkg-deb", "--extract", str(package), str(unpacked))
            package.unlink()
        complete.write_text("\n".join(wanted), "utf-8")
    return _parts(unpacked)


def _wanted() -> list[str]:
    """Packages by name and version, in a fixed order."""
    kernel = next((each for each in _dependencies(KERNEL) if each.startswith("linux-image-")), None)
    if kernel is None:
        raise NotHereError(f"no {KERNEL} is known here: apt-get update, on a machine for amd64")
    libraries = [each for each in _dependencies("bluez") if each.startswith("lib")]
    # libc6 is the machine's own, which everything else here runs on; libdw1 needs the other.
    names = [kernel, "bluez", "busybox-static", "libelf1", *libraries]
    return _with_versions([each for each in names if each != "libc6"])


def _dependencies(package: str) -> list[str]:
    return _DEPENDS.findall(_call("apt-cache", "depends", package))


def _with_versions(names: Sequence[str]) -> list[str]:
    """Each with the version that apt would install, in a fixed order."""
    candidates = _CANDIDATE.findall(_call("apt-cache", "policy", *names))
    if len(candidates) != len(names) or "(none)" in candidates:
        raise NotHereError(f"not all of {', '.join(names)} can be had: apt-get update")
    return sorted(f"{name}={version}" for name, version in zip(names, candidates, strict=True))


def _download(folder: Path, wanted: Sequence[str]) -> None:
    _call("apt-get", "--quiet", "download", *wanted, folder=folder)


def _call(*command: str, folder: Path | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_LIMIT_S,
            check=True,
        )
    except subprocess.TimeoutExpired as error:
        raise NotHereError(f"{command[0]} took too long: is there a network?") from error
    except subprocess.CalledProcessError as error:
        raise NotHereError(
            f"{' '.join(command[:3])} failed; is there a network, and was apt-get update run?\n"
            f"{error.stderr.strip()}"
        ) from error
    return done.stdout


def _parts(unpacked: Path) -> Parts:
    modules = next((unpacked / "lib/modules").iterdir())
    bluetoothd = unpacked / "usr/libexec/bluetooth/bluetoothd"
    versions = f"Linux {modules.name}, {_bluez_version(unpacked)}"
    return Parts(
        kernel=unpacked / "boot" / f"vmlinuz-{modules.name}",
        modules=modules,
        bluetoothd=bluetoothd,
        libraries=unpacked / "usr/lib/x86_64-linux-gnu",
        busybox=unpacked / "bin/busybox",
        versions=versions,
    )


def _bluez_version(unpacked: Path) -> str:
    complete = (unpacked.parent / COMPLETE).read_text("utf-8").split()
    version = next(each for each in complete if each.startswith("bluez="))
    return version.replace("=", " ")
