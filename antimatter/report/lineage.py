"""Where the model comes from: commit, digests of the artifacts, parameters, versions of libraries, machine, MLflow run.

Read when the page is built, from git, dvc.lock, params.yaml, the installed packages and the machine at hand: never part
of a report of DVC. What cannot be read is left out; nothing here may keep the page from being built.
"""

import contextlib
import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from antimatter.execution.runtime import project_root
from antimatter.params import profiles
from antimatter.params.loader import ParameterError, read_yaml

PACKAGES = (
    "antimatter", "torch", "numpy", "pyarrow", "sentencepiece", "tokenizers", "safetensors", "dvc", "mlflow",
    "matplotlib", "sacrebleu", "rouge-score", "lm_eval", "transformers",
)  # fmt: skip
TRACKING_SERVER = "http://127.0.0.1:5000"
"""Where `make ui` answers."""


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What is unknown is empty."""

    commit: str = ""
    changed_files: tuple[str, ...] = ()
    """Tracked files that differ from the commit."""
    artifacts: tuple[tuple[str, str, str], ...] = ()
    """(stage, path, md5) of every output in dvc.lock."""
    parameters: str = ""
    """params.yaml as it is."""
    differences: tuple[tuple[str, str, str], ...] = ()
    """(parameter, value of the demo profile, value here) where they differ."""
    versions: Mapping[str, str] = field(default_factory=dict)
    machine: Mapping[str, str] = field(default_factory=dict)
    runs: tuple[tuple[str, str], ...] = ()
    """(name, address) of the MLflow runs of this model."""
    comparison: str = ""
    """Address of all runs of the experiment."""


def read(root: Path, model_id: str) -> Lineage:
    """The lineage of the model of a project folder."""
    experiment, runs = _runs(root, model_id)
    parameters = root / "params.yaml"
    return Lineage(
        commit=_git(root, "rev-parse", "--verify", "HEAD"),
        changed_files=tuple(line[3:] for line in _status(root).splitlines()),
        artifacts=tuple(_artifacts(root / "dvc.lock")),
        parameters=parameters.read_text(encoding="utf-8", errors="replace") if parameters.exists() else "",
        differences=tuple(_differences(root)),
        versions=_versions(),
        machine=_machine(),
        runs=tuple(runs),
        comparison=experiment,
    )


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return ""
    return done.stdout.strip("\n")


def _status(root: Path) -> str:
    return _git(root, "status", "--porcelain", "--untracked-files=no", "--", ".")


def _artifacts(lock: Path) -> Iterator[tuple[str, str, str]]:
    with contextlib.suppress(OSError, ParameterError):
        for stage, entry in ((_plain(lock) or {}).get("stages") or {}).items():
            for out in entry.get("outs", []):
                yield stage, str(out.get("path", "")), str(out.get("md5", ""))


def _plain(path: Path) -> Any:
    """A YAML file without its line numbers: ten times as fast, and a lock has thousands of lines."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{path} is not valid YAML: {error}") from error


def _differences(root: Path) -> Iterator[tuple[str, str, str]]:
    """By parameter, in the order of params.yaml; a list is compared as a whole."""
    with contextlib.suppress(OSError, ParameterError):
        demo = dict(_leaves(read_yaml(root / profiles.FOLDER / f"{profiles.BASE}.yaml"), ""))
        here = dict(_leaves(read_yaml(root / "params.yaml"), ""))
        for name in [*here, *(name for name in demo if name not in here)]:
            if demo.get(name) != here.get(name):
                yield name, _say(demo, name), _say(here, name)


def _leaves(tree: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{where}.{key}" if where else str(key))
    elif where:
        yield where, tree


def _say(values: Mapping[str, Any], name: str) -> str:
    if name not in values:
        return "its default"
    value = values[name]
    return f"{len(value)} entries" if isinstance(value, list) and len(str(value)) > 60 else str(value)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _machine() -> dict[str, str]:
    """Processor, cores, memory, GPUs and system, as /proc and the standard library tell them."""
    found = {"processor": _first(Path("/proc/cpuinfo"), "model name") or platform.processor() or platform.machine()}
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found["cores"] = f"{usable}"
    with contextlib.suppress(OSError, ValueError, AttributeError):
        found["memory"] = f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"
    graphics = [_first(path, "Model") for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]
    if graphics:
        found["graphics"] = f"{len(graphics)} x {graphics[0] or 'NVIDIA'}"
    return {**found, "system": f"{platform.system()} {platform.release()}"}


def _first(path: Path, name: str) -> str:
    """The value of the first line "name : value" of a file."""
    with contextlib.suppress(OSError, UnicodeDecodeError):
        for line in path.read_text(encoding="utf-8").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return ""


def _runs(root: Path, model_id: str) -> tuple[str, list[tuple[str, str]]]:
    """Addresses in MLflow's pages: all runs, and those of this model; the latter only from a database beside the
    project, which is read without MLflow (its import takes seconds) and never written."""
    address = os.environ.get("MLFLOW_TRACKING_URI", "")
    server = address.rstrip("/") if address.startswith(("http://", "https://")) else TRACKING_SERVER
    database = Path(address.removeprefix("sqlite:///")) if address.startswith("sqlite:///") else _database(root)
    runs: list[tuple[str, str]] = []
    experiment = ""
    if server == TRACKING_SERVER and database.exists():
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=ro", uri=True)) as store,
        ):
            name = os.environ.get("ANTIMATTER_EXPERIMENT") or "antimatter"
            for (number,) in store.execute("SELECT experiment_id FROM experiments WHERE name = ?", (name,)):
                experiment = str(number)
            chosen = (
                "SELECT r.name, r.run_uuid, r.experiment_id FROM runs r JOIN tags t ON t.run_uuid = r.run_uuid "
                "WHERE t.key = 'model_id' AND t.value = ? AND r.lifecycle_stage = 'active' "
                "ORDER BY r.start_time DESC LIMIT 10"
            )
            for label, identity, number in store.execute(chosen, (model_id,)) if model_id else ():
                runs.append((str(label), f"{server}/#/experiments/{number}/runs/{quote(str(identity))}"))
    return f"{server}/#/experiments" + (f"/{experiment}" if experiment else ""), runs


def _database(root: Path) -> Path:
    """mlflow.db of the project; of another folder than the present one its own."""
    return (project_root() if root.resolve() == Path.cwd().resolve() else root) / "mlflow.db"
