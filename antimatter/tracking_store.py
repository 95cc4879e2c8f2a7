"""The MLflow store: where it is, its experiment, and the train run of a model in it.

The store is sqlite at the project root (one for the workspace and all temporary experiments of DVC) unless
MLFLOW_TRACKING_URI names another. Artifacts lie beside it in mlartifacts/.
"""

import contextlib
import fcntl
import logging
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.execution.runtime import project_root

PATIENCE = 60.0
"""Seconds to wait for another first connection; it takes a few."""


class StoreBusy(AntiMatterError):
    """Another process has held the lock of the store for too long; the message names the file."""


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or mlflow.db at the project root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root().resolve()}/mlflow.db"


def is_absent(uri: str) -> bool:
    """A sqlite store that nobody has made yet; to connect would make it."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()


def experiment_name() -> str:
    """ANTIMATTER_EXPERIMENT, or "antimatter"."""
    return os.environ.get("ANTIMATTER_EXPERIMENT") or "antimatter"


def import_mlflow() -> Any:
    """MLflow, quiet: no usage statistics, no migration log, no minutes of retries when a server is away."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def connect(uri: str) -> Any:
    """A client of the store."""
    return import_mlflow().MlflowClient(tracking_uri=uri)


def experiment_id(client: Any, uri: str) -> str:
    """The id of the experiment, created on first use. The first connection migrates an empty database: one at once."""
    name = experiment_name()
    with _one_at_a_time(uri):
        experiment = client.get_experiment_by_name(name)
        if experiment is not None:
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment.experiment_id)
            return str(experiment.experiment_id)
        place = None  # a server decides for itself
        if uri.startswith("sqlite:"):
            place = (project_root().resolve() / "mlartifacts" / re.sub(r"[^\w.-]", "_", name)).as_uri()
        return str(client.create_experiment(name, artifact_location=place))


def train_run(client: Any, model_id: str) -> str | None:
    """The id of the newest train run tagged with the model, in any experiment of the store."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    chosen = f"tags.stage = 'train' and tags.model_id = '{model_id}'"
    found = client.search_runs(experiments, chosen, max_results=1, order_by=["attributes.start_time DESC"])
    return str(found[0].info.run_id) if found else None


@contextlib.contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """An flock beside a sqlite database: of several first connections at once, all but one would fail."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + PATIENCE
    with open(database.with_name(database.name + ".lock"), "w", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise StoreBusy(
                        f"another process has held {file.name} for {PATIENCE:.0f} s: `fuser {file.name}` names it. "
                        "If it hangs, end it."
                    ) from None
                time.sleep(0.1)
        yield
