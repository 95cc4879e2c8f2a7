"""A project in a temporary folder, and tiny wheels of the shapes that the real ones have."""

import hashlib
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from antimatter.corpus.shards import read_shard, shard_paths

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass
class Project:
    """The current folder of a test: params.yaml, input/, an index that pip finds its wheels in."""

    root: Path
    index: Path
    work: Path

    def wheel(self, name: str, members: Mapping[str, bytes | str], cached: bool = True) -> dict[str, str]:
        """Build name-1.0-py3-none-any.whl; the fields of a source that pin it. Cached: pip need not be asked."""
        file = f"{name}-1.0-py3-none-any.whl"
        path = self.index / file
        info = f"{name}-1.0.dist-info"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in members.items():
                archive.writestr(member, content)
            archive.writestr(f"{info}/METADATA", metadata)
            archive.writestr(f"{info}/WHEEL", tags)
            archive.writestr(f"{info}/RECORD", "")
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if cached:
            self.cache(path, sha256)
        return {"package": f"{name}==1.0", "file": file, "sha256": sha256}

    def cache(self, path: Path, sha256: str) -> Path:
        target = self.work / "downloads" / sha256 / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        return target

    def source(self, name: str, content: Mapping[str, bytes | str], **settings: Any) -> dict[str, Any]:
        """A source of kind package, with its wheel in the cache."""
        cached = settings.pop("cached", True)
        fields = {"format": "text", "members": ["*.txt"], **settings}
        return {"name": name, "kind": "package", **self.wheel(name, content, cached), **fields}

    def write_params(self, **groups: Any) -> None:
        with open(self.root / "params.yaml", "w", encoding="utf-8") as file:
            YAML().dump(groups, file)

    def collect(self, *sources: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
        """Run the stage on these sources; its report. Any share of them may be broken, unless the settings say else."""
        from stages import collect

        self.write_params(collect={"sources": list(sources), "max_rejected_share": 1.0, **settings})
        collect.main()
        return self.report("collect")

    def report(self, stage: str) -> dict[str, Any]:
        return dict(json.loads((self.root / f"reports/{stage}.json").read_text(encoding="utf-8")))

    def rows(self, folder: str = "documents") -> list[dict[str, Any]]:
        """All rows of data/raw/<folder>."""
        return [row for path in shard_paths(self.root / "data/raw" / folder) for row in read_shard(path).to_pylist()]

    def texts(self) -> dict[str, str]:
        """{origin: text} of the collected documents."""
        return {row["origin"]: row["text"] for row in self.rows()}


INPUT = {"name": "input", "kind": "files", "path": "input"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    root, index, work = tmp_path / "project", tmp_path / "index", tmp_path / "work"
    for folder in (root, root / "input", index, work):
        folder.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(REPOSITORY))
    environment = {
        "ANTIMATTER_WORK": str(work),
        "ANTIMATTER_TRACKING": "off",
        "ANTIMATTER_WORKERS": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": "/dev/null",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    for name in ("DVC_STAGE", "DVC_ROOT", "ANTIMATTER_FRESH", "ANTIMATTER_RESUME"):
        monkeypatch.delenv(name, raising=False)
    return Project(root, index, work)


@pytest.fixture
def user_input() -> dict[str, str]:
    """The source that reads input/."""
    return dict(INPUT)
