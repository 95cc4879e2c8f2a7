"""Checkpoints: what a killed run resumes from, to the bit, and what a run goes back to after a spike.

    checkpoints/step_00000100/
      model.safetensors    fp32 weights, a tied matrix once, no vocabulary padding
      optim.safetensors    the optimizer's moments and step counts, by parameter name
      extra.safetensors    other arrays of the run (token counts); may hold none
      state.json           step, loss scale, guard, best validation, placement, settings, digests of the tokens
      env.json             versions of what ran; says nothing about the result
      manifest.json        size and sha256 of each file above; written last
      stable               empty; there once enough healthy steps followed, see `promote`

Written under a temporary name, brought to disk, renamed: a kill at any moment leaves the older checkpoints as they
were. A reader believes nothing but a manifest that every file agrees with. Nothing is ever unpickled. One process
writes here, and one thread of it at a time (writer.py).
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from antimatter.errors import AntiMatterError
from antimatter.model.files import sync

FORMAT = 2
_TENSORS = _MODEL, _OPTIMIZER, _EXTRA = "model.safetensors", "optim.safetensors", "extra.safetensors"
_TEXTS = _STATE, _ENVIRONMENT = "state.json", "env.json"
_MANIFEST, _STABLE = "manifest.json", "stable"


class CheckpointFailed(AntiMatterError, RuntimeError):
    """The file system refused: the disk is full, read-only or broken."""


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
        """The optimizer's state by name, on the CPU."""
        return safetensors.torch.load_file(self.folder / _OPTIMIZER)

    def extra(self) -> dict[str, Tensor]:
        """The other arrays of the run, on the CPU."""
        return safetensors.torch.load_file(self.folder / _EXTRA)


def save(
    root: Path,
    step: int,
    weights: Mapping[str, Tensor],
    optimizer: Mapping[str, Tensor],
    extra: Mapping[str, Tensor],
    state: Mapping[str, Any],
    environment: Mapping[str, Any],
) -> Path:
    """Write the checkpoint of `step` under `root`, in place of one of the same step. Returns its folder.

    Tensors are contiguous; state["step"] is `step`. Removes no other checkpoint: that is `retain`.
    Raises CheckpointFailed where the file system refuses; nothing half-written stays then, and no other is touched.
    """
    tensors = dict(zip(_TENSORS, (dict(weights), dict(optimizer), dict(extra)), strict=True))
    texts = {_STATE: _json(state), _ENVIRONMENT: _json(environment)}
    needed = _room(tensors, texts)
    target = root / name_of(step)
    writing = root / f".writing-{target.name}"
    with _explained(root, f"checkpoint of step {step} could not be written", needed):
        root.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(root)
        if shutil.disk_usage(root).free < needed:  # a quota is met only in writing
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            _write(writing, tensors, texts)
            _remove(target)
            os.rename(writing, target)
        except Exception:
            shutil.rmtree(writing, ignore_errors=True)
            raise
        sync(root)
    return target


def newest(
    root: Path, say: Callable[[str], None], accepts: Callable[[Checkpoint], bool] = lambda checkpoint: True
) -> Checkpoint | None:
    """The newest checkpoint that is whole and that `accepts` takes, or None.

    Each damaged one that is passed over gets a line; to explain a refusal is up to `accepts`.
    """
    for step in reversed(steps(root)):
        checkpoint = read(root / name_of(step), say)
        if checkpoint is not None and accepts(checkpoint):
            return checkpoint
    return None


