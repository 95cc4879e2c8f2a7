"""Progress a person can read: a bar on a terminal, one line a minute in a log."""

import sys
import time
from types import TracebackType
from typing import TextIO


class Progress:
    """Counts finished parts, documents and bytes; prints rate and time left to stderr.

    with Progress("clean", total=17) as progress:
        progress.advance(documents=800, text_bytes=8_000_000)
    """

    def __init__(self, title: str, total: int, stream: TextIO | None = None) -> None:
        self.title, self.total = title, total
        self.stream = stream or sys.stderr
        self.finished = self.resumed = self.documents = self.text_bytes = 0
        self.started = self.last_line = time.monotonic()
        self.is_terminal = self.stream.isatty()

    def __enter__(self) -> "Progress":
        self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.is_terminal:
            self.stream.write("\r\033[K")
        if kind is None:
            self.stream.write(self.line(final=True) + "\n")
        self.stream.flush()

    def resume(self, parts: int) -> None:
        """Parts that an earlier run had finished: counted, but not as speed."""
        self.finished += parts
        self.resumed += parts

    def advance(self, documents: int = 0, text_bytes: int = 0) -> None:
        """One more part is done."""
        self.finished += 1
        self.documents += documents
        self.text_bytes += text_bytes
        self._show()

    def line(self, final: bool = False) -> str:
        """clean  [#####-----]  8/17 shards  12,345 documents  14.2 MB/s  0:21 left"""
        seconds = max(1e-9, time.monotonic() - self.started)
        parts = [f"{self.title:<12}"]
        if not final:
            filled = 20 * self.finished // max(1, self.total)
            parts.append(f"[{'#' * filled}{'-' * (20 - filled)}]")
        earlier = f" ({self.resumed} from an earlier run)" if self.resumed else ""
        parts.append(f"{self.finished}/{self.total} parts{earlier}")
        if self.documents:
            parts.append(f"{self.documents:,} documents")
        if self.text_bytes:
            parts.append(f"{self.text_bytes / 1e6 / seconds:.1f} MB/s")
        fresh = self.finished - self.resumed
        if final:
            parts.append(_clock(seconds))
        elif fresh:
            parts.append(f"{_clock(seconds / fresh * (self.total - self.finished))} left")
        return "  ".join(parts)

    def _show(self) -> None:
        now = time.monotonic()
        if self.is_terminal:
            self.stream.write("\r\033[K" + self.line())
            self.stream.flush()
        elif now - self.last_line >= 60:
            self.last_line = now
            self.stream.write(self.line() + "\n")
            self.stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
