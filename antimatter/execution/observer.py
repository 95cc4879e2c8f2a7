"""What watches a stage: nobody, or the tracking store.

Tracking is imported by name, not statically: data stages do not depend on its code, so a change there never reruns
them. An observer never stops a stage: whatever it raises becomes one warning, and the work goes on unobserved.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.execution.runtime import Runtime


class Observer:
    """Sees a stage run; this one looks away. All values are plain; times may appear here and only here."""

    def report(self, content: Mapping[str, Any]) -> None:
        """The stage's report, nested; numbers in it are its final metrics."""

    def measured(self, content: Mapping[str, Any]) -> None:
        """Figures that no report holds, nested: speeds, marks of an outside judge."""

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """A point on curves; called in rising order of step, never twice for one step."""

    def went_back(self, step: int) -> None:
        """The curves go on from an earlier step: later points come again, with other values."""

    def text(self, name: str, content: str) -> None:
        """A text file for the reader of the run; a later one of the same name replaces it."""

    def tags(self, tags: Mapping[str, str]) -> None:
        """Facts such as model_id."""

    def end(self, status: str, record: Mapping[str, Any] | None = None) -> None:
        """status FINISHED, FAILED or KILLED; record: seconds, workers, peak memory."""


class GuardedObserver(Observer):
    """Passes everything on to another observer until that one fails for the first time."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def _call(self, name: str, *arguments: Any) -> None:
        if self._inner is None:
            return
        try:
            getattr(self._inner, name)(*arguments)
        except Exception as error:  # the store may be locked, full or unreachable: none of it may cost the run
            self._inner = None
            print(f"warning: tracking stopped ({_in_short(error)}); the stage goes on", file=sys.stderr)

    def report(self, content: Mapping[str, Any]) -> None:
        self._call("report", content)

    def measured(self, content: Mapping[str, Any]) -> None:
        self._call("measured", content)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        self._call("metrics", values, step)

    def went_back(self, step: int) -> None:
        self._call("went_back", step)

    def text(self, name: str, content: str) -> None:
        self._call("text", name, content)

    def tags(self, tags: Mapping[str, str]) -> None:
        self._call("tags", tags)

    def end(self, status: str, record: Mapping[str, Any] | None = None) -> None:
        self._call("end", status, record)


def start(stage: str, settings: Any, reads: Sequence[Path], runtime: Runtime, folder: Path) -> Observer:
    """The observer that the runtime settings ask for. `folder` is where it keeps the id of its run across resumes."""
    if runtime.tracking == "off":
        return Observer()
    try:
        tracking = importlib.import_module("antimatter.tracking")
        return GuardedObserver(tracking.StageRun(stage, settings, reads, folder))
    except Exception as error:  # as above; a missing mlflow too
        print(f"warning: no tracking ({_in_short(error)}); the stage goes on", file=sys.stderr)
        return Observer()


def _in_short(error: Exception) -> str:
    """Kind and first line: what a database says goes on for pages."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
