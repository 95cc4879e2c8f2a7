"""Files that appear whole or not at all, also when the power goes: temporary name, fsync, rename, fsync."""

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, bring it to disk and give it its name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    write(temporary)
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_whole` for a text."""
    write_whole(path, lambda temporary: temporary.write_bytes(text.encode()))


def sync(path: Path) -> None:
    """Bring a file or a folder's list of names to disk. Folders cannot be opened on Windows, which needs no sync."""
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
