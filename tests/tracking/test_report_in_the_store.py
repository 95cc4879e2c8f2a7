"""The page goes to the run of its model, or nowhere; it is never a reason to fail."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from antimatter.tracking_report import log_report


@pytest.fixture
def page(project):
    reports = Path("reports")
    reports.mkdir()
    (reports / "summary.json").write_text(json.dumps({"training": {"model_id": "m1"}}))
    (reports / "index.html").write_text("<p>the page</p>")
    (reports / "loss.svg").write_text("<svg/>")
    return reports / "index.html"


def test_the_page_and_its_pictures_are_artifacts_of_the_run_of_their_model(page, client, trained):
    other, train = trained("m0"), trained("m1")
    assert log_report(page)
    assert {entry.path for entry in client.list_artifacts(train, "report")} == {"report/index.html", "report/pictures"}
    assert [entry.path for entry in client.list_artifacts(train, "report/pictures")] == ["report/pictures/loss.svg"]
    assert client.list_artifacts(other) == []


def test_a_model_without_a_run_gets_no_page(page, trained):
    trained("another")
    assert not log_report(page)


def test_tracking_that_is_off_is_left_alone(page, client, trained, monkeypatch):
    train = trained("m1")
    monkeypatch.setenv("ANTIMATTER_TRACKING", "off")
    assert not log_report(page)
    assert client.list_artifacts(train) == []


def test_an_absent_store_is_neither_made_nor_a_reason_to_import_mlflow(page, project):
    (project / "mlflow.db").unlink()
    code = (
        "import sys; from pathlib import Path; from antimatter.tracking_report import log_report; "
        "assert not log_report(Path('reports/index.html')); assert 'mlflow' not in sys.modules"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(root), "DVC_ROOT": str(project)})
    assert not (project / "mlflow.db").exists()


def test_a_broken_store_costs_one_warning(page, project, capsys):
    (project / "mlflow.db").write_bytes(b"no database at all" * 100)
    assert not log_report(page)
    assert capsys.readouterr().err.count("warning: the page is not in MLflow") == 1
