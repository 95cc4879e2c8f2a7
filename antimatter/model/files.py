"""Files that appear whole or not at all, also when the power goes: temporary name, fsync, rename, fsync.

The temporary name is .NAME.PID.part: whoever publishes a folder leaves such names out.
"""

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, bring it to disk and give it its name.

    What killed writers of `path` left beside it goes first: there must be no other writer at work.
    """
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        leftover.unlink(missing_ok=True)
    temporary = _temporary(path)
    write(temporary)
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_whole` for a text."""
    write_whole(path, lambda temporary: temporary.write_bytes(text.encode()))


def write_first(path: Path, text: str) -> None:
    """Write `path` whole unless it is there: of several writers at once the first one wins."""
    temporary = _temporary(path)
    try:
        temporary.write_bytes(text.encode())
        sync(temporary)
        os.link(temporary, path)  # a rename would replace what is there
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def sync(path: Path) -> None:
    """Bring a file or a folder's list of names to disk. Folders cannot be opened on Windows, which needs no sync."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
