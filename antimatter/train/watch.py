"""What a run writes down, as it is read by whoever watches: each record once, a line for a person.

The records are those of journal.py; a watcher that dies, or a store that fails, costs the run nothing.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from antimatter.model.files import write_text

QUIET_SECONDS = 10.0
"""In a log that is no terminal, lines about training come at most so often."""

WIPE = "\r\033[K"
"""To the beginning of a terminal's line, and erase it."""

REPEATED = ("train", "validation", "quiz", "sample", "skipped", "checkpoint")
"""Kinds of which each step has one, computed again after a kill with the same result."""

Record = dict[str, Any]


class Follower:
    """Reads records.jsonl as the worker writes it; gives each record once, over all starts of the run."""

    def __init__(self, work: Path, attempt: str) -> None:
        self._path, self._attempt = work / "records.jsonl", attempt
        self._marker = work / "delivered.json"
        self._delivered: dict[str, int] = json.loads(self._marker.read_text()) if self._marker.exists() else {}
        self._offset, self._began, self._changed = 0, False, False

    def new(self) -> Iterator[Record]:
        """Records since the last call. Nothing before this attempt's own "start": the worker cuts the file first."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset if self._began else 0)
            data = file.read()
        lines = data[: data.rfind(b"\n") + 1].splitlines(keepends=True)
        for line in lines:
            record = json.loads(line)
            if not self._began and record.get("attempt") != self._attempt:
                self._offset += len(line)
                continue
            self._began = True
            self._offset += len(line)
            kind, step = record["kind"], record["step"]
            if kind in REPEATED:
                if step <= self._delivered.get(kind, 0):
                    continue  # computed again after a kill, with the same result
                self._delivered[kind], self._changed = step, True
            if kind == "rollback":  # the steps after its target come anew
                number, target = record["number"], record["target_step"]
                if number <= self._delivered.get(kind, 0):
                    continue
                self._delivered = {key: min(reached, target) for key, reached in self._delivered.items()}
                self._delivered[kind], self._changed = number, True
            yield record
        if not self._began:
            self._offset = 0

    def remember(self) -> None:
        """Write down what was delivered."""
        if self._changed:
            write_text(self._marker, json.dumps(self._delivered) + "\n")
            self._changed = False


class Echo:
    """Progress for the person at the terminal: one line that is rewritten, or a line now and then in a log."""

    def __init__(self) -> None:
        self._shown = 0.0
        self._rewrite = sys.stderr.isatty()

    def show(self, record: Record) -> None:
        """Print what happened always, training steps sparsely."""
        line = describe(record)
        if line is None:
            return
        if record["kind"] != "train":
            say(line)
        elif self._rewrite:
            print(f"{WIPE}{line}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._shown > QUIET_SECONDS or _is_last(record):
            self._shown = time.monotonic()
            say(line)

    def end(self) -> None:
        """Wipe the line of progress, so that whoever writes next begins a line."""
        if self._rewrite:
            print(WIPE, end="", file=sys.stderr, flush=True)


def _is_last(record: Record) -> bool:
    """Whether nothing comes after this step."""
    return bool(record["step"] == record["steps"])


def describe(record: Record) -> str | None:
    """One line for a person, or None for records that need none."""
    step = record["step"]
    match record["kind"]:
        case "start":
            begins = "resumes after" if step else "starts at"
            return f"train: {begins} step {step} of {record['steps']} ({_place(record)})"
        case "train":
            return f"train: {_progress(record)}"
        case "validation":
            bits = record["bits_per_byte"]
            per_byte = "" if bits is None else f"  {bits:.4f} bits/byte"
            return f"train: step {step}  validation loss {record['loss']:.4f}{per_byte}"
        case "quiz":
            whole = _share(record["accuracy"], record["error"])
            by_length = _share(record["accuracy_norm"], record["error_norm"])
            return f"train: step {step}  quiz {whole}, by length {by_length}, of {record['items']} items"
        case "skipped":
            loss, norm = (_or_nan(record[key]) for key in ("loss", "gradient_norm"))
            return f"train: step {step} was not applied ({record['reason']}): loss {loss:.4g}, gradient norm {norm:.4g}"
        case "rollback":
            return (
                f"train: ROLLBACK {record['number']} at step {step}: {record['reason']}. Back to step "
                f"{record['target_step']}, learning rate x {record['rate']:g}, samples {record['skip_from']} to "
                f"{record['skip_to']} are left out"
            )
        case "given_up":
            return f"train: GIVEN UP at step {step}"
        case "note":
            return f"train: {record['text']}"
    return None


def _place(record: Record) -> str:
    extras = [] if record["sharding"] == "off" else [f"sharding {record['sharding']}"]
    extras += ["activation checkpointing"] if record["activation_checkpointing"] else []
    parts = [f"{record['world']} x {record['device']}", record["precision"], f"micro-batch {record['micro_batch']}"]
    return ", ".join([*parts, *extras])


def _progress(record: Record) -> str:
    step, steps, rate = record["step"], record["steps"], record["tokens_per_second"]
    left = (steps - step) * record["tokens"] / step / max(1e-9, rate)
    columns = [
        f"step {step}/{steps}",
        f"loss {record['loss']:.4f} (smoothed {_or_nan(record['smoothed_loss']):.4f})",
        f"norm {record['gradient_norm']:.2f}",
        f"rate {record['learning_rate']:.2e}",
        f"{rate:,.0f} tokens/s",
        *([f"MFU {record['mfu']:.1%}"] if record["mfu"] else []),
        *([f"{record['memory'] / 1e9:.1f} GB"] if record["memory"] else []),
        f"{_duration(left)} left",
    ]
    return "  ".join(columns)


def _duration(seconds: float) -> str:
    """
    >>> [_duration(s) for s in (50, 3000, 300_000)]
    ['50 s', '50 min', '83 h']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.0f} h"


def _share(value: float, error: float | None) -> str:
    """
    >>> _share(0.25, 0.0194), _share(1.0, None)
    ('25.0 % +- 1.9', '100.0 %')
    """
    return f"{value:.1%}".replace("%", " %") + ("" if error is None else f" +- {100 * error:.1f}")


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def say(line: str) -> None:
    """A line to standard error; on a terminal in place of the line of progress, which comes again."""
    print((WIPE if sys.stderr.isatty() else "") + line, file=sys.stderr, flush=True)
