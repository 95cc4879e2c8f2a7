"""What is left of a run that was given up: post_mortem.json, for the person who has to find out why."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from antimatter.model.files import write_text
from antimatter.train.journal import finite, read_records
from antimatter.train.recovery import as_json
from antimatter.train.step import Figures
from antimatter.train.training import Training

NAME = "post_mortem.json"
LAST_EVENTS = 200


def write_post_mortem(training: Training, figures: Figures, samples: Sequence[int], reason: str) -> Path:
    """Write it into the work folder and return its path. Needs the weights that failed, so call before they go.

    samples: the windows of sequence_length training tokens that the offending step read.
    """
    settings = training.settings
    content = {
        "reason": reason,
        "step": figures.step,
        "loss": finite(figures.loss),
        "gradient_norm": finite(figures.norm),
        "loss_scale": figures.scale,
        "learning_rate": training.rate(figures.step),
        "sequence_length": settings.sequence_length,
        "samples": list(samples),
        "interventions": as_json(training.guard.interventions),
        "events": read_records(training.work / "events.jsonl")[-LAST_EVENTS:],
        "layers": _layers(training),
    }
    write_text(training.work / NAME, json.dumps(content, indent=2) + "\n")
    return training.work / NAME


def _layers(training: Training) -> list[dict[str, Any]]:
    """Norm and largest entry of each parameter and of its moments; None where they are not finite."""
    if training.place.sharding != "off":
        return []  # whole tensors would need all processes, some of which may have failed
    rows = []
    for name, parameter in training.model.named_parameters():
        row: dict[str, Any] = {"name": name, **_size_of(parameter.detach())}
        for part in training.optimizer.parts:
            moments = part.state.get(parameter, {})
            row |= {key: _size_of(value) for key, value in moments.items() if value.dim()}
        rows.append(row)
    return rows


def _size_of(tensor: torch.Tensor) -> dict[str, float | None]:
    values = tensor.float()
    return {"norm": finite(values.norm().item()), "largest": finite(values.abs().max().item())}
