"""Work folders go when dvc.lock has recorded what they published; until then they are the only way back."""

import contextlib
import hashlib
import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import is_unfinished
from antimatter.execution import lock as stage_lock
from antimatter.execution.trees import delete, remove


def sweep(work: Path, stage: str) -> None:
    """Remove work folders whose publication dvc.lock has recorded: the same bytes, in a lock younger than the work.

    Folders of stages that run now (other than `stage`, the caller) are left alone. Reads outputs whose size agrees.
    """
    lock = Path("dvc.lock")
    finished = sorted(work.glob("*/*/done.json"))
    if not finished or not lock.exists():
        return
    recorded = _recorded_outputs(lock)
    for done in finished:
        folder = done.parent
        name = folder.parent.name
        if folder.name.startswith("."):  # a removal that was killed
            delete(folder)
            continue
        with contextlib.ExitStack() as held:
            try:
                if name != stage:
                    held.enter_context(stage_lock.hold(folder.parent / "lock", name))
                outputs = {path: folder / "out" / Path(path).name for path in read_json(done)["outputs"]}
                if lock.stat().st_mtime_ns > done.stat().st_mtime_ns and all(
                    _is_recorded(tree, recorded.get(name, {}).get(path, {})) for path, tree in outputs.items()
                ):
                    remove(folder)
            except (stage_lock.WorkspaceBusy, FileNotFoundError):
                continue  # that stage is running, or another process sweeps too


def _recorded_outputs(lock: Path) -> dict[str, dict[str, Any]]:
    """Outputs in dvc.lock by stage and path; none if it cannot be read (a merge conflict): then nothing is swept."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages = (YAML(typ="safe").load(lock.read_text(encoding="utf-8")) or {}).get("stages") or {}
        return {name: {out["path"]: out for out in entry.get("outs", [])} for name, entry in stages.items()}
    except (YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
        return {}


def _is_recorded(tree: Path, entry: dict[str, Any]) -> bool:
    """Whether an entry of dvc.lock describes these files: by size first, then by DVC's digest of a folder."""
    files = [path for path in tree.rglob("*") if path.is_file() and not is_unfinished(path)]
    if entry.get("size") != sum(path.stat().st_size for path in files) or entry.get("nfiles") != len(files):
        return False
    return bool(entry.get("md5") == dvc_digest(tree, files))


def dvc_digest(tree: Path, files: Iterable[Path]) -> str:
    """What DVC 3 writes to dvc.lock for a folder: md5 of the JSON list of its files with theirs."""
    entries = []
    for path in sorted(files, key=lambda path: path.relative_to(tree).as_posix()):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
        entries.append({"md5": digest, "relpath": path.relative_to(tree).as_posix()})
    listing = json.dumps(entries, sort_keys=True).encode()
    return hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"
