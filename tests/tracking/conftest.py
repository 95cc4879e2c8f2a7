"""A store of its own for each test: a copy of one that was migrated once, because migrations take seconds."""

import shutil
from pathlib import Path

import mlflow
import pytest

from antimatter.tracking import StageRun

TOKENS, MODEL = Path("data/tokens"), Path("data/model")


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory):
    """A database with MLflow's tables."""
    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def project(tmp_path, migrated_store, monkeypatch):
    """An empty project with a store of its own, tokens and a model."""
    shutil.copyfile(migrated_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for folder in (TOKENS, MODEL):
        folder.mkdir(parents=True)
        (folder / "file.bin").write_bytes(b"\x01\x02")
    (TOKENS / "meta.json").write_text('{"digest": "0123456789abcdef"}')
    return tmp_path


@pytest.fixture
def client(project):
    return mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")


@pytest.fixture
def trained(project):
    """Makes a finished train run of a model and returns its id."""

    def train(model_id: str) -> str:
        run = StageRun("train", [], [TOKENS], Path(f"work/train/{model_id}"))
        run.tags({"model_id": model_id})
        run.end("FINISHED")
        return run.run_id

    return train


@pytest.fixture
def evaluated(project):
    """Makes a finished evaluation of a model and returns its run id."""

    def evaluate(model_id: str, bits_per_byte: float, settings=(), folder: str = "1", tokens: int = 1000) -> str:
        run = StageRun("evaluate", list(settings), [MODEL, TOKENS], Path(f"work/evaluate/{model_id}-{folder}"))
        run.report(
            {"model_id": model_id, "headline": {"bits_per_byte": bits_per_byte}, "validation": {"tokens": tokens}}
        )
        run.end("FINISHED")
        return run.run_id

    return evaluate
