"""Published scores of known models (references.json): what other people measured, with the source of every number.

They stand beside ours for orientation. Two harnesses, or two forms of one task, differ by a point and more (GPT-2's
HellaSwag: 31.14 or 29.55), so each row says how it was made; only rows of the same form compare closely.
"""

import functools
import json
import math
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).parent / "references.json"
TASKS = ("hellaswag", "lambada", "piqa", "arc_easy", "winogrande")
ALIASES = {"lambada_openai": "lambada", "lambada_standard": "", "hellaswag_val": "hellaswag", "arc-easy": "arc_easy"}
"""Other names of a task; "": a variant that no row is about."""
ITEMS = {"hellaswag": 10_042, "lambada": 5_153, "piqa": 1_838, "arc_easy": 2_376, "winogrande": 1_267}
"""In the sets that the rows are about, for the error of rows that state none."""


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One published score."""

    model: str
    parameters: int
    task: str
    """One of TASKS."""
    metric: str
    """acc | acc_norm"""
    value: float
    """In 0..1."""
    error: float | None
    """Standard error where the source states one."""
    shots: int
    """Solved examples in the prompt."""
    form: str
    """Whose harness, and what is special about its prompt."""
    source: str
    """Where the number stands."""

    @property
    def binomial_error(self) -> float:
        """sqrt(p (1 - p) / (n - 1)) over the whole set: what the error is if all of its items were scored."""
        return self.error or math.sqrt(self.value * (1 - self.value) / (ITEMS[self.task] - 1))


@functools.cache
def rows() -> tuple[Reference, ...]:
    """All rows, small models first."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    sources, models = table["sources"], table["models"]
    found = [
        Reference(
            model=row["model"],
            parameters=models[row["model"]],
            task=row["task"],
            metric=row["metric"],
            value=row["value"],
            error=row.get("error"),
            shots=row["shots"],
            form=sources[row["source"]]["form"],
            source=sources[row["source"]]["source"],
        )
        for row in table["rows"]
    ]
    return tuple(sorted(found, key=lambda row: (row.parameters, row.model, TASKS.index(row.task), row.metric)))


def for_task(name: str) -> tuple[Reference, ...]:
    """The rows of a task, by its name here or the harness's; () for tasks without any."""
    task = ALIASES.get(name, name)
    return tuple(row for row in rows() if row.task == task)
