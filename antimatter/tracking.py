"""MLflow: one run for each execution of a stage. No stage knows it; execution.observer finds it by name.

    experiment   ANTIMATTER_EXPERIMENT, or "antimatter" (the profile is no parameter, so a stage cannot know its name)
    run          train-<DVC experiment, or short commit>; found again by work/<stage>/<fingerprint>/mlflow_run_id
    params       train.learning_rate ...            tags     stage, model_id, dvc.exp, dvc.dep.data/tokens=<md5> ...
    metrics      curves by step; the stage's report; run.seconds and peak memory; system/* every 10 seconds
    inputs       data/tokens with its digest: MLflow's dataset column

The store is sqlite at the project root (one for the workspace and all temporary experiments of DVC) unless
MLFLOW_TRACKING_URI names another. Weights are never logged: they would be a third copy.
A report that holds `model_id` and `headline` also writes `evaluate.<name>` metrics on the train run with that tag, so
that one row of the comparison shows curve and scores.
"""

import contextlib
import fcntl
import json
import logging
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.corpus.shards import folder_digest
from antimatter.execution.runtime import project_root
from antimatter.params.loader import to_plain

_LONGEST_VALUE, _LONGEST_KEY, _LONGEST_DIGEST = 500, 250, 36
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""The most that the REST interface takes in one call."""


class StageRun:
    """The methods of execution.observer.Observer, on one MLflow run. Any of them may raise: the caller guards."""

    def __init__(self, stage: str, settings: Any, reads: Sequence[Path], folder: Path) -> None:
        mlflow = _import_mlflow()
        self.stage = stage
        self._entities = mlflow.entities
        uri = tracking_uri()
        self._client = mlflow.MlflowClient(tracking_uri=uri)
        experiment = _experiment(self._client, uri)
        self._pending: list[Any] = []
        self._logged: dict[str, int] = {}  # metric -> last step in the store: a resumed stage repeats some
        resumed = self._reopen(folder / "mlflow_run_id")
        if not resumed:
            name = os.environ.get("DVC_EXP_NAME") or _commit()[:7] or folder.name[:7]
            run = self._client.create_run(experiment, tags=_tags(stage, reads, folder), run_name=f"{stage}-{name}")
            self.run_id = str(run.info.run_id)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "mlflow_run_id").write_text(self.run_id + "\n", encoding="utf-8")
        try:
            self._log(params=[self._entities.Param(k, v) for k, v in flatten_settings(settings).items()])
            if not resumed:
                self._log_inputs(reads)
            self._monitor = _start_monitor(self.run_id, uri, resumed)
        except BaseException:
            self._client.set_terminated(self.run_id, "FAILED")
            raise

    def report(self, content: Mapping[str, Any]) -> None:
        """Numbers of the report as metrics (a curve of the same name wins); headline scores on the train run too."""
        self.metrics(flatten_numbers(content), 0)
        if "model_id" in content:
            self.tags({"model_id": str(content["model_id"])})
        if "model_id" in content and "headline" in content:
            self.headline(str(content["model_id"]), content["headline"])

    def measured(self, content: Mapping[str, Any]) -> None:
        """Its numbers, each as one point."""
        self.metrics(flatten_numbers(content), 0)

    def metrics(self, values: Mapping[str, float], step: int) -> None:
        """A point on every curve named; points that the store already has (resume) are left out."""
        now = int(time.time() * 1000)
        fresh = {key: value for key, value in values.items() if self._logged.get(_key(key), -1) < step}
        self._logged |= {_key(key): step for key in fresh}
        points = [self._entities.Metric(_key(key), float(value), now, step) for key, value in fresh.items()]
        self._log(metrics=points, synchronous=False)

    def went_back(self, step: int) -> None:
        """Points after `step` may come again; the store keeps both, by time."""
        self._logged = {key: min(reached, step) for key, reached in self._logged.items()}

    def text(self, name: str, content: str) -> None:
        """An artifact of the run."""
        self._client.log_text(self.run_id, content, name)

    def tags(self, tags: Mapping[str, str]) -> None:
        """Facts such as model_id."""
        self._log(tags=[self._entities.RunTag(_key(key), str(value)) for key, value in tags.items()])

    def headline(self, model_id: str, values: Mapping[str, float]) -> None:
        """Scores of a model on the newest train run tagged with it; on this run alone if the store holds none."""
        experiments = [experiment.experiment_id for experiment in self._client.search_experiments()]
        chosen = f"tags.stage = 'train' and tags.model_id = '{model_id}'"
        found = self._client.search_runs(experiments, chosen, max_results=1, order_by=["attributes.start_time DESC"])
        if not found:
            return
        now = int(time.time() * 1000)
        run_id = found[0].info.run_id
        numbers = flatten_numbers(values, self.stage)
        self._client.log_batch(run_id, metrics=[self._entities.Metric(k, v, now, 0) for k, v in numbers.items()])
        self.tags({"train_run": run_id})

    def end(self, status: str, record: Mapping[str, Any] | None = None) -> None:
        """Wait for what is still being written, then close the run as FINISHED, FAILED or KILLED."""
        try:
            self.metrics(flatten_numbers(record or {}, "run"), 0)
            if self._monitor is not None:
                self._monitor.finish()
            for operation in self._pending:
                operation.wait()
        finally:
            self._client.set_terminated(self.run_id, status)

    def _reopen(self, path: Path) -> bool:
        """Go on with the run of an earlier, interrupted execution, if the store (still) holds it."""
        if not path.exists():
            return False
        from mlflow.exceptions import MlflowException

        try:
            run = self._client.get_run(path.read_text(encoding="utf-8").strip())
        except MlflowException:  # another store, or deleted there: a new run
            return False
        if run.info.lifecycle_stage != "active":
            return False
        self.run_id = str(run.info.run_id)
        self._client.update_run(self.run_id, status="RUNNING")
        self._logged = {metric.key: metric.step for metric in run.data._metric_objs}  # the latest step of each
        return True

    def _log_inputs(self, reads: Sequence[Path]) -> None:
        """The stage's inputs by name and digest; no data is copied."""
        from_dvc, entities = dvc_digests(reads), self._entities
        context = entities.InputTag("mlflow.data.context", "training" if self.stage == "train" else self.stage)
        inputs = []
        for path in reads:
            digest = (from_dvc.get(path.as_posix()) or folder_digest(path))[:_LONGEST_DIGEST]
            source = json.dumps({"uri": path.as_posix()})
            inputs.append(entities.DatasetInput(entities.Dataset(path.as_posix(), digest, "local", source), [context]))
        if inputs:
            self._client.log_inputs(self.run_id, inputs)

    def _log(self, synchronous: bool = True, **entities: Sequence[Any]) -> None:
        for kind, values in entities.items():
            for start in range(0, len(values), _BATCH[kind]):
                batch = {kind: values[start : start + _BATCH[kind]]}
                operation = self._client.log_batch(self.run_id, synchronous=synchronous, **batch)
                if operation is not None:
                    self._pending.append(operation)


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or mlflow.db at the project root."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root().resolve()}/mlflow.db"


