"""What a run writes down as it goes: CSV files that are part of the result, and records for whoever watches.

    log.csv          one row each `log_every` steps; equal runs give equal bytes, so it holds no time
    validation.csv   one row each validation
    quiz.csv         one row each time the quiz was taken
    abandoned.csv    rows of log.csv that a rollback took back, with the rollback's number
    events.jsonl     skipped updates, rollbacks, the end of a run that was given up: on disk before they take effect
    records.jsonl    all of it and more (speed, seconds, notes), one JSON object a line, each with `kind` and `step`

A run that resumes from step s first cuts the files back to s: no step appears twice.
"""

import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.model.files import write_text

LOG = (
    "step", "tokens", "epoch", "loss", "smoothed_loss", "learning_rate", "gradient_norm", "loss_scale", "cursor",
)  # fmt: skip
VALIDATION = ("step", "tokens", "loss", "perplexity", "bits_per_byte")
QUIZ = ("step", "tokens", "accuracy", "error", "accuracy_norm", "error_norm", "items")
TABLES = {"log.csv": LOG, "validation.csv": VALIDATION, "quiz.csv": QUIZ}
LASTING = ("rollback", "given_up")
"""Events that stay when a run resumes from an earlier step: they are why it does."""


class Journal:
    """The files of one work folder, opened to continue after `step`."""

    def __init__(self, work: Path, step: int, rollbacks: Sequence[Mapping[str, Any]] = ()) -> None:
        """rollbacks: all that happened so far; a kill may have come before they were written down here."""
        self._work = work
        records = work / "records.jsonl"
        self.seconds_before = max((r.get("seconds", 0.0) for r in read_records(records)), default=0.0)
        """Wall seconds of earlier starts, those lost to a kill included."""
        events = work / "events.jsonl"
        told = {event["number"] for event in read_records(events) if event["kind"] == "rollback"}
        for path in (records, events):
            _cut(path, None, lambda line: _event_stays(line, step))
        self._records, self._events = _appended(records), _appended(events)
        self._tables: dict[str, Any] = {}
        for rollback in rollbacks:
            if rollback["number"] not in told:
                self.event("rollback", rollback["trigger_step"], **rollback)
                self.take_back(rollback["target_step"], rollback["number"])
        self._open(step)

    def _open(self, step: int) -> None:
        self._close()
        for name, columns in TABLES.items():
            _cut(self._work / name, ",".join(columns), lambda line: int(line.split(",")[0]) <= step)
            self._tables[name] = _appended(self._work / name)

    def _close(self) -> None:
        for file in self._tables.values():
            file.close()

    def log(self, row: dict[str, Any]) -> None:
        """A row of log.csv."""
        self._write("log.csv", row)

    def validation(self, row: dict[str, Any]) -> None:
        """A row of validation.csv."""
        self._write("validation.csv", row)

    def quiz(self, row: dict[str, Any]) -> None:
        """A row of quiz.csv."""
        self._write("quiz.csv", row)

    def _write(self, table: str, row: dict[str, Any]) -> None:
        self._tables[table].write(csv_line(row[column] for column in TABLES[table]))

    def record(self, kind: str, step: int, **values: Any) -> None:
        """A line of records.jsonl, visible to readers at once."""
        self._records.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._records.flush()

    def event(self, kind: str, step: int, **values: Any) -> None:
        """A line of events.jsonl, on disk when this returns, and of records.jsonl."""
        self._events.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        _to_disk(self._events)
        self.record(kind, step, **values)

    def take_back(self, step: int, number: int) -> None:
        """Rollback `number` goes back to `step`: the rows after it move to abandoned.csv."""
        self._close()
        path = self._work / "abandoned.csv"
        if not path.exists():
            write_text(path, ",".join((*LOG, "rollback")) + "\n")
        with _appended(path) as abandoned:
            for line in _whole_lines(self._work / "log.csv")[1:]:
                if int(line.split(",")[0]) > step:
                    abandoned.write(f"{line},{number}\n")
            _to_disk(abandoned)
        self._open(step)

    def sync(self) -> None:
        """Bring all rows to disk: before a checkpoint says that they were written."""
        for file in (*self._tables.values(), self._records):
            _to_disk(file)


def csv_line(values: Any) -> str:
    """Numbers with nine significant digits (enough for any fp32), separated by commas; nothing for None."""
    return ",".join("" if v is None else format(v, ".9g") if isinstance(v, float) else str(v) for v in values) + "\n"


def finite(value: float) -> float | None:
    """`value`, or None for what JSON has no name for."""
    return value if math.isfinite(value) else None


def read_csv(path: Path) -> list[dict[str, float]]:
    """The rows of log.csv, validation.csv or quiz.csv."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    names = header.split(",")
    return [dict(zip(names, (float(v or "nan") for v in line.split(",")), strict=True)) for line in lines]


def read_records(path: Path) -> list[dict[str, Any]]:
    """All whole lines of records.jsonl or events.jsonl; none if there is no such file."""
    return [record for record in map(_parsed, _whole_lines(path)) if record]


def standing(records: Iterable[Mapping[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Those of a kind, in the order of their steps, that no rollback took back; of a step that came again, the last.

    >>> back = {"kind": "rollback", "step": 8, "number": 1, "target_step": 4}
    >>> lines = [{"kind": "sample", "step": step} for step in (4, 8)]
    >>> [record["step"] for record in standing([*lines, back], "sample")]
    [4]
    """
    found: dict[int, dict[str, Any]] = {}
    rollbacks = 0
    for record in records:
        if record["kind"] == "rollback" and record["number"] > rollbacks:  # each start tells all of them again
            rollbacks = record["number"]
            found = {step: each for step, each in found.items() if step <= record["target_step"]}
        elif record["kind"] == kind:
            found[record["step"]] = dict(record)
    return [found[step] for step in sorted(found)]


def _parsed(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:  # a machine that lost its power may leave anything in a file that was not yet on disk
        return {}
    return record if isinstance(record, dict) else {}


def _event_stays(line: str, step: int) -> bool:
    event = _parsed(line)
    return bool(event) and (event["kind"] in LASTING or event["step"] <= step)


def _appended(path: Path) -> Any:
    return path.open("a", encoding="utf-8", newline="\n")


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())


def _whole_lines(path: Path) -> list[str]:
    """Lines that end in a newline: the last may be half-written after a kill."""
    if not path.exists():
        return []
    return path.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()


def _cut(path: Path, header: str | None, stays: Callable[[str], bool]) -> None:
    lines = _whole_lines(path)
    start = [header] if header is not None else []
    body = lines[len(start) :]
    write_text(path, "".join(f"{line}\n" for line in [*start, *filter(stays, body)]))
