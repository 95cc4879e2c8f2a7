"""dvc.yaml says what is true: code dependencies, groups, outputs."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from antimatter.execution.imports import closure
from antimatter.params.loader import group_names

ROOT = Path(__file__).resolve().parents[2]
STAGES = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
DATA_STAGES = ("collect", "conversations", "benchmarks", "clean", "filter", "dedup", "tokenizer", "tokenize")


@pytest.mark.parametrize("stage", STAGES)
def test_the_code_dependencies_are_the_files_that_the_stage_imports(stage):
    listed = {dep for dep in STAGES[stage]["deps"] if dep.endswith(".py")}
    imported = {path.as_posix() for path in closure(Path(f"stages/{stage}.py"), ROOT)}
    assert listed == imported, f"dvc.yaml, {stage}: missing {imported - listed}, superfluous {listed - imported}"


@pytest.mark.parametrize("stage", DATA_STAGES)
def test_a_data_stage_knows_neither_later_rooms_nor_the_parameters_of_another_stage(stage):
    for path in closure(Path(f"stages/{stage}.py"), ROOT):
        name = path.as_posix()
        assert not name.startswith(tuple(f"antimatter/{room}/" for room in ("model", "train", "evaluate", "report")))
        assert not name.startswith(("antimatter/tracking", "antimatter/cli"))
        if name.startswith("antimatter/params/") and path.stem in group_names():
            assert path.stem == stage


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_a_module_run_by_name_with_no_runtime_value_and_no_persistent_output(stage):
    definition = STAGES[stage]
    assert definition["cmd"] == f"python -m stages.{stage}"
    assert "persist" not in str(definition)
    assert set(definition["params"]) <= set(group_names())


def test_every_group_of_parameters_belongs_to_a_stage():
    used = {group for definition in STAGES.values() for group in definition["params"]}
    assert used == set(group_names())


def test_git_ignores_every_output_even_if_dvc_forgets_to():
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split("\n")
    outputs = [next(iter(out)) if isinstance(out, dict) else out for s in STAGES.values() for out in s.get("outs", [])]
    assert "/data/" in ignored
    assert all(out.startswith(("data/", "reports/")) for out in outputs)


ORDER = [
    "corpus",
    "execution",
    "collect",
    "clean",
    "filter",
    "dedup",
    "tokenizer",
    "model",
    "train",
    "evaluate",
    "export",
    "report",
]


def test_rooms_import_only_earlier_rooms():
    for index, room in enumerate(ORDER):
        later = set(ORDER[index + 1 :])
        if room == "corpus":
            later.discard("execution")
        for path in (ROOT / "antimatter" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                module = getattr(node, "module", None) if isinstance(node, ast.ImportFrom) else None
                names = [module] if module else [a.name for a in node.names] if isinstance(node, ast.Import) else []
                for name in filter(None, names):
                    parts = name.split(".")
                    assert not (parts[0] == "antimatter" and len(parts) > 1 and parts[1] in later), (
                        f"{path} imports {name}"
                    )