def read(folder: Path, say: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint in `folder`, or None after saying what is wrong with it."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            writer = "an earlier version" if manifest["format"] in range(FORMAT) else "another version"
            raise ValueError(f"{writer} wrote it (format {manifest['format']}; this one reads {FORMAT})")
        if sorted(manifest["files"]) != sorted([*_TENSORS, *_TEXTS]):
            raise ValueError(f"its manifest vouches for {sorted(manifest['files'])}, not for all that it should")
        for name, expected in manifest["files"].items():
            size = (folder / name).stat().st_size
            if size != expected["size"]:
                raise ValueError(f"{name} has {size} bytes, its manifest says {expected['size']}")
            if _sha256(folder / name) != expected["sha256"]:
                raise ValueError(f"{name} is not what its manifest says: its sha256 differs")
        state, environment = (json.loads((folder / name).read_text("utf-8")) for name in _TEXTS)
        if name_of(state["step"]) != folder.name:
            raise ValueError(f"it is the checkpoint of step {state['step']}")
        return Checkpoint(folder, state, environment)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        say(f"checkpoint {folder} is not used: {error}")
        return None


def steps(root: Path) -> list[int]:
    """The steps that have a checkpoint, whole or not, oldest first."""
    numbers = (folder.name.removeprefix("step_") for folder in root.glob("step_*"))
    return sorted({int(n) for n in numbers if n.isdecimal() and (root / name_of(int(n))).is_dir()})


def stable_steps(root: Path) -> list[int]:
    """The steps whose checkpoint was promoted, oldest first."""
    return [step for step in steps(root) if (root / name_of(step) / _STABLE).exists()]


def promote(root: Path, step: int) -> bool:
    """Mark the checkpoint of `step` as stable: a run may go back to it. False if there is no such checkpoint any more.

    The mark goes where the checkpoint goes; the next checkpoint of the same step has to earn it again.
    """
    folder = root / name_of(step)
    if not folder.is_dir():
        return False
    with _explained(root, f"checkpoint of step {step} could not be marked as stable"):
        (folder / _STABLE).touch()  # without content: it is there or not, a kill leaves no third state
        sync(folder / _STABLE)
        sync(folder)
    return True


def retain(root: Path, latest: int = 2, stable: int = 2, also: Container[int] = ()) -> None:
    """Keep the newest `latest` checkpoints, the newest `stable` stable ones and the steps in `also`; remove the others.

    A checkpoint that is still on its way to stability must be in `also`, or be among the latest until it gets there.
    """
    assert latest >= 1 and stable >= 1, "the last checkpoint and the last stable one are never removed"
    present = steps(root)
    kept = {*present[-latest:], *stable_steps(root)[-stable:]}
    with _explained(root, "an old checkpoint could not be removed"):
        for step in present:
            if step not in kept and step not in also:
                _remove(root / name_of(step))


def reject_after(root: Path, step: int) -> None:
    """Remove the checkpoints after `step`, the newest first: killed at any moment, this leaves a run without gaps."""
    with _explained(root, f"the checkpoints after step {step} could not be removed"):
        for later in reversed(steps(root)):
            if later > step:
                _remove(root / name_of(later))


def sweep(root: Path, newest_step: int) -> None:
    """Remove what a kill left half-written or half-removed, and the damaged checkpoints after `newest_step`."""
    with _explained(root, "what a killed run left could not be removed"):
        _remove_leftovers(root)
    reject_after(root, newest_step)


def name_of(step: int) -> str:
    """The folder of a step; eight digits at least, so that a listing shows steps in order."""
    return f"step_{step:08d}"


def _write(writing: Path, tensors: Mapping[str, dict[str, Tensor]], texts: Mapping[str, bytes]) -> None:
    """Fill a new folder and bring it to disk, the manifest last."""
    writing.mkdir()
    for name, named in tensors.items():
        safetensors.torch.save_file(named, writing / name)
    for name, text in texts.items():
        _write_bytes(writing / name, text)
    files = {}
    for name in (*tensors, *texts):
        sync(writing / name)
        files[name] = {"size": (writing / name).stat().st_size, "sha256": _sha256(writing / name)}
    _write_bytes(writing / _MANIFEST, _json({"format": FORMAT, "files": files}))
    sync(writing / _MANIFEST)
    sync(writing)


def _room(tensors: Mapping[str, Mapping[str, Tensor]], texts: Mapping[str, bytes]) -> int:
    """Bytes that a checkpoint takes on disk, rather too many than too few."""
    each = [tensor.nbytes + len(name) + 200 for named in tensors.values() for name, tensor in named.items()]
    block = 4096  # files and the folder fill whole blocks
    return sum(each) + sum(map(len, texts.values())) + (len(_TENSORS) + len(_TEXTS) + 2) * block


@contextlib.contextmanager
def _explained(root: Path, what: str, needed: int = 0) -> Iterator[None]:
    """Turn a refusal of the file system into CheckpointFailed."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        last = newest(root, say=lambda line: None)
        good = f"The last good one is {last.folder}" if last else "There is no good one yet"
        room = f"It needs {needed:,} bytes, {_free(root)} are free. " if needed else ""
        raise CheckpointFailed(
            f"{root}: {what}: {error}. {room}{good}. Make room there, or make the folder writable, then start again: "
            f"training goes on from the last good checkpoint."
        ) from error


def _free(root: Path) -> str:
    with contextlib.suppress(OSError):
        return f"{shutil.disk_usage(next(p for p in (root, *root.absolute().parents) if p.exists())).free:,}"
    return "an unknown number"


def _remove(folder: Path) -> None:
    """Rename away first: a kill while deleting must not leave a checkpoint with its name and half its files."""
    if folder.exists():
        leaving = folder.with_name(f".removing-{folder.name}")
        shutil.rmtree(leaving, ignore_errors=True)
        os.rename(folder, leaving)
        sync(folder.parent)
        shutil.rmtree(leaving)


def _remove_leftovers(root: Path) -> None:
    for leftover in root.glob(".*-step_*"):
        shutil.rmtree(leftover)


def _write_bytes(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
