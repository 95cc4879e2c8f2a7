"""Runtime settings: what this machine does, never what the result is.

Precedence: ANTIMATTER_WORKERS, ANTIMATTER_DEVICE, ... > runtime.local.yaml at the project root > runtime.yaml.
They stand in no stage's params, deps or cmd, so changing them never reruns anything.
"""

import difflib
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from antimatter.errors import AntiMatterError

_ALLOWED = {
    "executor": ("local",),
    "device": ("auto", "cpu", "cuda", "mps"),
    "sharding": ("off", "on", "offload"),
    "activation_checkpointing": ("off", "on"),
    "tracking": ("mlflow", "off"),
}


_OTHER_VARIABLES = {
    f"ANTIMATTER_{name}" for name in ("WORK", "FRESH", "RESUME", "TRACEBACK", "EXPERIMENT", "STRICT_SKIPS", "JUDGE_KEY")
}
"""Variables that are no settings: where scratch lies, and how one run behaves."""


class RuntimeSettingError(AntiMatterError, ValueError):
    """A runtime setting is unknown or out of range; the message names where it was set."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """Settings of runtime.yaml; see the comments there."""

    executor: Literal["local"] = "local"
    workers: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    processes: int = 0
    threads: int = 0
    micro_batch: int = 0
    sharding: Literal["off", "on", "offload"] = "off"
    activation_checkpointing: Literal["off", "on"] = "off"
    tracking: Literal["mlflow", "off"] = "mlflow"

    def worker_count(self) -> int:
        """Data processes to start: the setting, or one per core that this process may use."""
        if self.workers:
            return self.workers
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> Runtime:
    """The settings in force. Raises RuntimeSettingError naming setting, place and choices."""
    known = {f.name: f.type for f in fields(Runtime)}
    values: dict[str, Any] = {}
    for path in (Path("runtime.yaml"), project_root() / "runtime.local.yaml"):
        if path.exists():
            for name, value in _read(path).items():
                values[name] = _checked(name, value, str(path), known)
    for variable in sorted(os.environ):
        name = variable.removeprefix("ANTIMATTER_").lower()
        if variable.startswith("ANTIMATTER_") and variable not in _OTHER_VARIABLES and name not in known:
            _checked(name, None, f"environment {variable}", known)
    for name in known:
        text = os.environ.get(f"ANTIMATTER_{name.upper()}")
        if text:  # an empty variable is an unset one
            value = int(text) if text.isdecimal() else text
            values[name] = _checked(name, value, f"environment ANTIMATTER_{name.upper()}", known)
    return Runtime(**values)


def _read(path: Path) -> Mapping[Any, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        tree = YAML().load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise RuntimeSettingError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(tree, Mapping | None):
        raise RuntimeSettingError(f"{path}: expected lines such as `workers: 2`, found {tree!r}")
    return tree or {}


def _checked(name: str, value: Any, where: str, known: dict[str, Any]) -> Any:
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else f" There are {', '.join(known)}."
        raise RuntimeSettingError(f"{where}: {name} is not a runtime setting.{hint}")
    if name in _ALLOWED:
        # a bare `off` is a text in YAML 1.2, but people also write false
        value = {False: "off", True: "on"}.get(value, value) if isinstance(value, bool) else value
        if value not in _ALLOWED[name]:
            raise RuntimeSettingError(f"{where}: {name} is {value!r}; must be one of {', '.join(_ALLOWED[name])}")
    elif not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise RuntimeSettingError(f"{where}: {name} is {value!r}; must be a whole number, 0 or more")
    return value


def project_root() -> Path:
    """Where work/, mlflow.db and runtime.local.yaml lie: the same folder for the workspace and for every temporary
    experiment of DVC, which runs in a copy of the tree but keeps DVC_ROOT."""
    root = os.environ.get("DVC_ROOT")
    if root:
        return Path(root)
    try:
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return Path.cwd()
    return Path(top.stdout.strip())


def work_folder() -> Path:
    """Scratch of all stages: ANTIMATTER_WORK (relative to the project root), or work/ there."""
    return project_root() / (os.environ.get("ANTIMATTER_WORK") or "work")