def flatten_settings(settings: Any) -> dict[str, str]:
    """Settings (a dataclass or several) as MLflow params: {"train.learning_rate": "0.001", ...}.

    A list of plain values is one param (JSON); the items of a list of groups are named by their `name`, or counted.
    """
    groups = settings if isinstance(settings, list | tuple) else [settings]
    params: dict[str, str] = {}
    for group in groups:
        for key, value in _leaves(to_plain(group), type(group).__name__.lower()):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            params[_key(key)] = text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 3] + "..."
    return params


def flatten_numbers(content: Any, prefix: str = "") -> dict[str, float]:
    """The numbers in a nested report by dotted name; texts, lists and nothing (null) are left out, true counts 1."""
    leaves = _leaves(content, prefix) if content else ()
    return {_key(key): float(value) for key, value in leaves if isinstance(value, int | float)}


def dvc_digests(reads: Sequence[Path], lock: Path = Path("dvc.lock")) -> dict[str, str]:
    """The md5 of each input as dvc.lock knows it; {} outside of DVC, where the lock may be older than the data."""
    if "DVC_STAGE" not in os.environ or not lock.exists():
        return {}
    from ruamel.yaml import YAML

    stages = (YAML(typ="safe").load(lock.read_text(encoding="utf-8")) or {}).get("stages") or {}
    outs = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", []) if "md5" in out}
    digests = {}
    for path in reads:
        for candidate in (path, *path.parents):  # data/raw/documents lies in the output data/raw
            if candidate.as_posix() in outs:
                digests[path.as_posix()] = str(outs[candidate.as_posix()])
                break
    return digests


def _import_mlflow() -> Any:
    """MLflow, quiet: no usage statistics, no migration log, no minutes of retries when a server is away."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    import mlflow

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return mlflow


def experiment_id() -> str:
    """The id of the experiment that stages log to, created if need be."""
    uri = tracking_uri()
    return _experiment(_import_mlflow().MlflowClient(tracking_uri=uri), uri)


def _experiment(client: Any, uri: str) -> str:
    """The id of the experiment, created on first use. The first connection migrates an empty database: one at once."""
    name = os.environ.get("ANTIMATTER_EXPERIMENT") or "antimatter"
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


@contextlib.contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """An flock beside a sqlite database: of several first connections at once, all but one would fail."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(database.with_name(database.name + ".lock"), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _start_monitor(run_id: str, uri: str, resumed: bool) -> Any:
    """Processor, memory, disk, network and GPU use every MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL (10) seconds."""
    from mlflow.system_metrics import system_metrics_monitor

    untyped: Any = system_metrics_monitor.SystemMetricsMonitor
    monitor = untyped(run_id, resume_logging=resumed, tracking_uri=uri)
    monitor.start()
    return monitor


def _tags(stage: str, reads: Sequence[Path], folder: Path) -> dict[str, str]:
    environment = {"dvc.stage": "DVC_STAGE", "dvc.exp": "DVC_EXP_NAME", "dvc.baseline": "DVC_EXP_BASELINE_REV"}
    tags = {"stage": stage, "fingerprint": folder.name, "mlflow.source.name": f"stages.{stage}"}
    tags |= {tag: os.environ[variable] for tag, variable in environment.items() if os.environ.get(variable)}
    tags |= {f"dvc.dep.{path}": digest for path, digest in dvc_digests(reads).items()}
    commit = _commit()
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


def _commit() -> str:
    """The commit of the current folder; inside an experiment of DVC it is the baseline. Empty without git."""
    try:
        head = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip()


def _leaves(content: Any, where: str) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        items = list(content.items())
    elif isinstance(content, list) and content and all(isinstance(item, Mapping) for item in content):
        items = [(item.get("name", index), item) for index, item in enumerate(content)]
    else:
        yield where, content
        return
    for name, value in items:
        yield from _leaves(value, f"{where}.{name}" if where else str(name))


def _key(name: str) -> str:
    """A name that MLflow accepts: letters, digits, _ - . : / and spaces, neither a rooted nor a climbing path."""
    return re.sub(r"[^\w\-./: ]", "_", name).replace("..", "_").strip("/")[:_LONGEST_KEY]
