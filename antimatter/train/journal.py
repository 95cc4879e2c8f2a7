"""What a run writes down as it goes: two CSV files that are part of the result, and records for whoever watches.

    log.csv          one row each `log_every` steps; equal runs give equal bytes, so it holds no time
    validation.csv   one row each validation
    records.jsonl    the same and more (speed, seconds, notes), one JSON object a line, each with `kind` and `step`

A run that resumes from step s first cuts all three back to s: no step appears twice.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from antimatter.model.files import write_text

LOG = ("step", "tokens", "epoch", "loss", "learning_rate", "gradient_norm", "loss_scale")
VALIDATION = ("step", "tokens", "loss", "perplexity", "bits_per_byte")


class Journal:
    """The three files of one work folder, opened to continue after `step`."""

    def __init__(self, work: Path, step: int) -> None:
        records = work / "records.jsonl"
        self.seconds_before = max((r.get("seconds", 0.0) for r in read_records(records)), default=0.0)
        """Wall seconds of earlier starts, those lost to a kill included."""
        _cut(work / "log.csv", ",".join(LOG), lambda line: int(line.split(",")[0]) <= step)
        _cut(work / "validation.csv", ",".join(VALIDATION), lambda line: int(line.split(",")[0]) <= step)
        _cut(records, None, lambda line: json.loads(line)["step"] <= step)
        self._log, self._validation, self._records = (
            (work / name).open("a", encoding="utf-8", newline="\n")
            for name in ("log.csv", "validation.csv", "records.jsonl")
        )

    def log(self, row: dict[str, Any]) -> None:
        """A row of log.csv."""
        self._log.write(csv_line(row[column] for column in LOG))

    def validation(self, row: dict[str, Any]) -> None:
        """A row of validation.csv."""
        self._validation.write(csv_line(row[column] for column in VALIDATION))

    def record(self, kind: str, step: int, **values: Any) -> None:
        """A line of records.jsonl, visible to readers at once."""
        self._records.write(json.dumps({"kind": kind, "step": step, **values}) + "\n")
        self._records.flush()

    def sync(self) -> None:
        """Bring all rows to disk: before a checkpoint says that they were written."""
        for file in (self._log, self._validation, self._records):
            file.flush()
            os.fsync(file.fileno())


def csv_line(values: Any) -> str:
    """Numbers with nine significant digits (enough for any fp32), separated by commas; nothing for None."""
    return ",".join("" if v is None else format(v, ".9g") if isinstance(v, float) else str(v) for v in values) + "\n"


def read_csv(path: Path) -> list[dict[str, float]]:
    """The rows of log.csv or validation.csv."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    names = header.split(",")
    return [dict(zip(names, (float(v or "nan") for v in line.split(",")), strict=True)) for line in lines]


def read_records(path: Path) -> list[dict[str, Any]]:
    """All whole lines of records.jsonl; none if there is no such file."""
    return [json.loads(line) for line in _whole_lines(path)]


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
