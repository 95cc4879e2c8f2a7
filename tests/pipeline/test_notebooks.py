"""The notebooks run on a finished project, and are stored without what running leaves behind."""

import re
import shutil
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "reports" / "notebooks").glob("*.ipynb"))
NAMES = ["data_exploration", "evaluation", "preprocessing", "tokenization"]


def read(path):
    return nbformat.read(path, as_version=4)


def test_there_are_four():
    assert [path.stem for path in NOTEBOOKS] == NAMES


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs_counts_and_places(path):
    for cell in read(path).cells:
        if cell.cell_type == "code":
            assert cell.outputs == [] and cell.execution_count is None
    assert not re.search(r"/(home|Users|root|tmp|work)/", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_explains_every_code_cell_before_it_comes(path):
    kinds = [cell.cell_type for cell in read(path).cells]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2) and 6 <= len(kinds) <= 12


@pytest.mark.pipeline
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_finished_project(path, finished, tmp_path, monkeypatch):
    project = tmp_path / "project"
    shutil.copytree(finished.folder, project, symlinks=True, ignore=shutil.ignore_patterns("work", ".git"))
    here = project / "reports" / "notebooks"  # also where a person opens it
    here.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("PYTHONPATH", str(project))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = read(path)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(here)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs and not [output for output in outputs if output.output_type == "error"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
