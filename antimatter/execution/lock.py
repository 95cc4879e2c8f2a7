"""One process a stage: a lock that dies with its holder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from antimatter.errors import AntiMatterError


class WorkspaceBusy(AntiMatterError, RuntimeError):
    """Another process is running this stage in this project."""


@contextlib.contextmanager
def hold(path: Path, stage: str) -> Iterator[None]:
    """An exclusive flock; the kernel releases it when the process dies, however it dies."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise WorkspaceBusy(
                f"stage {stage} is already running in this project (process {owner}). "
                "Wait for it or stop it, then repeat."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
