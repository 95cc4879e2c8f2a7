"""The notebooks run on a finished project, and are stored without what running leaves behind."""

import os
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import start_new_kernel
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


@pytest.fixture(scope="module")
def kernel(finished, tmp_path_factory):
    """One for all: to start it and to import takes longer than the notebooks do."""
    folder = tmp_path_factory.mktemp("notebooks")
    project = folder / "project"
    shutil.copytree(finished.folder, project, symlinks=True, ignore=shutil.ignore_patterns("work", ".git"))
    (project / "reports" / "notebooks").mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(project), "IPYTHONDIR": str(folder / "ipython")}
    manager, client = start_new_kernel(cwd=str(project), env=environment)
    client.stop_channels()
    yield manager, project
    manager.shutdown_kernel(now=True)


@pytest.mark.pipeline
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_on_a_finished_project(path, kernel):
    manager, project = kernel
    notebook, here = read(path), project / "reports" / "notebooks"  # where a person opens it
    fresh = nbformat.v4.new_code_cell(f"%reset -f\nimport os\nos.chdir({str(here)!r})\ndel os")
    notebook.cells.insert(0, fresh)  # no name of another notebook
    NotebookClient(notebook, km=manager, timeout=120).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert outputs and not [output for output in outputs if output.output_type == "error"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
