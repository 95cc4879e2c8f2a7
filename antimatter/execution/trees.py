"""Folders that appear, are replaced and go in one step: what a kill leaves is the old one or the new one."""

import errno
import os
import shutil
from pathlib import Path


def link_tree(source: Path, target: Path) -> None:
    """Make `target` an equal tree of hard links to `source`, replacing what was there by renaming.

    What a killed writer left half done in `source` is not taken along.
    """
    temporary, old = target.with_name(f".{target.name}.part"), target.with_name(f".{target.name}.old")
    for leftover in (temporary, old):
        delete(leftover)
    temporary.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(source, temporary, copy_function=link_or_copy, ignore=shutil.ignore_patterns(".*.part"))
    if target.exists() or target.is_symlink():
        os.replace(target, old)
    os.replace(temporary, target)
    delete(old)


def link_or_copy(source: str, target: str) -> None:
    """A hard link, or a copy where the file system has none or the target lies on another one."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # copyfile, not copy: DVC makes its files read-only, and a copy need not be
        with open(source, "rb") as original, open(target, "wb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())


def delete(path: Path) -> None:
    """Remove a file, a link or a tree, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove(folder: Path) -> None:
    """Remove a work folder. It loses its name first: half a folder, left by a kill, would pass for finished work."""
    doomed = folder.with_name(f".{folder.name}.removed")
    delete(doomed)
    if folder.exists():
        os.replace(folder, doomed)
        delete(doomed)
