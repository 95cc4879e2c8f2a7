"""What a finished run leaves: result/ (the model), summary.json (the same bytes each time), speed.json (never).

summary.json is written last: whoever finds it finds everything.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from antimatter.model import AntiMatter
from antimatter.model.config import parameter_count
from antimatter.model.files import sync, write_text
from antimatter.train.checkpoint import name_of
from antimatter.train.journal import read_csv

LAST_ROWS = 10


def keep_weights(model: AntiMatter, work: Path, step: int) -> None:
    """Publish the weights of `step` as result/checkpoints/step_XXXXXXXX, whole or not at all."""
    target = work / "result" / "checkpoints" / name_of(step)
    writing = target.with_name(f".writing-{target.name}")
    shutil.rmtree(writing, ignore_errors=True)
    model.save_pretrained(writing)
    shutil.rmtree(target, ignore_errors=True)  # of an earlier start, with the same bytes
    os.rename(writing, target)
    sync(target.parent)


def finish(model: AntiMatter, work: Path, facts: dict[str, Any], speed: dict[str, Any]) -> None:
    """Write result/, speed.json and, last, summary.json. `facts` is what only the loop knows."""
    model.save_pretrained(work / "result")
    write_text(work / "speed.json", json.dumps(speed, indent=2) + "\n")
    write_text(work / "summary.json", json.dumps(summarise(model, work, facts), indent=2) + "\n")


def summarise(model: AntiMatter, work: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Content of summary.json, from the CSV files and `facts`."""
    count = parameter_count(model.config)
    losses = [row["loss"] for row in read_csv(work / "log.csv")]
    validations: list[dict[str, Any]] = [
        {"step": int(row["step"]), "loss": row["loss"], "perplexity": row["perplexity"],
         "bits_per_byte": None if row["bits_per_byte"] != row["bits_per_byte"] else row["bits_per_byte"]}
        for row in read_csv(work / "validation.csv")
    ]  # fmt: skip
    last = losses[-LAST_ROWS:]
    return {
        "parameters": count.total,
        "parameters_without_embeddings": count.blocks,
        **facts,
        "train_loss": {
            "first": losses[0],
            "last": sum(last) / len(last),
            "last_is": f"mean of the last {len(last)} logged steps",
        },
        "validation": {
            "first": validations[0],
            "last": validations[-1],
            "best": min(validations, key=lambda row: row["loss"]),
        },
    }
