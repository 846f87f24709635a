"""Files that hold secrets: never readable by others, not even for a moment, and never half."""

from __future__ import annotations

import os
import pwd
import secrets
from pathlib import Path
from typing import Final

PRIVATE: Final = 0o600
"""The owner alone."""
READABLE: Final = 0o644
PRIVATE_FOLDER: Final = 0o700


PASSAGE: Final = 0o711
"""Others may go through it to what is theirs, and see nothing of what else there is."""


def make_folder(path: Path, mode: int = PRIVATE_FOLDER) -> Path:
    """Make a folder that only its owner can look into, or close an existing one to others."""
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    path.chmod(mode)
    return path


def write_private(
    path: Path, content: bytes, *, owner: str | None = None, mode: int = PRIVATE
) -> None:
    """Put `content` in the place of `path` in one step, readable by its owner alone.

    Whoever reads meanwhile gets the old file or the new one, also after a power cut.

    Parameters
    ----------
    mode
        `READABLE` for what holds no secret and is read by others.
    owner
        User that the file is given to; None for the one that runs this, and whenever that one
        is not root.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        give_to(draft, owner)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    _flush_folder(path.parent)


def give_to(path: Path, owner: str | None) -> None:
    """Give a file or folder to a user, if we may.

    Raises
    ------
    LookupError
        If there is no such user.
    """
    if owner is None or os.geteuid() != 0:
        return
    user = user_of(owner)
    os.chown(path, user.pw_uid, user.pw_gid)


def user_of(name: str) -> pwd.struct_passwd:
    """A user of this machine.

    Raises
    ------
    LookupError
        If there is none of this name.
    """
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise LookupError(f"there is no user {name!r} on this machine") from None


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
