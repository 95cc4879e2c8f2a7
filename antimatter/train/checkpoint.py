"""Checkpoints: what a killed run resumes from, to the bit.

    checkpoints/step_00000100/
      model.safetensors    fp32 weights, a tied matrix once, no vocabulary padding
      optim.safetensors    Adam's moments and step, by parameter name
      state.json           step, loss scale, best validation, precision, placement, settings, digests of the tokens
      env.json             versions of what ran; says nothing about the result
      manifest.json        size and sha256 of each file; written last

Written under a temporary name, brought to disk, renamed: a kill at any moment leaves the older checkpoints as they
were. A reader believes nothing but a manifest that every file agrees with. Nothing is ever unpickled.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from antimatter.model.files import sync

FORMAT = 1
KEEP = 2
_FILES = _MODEL, _OPTIMIZER, _STATE, _ENVIRONMENT = "model.safetensors", "optim.safetensors", "state.json", "env.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint whose files agreed with its manifest when it was opened."""

    folder: Path
    state: dict[str, Any]
    environment: dict[str, Any]

    def weights(self) -> dict[str, Tensor]:
        """Parameter name -> fp32 tensor on the CPU."""
        return safetensors.torch.load_file(self.folder / _MODEL)

    def optimizer(self) -> dict[str, Tensor]:
        """As optimizer.state_by_name made it."""
        return safetensors.torch.load_file(self.folder / _OPTIMIZER)


def save(
    root: Path,
    step: int,
    weights: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    state: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of `step` under `root` and remove all but the newest two. Returns its folder."""
    root.mkdir(parents=True, exist_ok=True)
    target = root / name_of(step)
    writing = root / f".writing-{target.name}"
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    safetensors.torch.save_file(dict(weights), writing / _MODEL)
    safetensors.torch.save_file(dict(optimizer), writing / _OPTIMIZER)
    _write_json(writing / _STATE, state)
    _write_json(writing / _ENVIRONMENT, environment)
    files = {}
    for path in sorted(writing.iterdir()):
        sync(path)
        files[path.name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    _write_json(writing / "manifest.json", {"format": FORMAT, "files": files})
    sync(writing / "manifest.json")
    sync(writing)
    _remove(target)
    os.rename(writing, target)
    sync(root)
    for old in _folders(root)[:-KEEP]:
        _remove(old)
    return target


def newest(root: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None. Each damaged one that is passed over gets a line."""
    for folder in reversed(_folders(root)):
        checkpoint = read(folder, say)
        if checkpoint is not None:
            return checkpoint
    return None


def read(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint in `folder`, or None after saying what is wrong with it."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise ValueError(f"format {manifest['format']}, this version reads {FORMAT}")
        if sorted(manifest["files"]) != sorted(_FILES):
            raise ValueError(f"its manifest vouches for {sorted(manifest['files'])}, expected {sorted(_FILES)}")
        for name, expected in manifest["files"].items():
            size = (folder / name).stat().st_size
            if size != expected["size"]:
                raise ValueError(f"{name} has {size} bytes, its manifest says {expected['size']}")
            if _sha256(folder / name) != expected["sha256"]:
                raise ValueError(f"{name} is not what its manifest says: its sha256 differs")
        state, environment = (json.loads((folder / name).read_text("utf-8")) for name in (_STATE, _ENVIRONMENT))
        if name_of(state["step"]) != folder.name:
            raise ValueError(f"it is the checkpoint of step {state['step']}")
        return Checkpoint(folder, state, environment)
    except (OSError, ValueError, KeyError, TypeError) as error:
        say(f"checkpoint {folder} is not used: {error}")
        return None


def sweep(root: Path, newest_step: int) -> None:
    """Remove what a kill left half-written or half-removed, and the damaged checkpoints after `newest_step`."""
    for leftover in root.glob(".*-step_*"):
        shutil.rmtree(leftover)
    for folder in _folders(root):
        if folder.name > name_of(newest_step):
            _remove(folder)


def name_of(step: int) -> str:
    """The folder of a step; names sort as steps do."""
    return f"step_{step:08d}"


def _folders(root: Path) -> list[Path]:
    return sorted(root.glob("step_*"))


def _remove(folder: Path) -> None:
    """Rename away first: a kill while deleting must not leave a checkpoint with its name and half its files."""
    if folder.exists():
        leaving = folder.with_name(f".removing-{folder.name}")
        shutil.rmtree(leaving, ignore_errors=True)
        os.rename(folder, leaving)
        shutil.rmtree(leaving)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
