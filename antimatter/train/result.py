"""What a finished run leaves: result/ (the model), summary.json (the same bytes each time), speed.json (never).

    result/model.safetensors, config.json     the last step
    result/training.json                      what trace needs: length, epochs, every time the run went back
    result/checkpoints/step_XXXXXXXX/         weights of chosen steps, with metadata.json
    result/checkpoints/best/                  weights of the best validation, where asked for

summary.json is written last: whoever finds it finds everything.
"""

import contextlib
import json
import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from antimatter.model.config import parameter_count
from antimatter.model.files import sync, write_text
from antimatter.train.checkpoint import name_of, steps
from antimatter.train.journal import finite, read_csv
from antimatter.train.recovery import as_json
from antimatter.train.training import Training

LAST_ROWS = 10
FORMAT = 1


def keep_weights(training: Training, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Write the weights of this step as a model folder with metadata.json, whole or not at all."""
    writing = folder.with_name(f".writing-{folder.name}")
    shutil.rmtree(writing, ignore_errors=True)
    training.model.save_pretrained(writing, weights)
    metadata = {
        "step": training.step,
        "tokens": training.step * training.settings.batch_tokens,
        "smoothed_train_loss": finite(training.guard.average),
        "best_validation": training.best,
        "precision": training.place.precision,
    }
    _write_json(writing / "metadata.json", metadata)
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier start, with the same bytes
    os.rename(writing, folder)
    sync(folder.parent)


def chosen_folder(work: Path, step: int) -> Path:
    """Where the weights of a chosen step are kept."""
    return work / "result" / "checkpoints" / name_of(step)


def best_folder(work: Path, step: int) -> Path:
    """Where the weights wait that may turn out to be the best."""
    return work / "best" / name_of(step)


def drop_former_best(work: Path, best: dict[str, float] | None, until: int) -> None:
    """Remove weights that were the best once, unless a checkpoint to which the run may return says they still are.

    Those of steps after `until` stay: training went on meanwhile, and they may be the best by now.
    """
    root, known = work / "checkpoints", [best]
    for step in steps(root):
        with contextlib.suppress(OSError, ValueError, KeyError):  # damaged: nobody returns to it
            known.append(json.loads((root / name_of(step) / "state.json").read_bytes())["best_validation"])
    needed = {name_of(int(each["step"])) for each in known if each}
    for folder in (work / "best").glob("step_*"):
        if folder.name not in needed and int(folder.name.removeprefix("step_")) <= until:
            shutil.rmtree(folder)


def finish(training: Training, weights: Mapping[str, Tensor], speed: dict[str, Any]) -> None:
    """Write result/, speed.json and, last, summary.json."""
    work = training.work
    training.model.save_pretrained(work / "result", weights)
    facts = _facts(training)
    _write_json(work / "result" / "training.json", {"format": FORMAT, **facts})
    if training.settings.keep_best and training.best:
        target = work / "result" / "checkpoints" / "best"
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(best_folder(work, int(training.best["step"])), target)
    _write_json(work / "speed.json", speed)
    _write_json(work / "summary.json", summarise(training, facts))


def _facts(training: Training) -> dict[str, Any]:
    settings = training.settings
    samples = training.cursor(training.step + 1)
    return {
        "steps": training.step,
        "tokens": training.step * settings.batch_tokens,
        "epochs": samples / training.windows,
        "precision": training.place.precision,
        "overflowed_steps": training.overflows,
        "skipped_steps": training.skips,
        "interventions": as_json(training.guard.interventions),
    }


def summarise(training: Training, facts: dict[str, Any]) -> dict[str, Any]:
    """Content of summary.json, from the CSV files and `facts`."""
    count = parameter_count(training.model.config)
    losses = [row["loss"] for row in read_csv(training.work / "log.csv")]
    validations: list[dict[str, Any]] = [
        {"step": int(row["step"]), "loss": row["loss"], "perplexity": finite(row["perplexity"]),
         "bits_per_byte": finite(row["bits_per_byte"])}
        for row in read_csv(training.work / "validation.csv")
    ]  # fmt: skip
    quiz = read_csv(training.work / "quiz.csv")
    last = [loss for loss in losses[-LAST_ROWS:] if math.isfinite(loss)]  # an update may have been left out
    return {
        "parameters": count.total,
        "parameters_without_embeddings": count.blocks,
        **facts,
        "rollbacks": len(facts["interventions"]),
        "train_loss": {
            "first": finite(losses[0]),
            "last": sum(last) / len(last) if last else None,
            "last_is": f"mean of the last {len(last)} logged steps",
        },
        "validation": {
            "first": validations[0],
            "last": validations[-1] | {"loss_by_token_frequency": training.by_frequency},
            "best": min(validations, key=lambda row: row["loss"]),
        },
        **({"quiz": _quiz(training, quiz[-1])} if quiz else {}),
    }


def _quiz(training: Training, row: dict[str, float]) -> dict[str, Any]:
    """chance: the accuracy of guessing, the mean of 1 / choices."""
    chance = math.fsum(1 / len(question.choices) for question in training.questions) / len(training.questions)
    scores = {name: finite(row[name]) for name in ("accuracy", "error", "accuracy_norm", "error_norm")}
    return {
        "name": Path(training.settings.quiz.path).name.split(".")[0],
        "items": int(row["items"]),
        "chance": round(chance, 6),
        "last": {"step": int(row["step"]), **scores},
    }


def _write_json(path: Path, content: Any) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
