"""MLflow: one run for each execution of a stage. No stage knows it; execution.observer finds it by name.

    experiment   ANTIMATTER_EXPERIMENT, or "antimatter" (the profile is no parameter, so a stage cannot know its name)
    run          train-<DVC experiment, or short commit>; found again by work/<stage>/<fingerprint>/mlflow_run_id
                 a second one of that name is train-...-2
    params       train.learning_rate ...            tags     stage, model_id, dvc.exp, dvc.dep.data/tokens=<md5> ...
    metrics      curves by step; the stage's report; run.seconds and peak memory; system/* every 10 seconds
    inputs       data/tokens with its digest: MLflow's dataset column

Weights are never logged: they would be a third copy; tracking_registry names them.
A report that holds `model_id` and `headline` also writes `evaluate.<name>` metrics on the train run with that tag, so
that one row of the comparison shows curve and scores: of each score the newest. Each evaluation keeps its own as
`headline.<name>`, with its parameters, and names the train run in its tags.
"""

import itertools
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import folder_digest
from antimatter.execution.runtime import project_root
from antimatter.params.loader import to_plain
from antimatter.tracking_registry import Evaluated, register
from antimatter.tracking_store import connect, experiment_id, import_mlflow, tracking_uri, train_run

MODEL, TOKENS = Path("data/model"), Path("data/tokens")
_LONGEST_VALUE, _LONGEST_KEY, _LONGEST_DIGEST = 500, 250, 36
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
"""The most that the REST interface takes in one call."""


class StageRun:
    """The methods of execution.observer.Observer, on one MLflow run. Any of them may raise: the caller guards."""

    def __init__(self, stage: str, settings: Any, reads: Sequence[Path], folder: Path) -> None:
        self.stage, self._reads = stage, reads
        self._entities = import_mlflow().entities
        uri = tracking_uri()
        self._client = connect(uri)
        experiment = experiment_id(self._client, uri)
        self._pending: list[Any] = []
        self._logged: dict[str, int] = {}  # metric -> last step in the store: a resumed stage repeats some
        resumed = self._reopen(folder / "mlflow_run_id")
        if not resumed:
            name = os.environ.get("DVC_EXP_NAME") or _commit()[:7] or folder.name[:7]
            name = _free_name(self._client, experiment, stage, f"{stage}-{name}")
            run = self._client.create_run(experiment, tags=_tags(stage, reads, folder), run_name=name)
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
            train = train_run(self._client, str(content["model_id"]))
            if train is not None:
                self._headline(train, content["headline"])
                self._register(train, content)

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

    def _headline(self, train: str, values: Mapping[str, float]) -> None:
        """Scores on the train run, in place of those of an earlier evaluation; the name of that run on this one."""
        now = int(time.time() * 1000)
        numbers = flatten_numbers(values, self.stage)
        self._client.log_batch(train, metrics=[self._entities.Metric(k, v, now, 0) for k, v in numbers.items()])
        name = self._client.get_run(train).info.run_name
        # not as a child run: the page would show the parents in its place, and chart their metrics
        self.tags({"train_run": train, "train_run_name": name})

    def _register(self, train: str, content: Mapping[str, Any]) -> None:
        """The model as a version of the registry, if the report says how well it predicts held-out text."""
        bits, scored = content["headline"].get("bits_per_byte"), content.get("validation", {}).get("tokens")
        if bits is None or scored is None or not {MODEL, TOKENS} <= set(self._reads):
            return
        md5 = dvc_digests([MODEL]).get(MODEL.as_posix(), "")
        if md5:
            self._client.set_tag(train, f"dvc.out.{MODEL.as_posix()}", md5)
        origin = {"commit": _commit(), "dvc.exp": os.environ.get("DVC_EXP_NAME", "")}
        model = Evaluated(
            model_id=str(content["model_id"]),
            path=project_root() / MODEL,
            md5=md5,
            train_run=train,
            evaluate_run=self.run_id,
            bits_per_byte=float(bits),
            tokens_digest=read_json(TOKENS / "meta.json")["digest"],
            tokens_scored=int(scored),
            origin={name: value for name, value in origin.items() if value},
        )
        register(self._client, model)

    def _log_inputs(self, reads: Sequence[Path]) -> None:
        """The stage's inputs by name and digest; no data is copied."""
        entities = self._entities
        context = entities.InputTag("mlflow.data.context", "training" if self.stage == "train" else self.stage)
        inputs = []
        for path in reads:
            source = json.dumps({"uri": path.as_posix()})
            dataset = entities.Dataset(path.as_posix(), _digest(path), "local", source)
            inputs.append(entities.DatasetInput(dataset, [context]))
        if inputs:
            self._client.log_inputs(self.run_id, inputs)

    def _log(self, synchronous: bool = True, **entities: Sequence[Any]) -> None:
        for kind, values in entities.items():
            for start in range(0, len(values), _BATCH[kind]):
                batch = {kind: values[start : start + _BATCH[kind]]}
                operation = self._client.log_batch(self.run_id, synchronous=synchronous, **batch)
                if operation is not None:
                    self._pending.append(operation)


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


def _start_monitor(run_id: str, uri: str, resumed: bool) -> Any:
    """Processor, memory, disk, network and GPU use every MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL (10) seconds."""
    from mlflow.system_metrics import system_metrics_monitor

    untyped: Any = system_metrics_monitor.SystemMetricsMonitor
    monitor = untyped(run_id, resume_logging=resumed, tracking_uri=uri)
    monitor.start()
    return monitor


def _free_name(client: Any, experiment: str, stage: str, name: str) -> str:
    """The name, or name-2, name-3 ...: runs of one commit with other parameters must not look alike."""
    runs = client.search_runs([experiment], f"tags.stage = '{stage}'", max_results=1000)
    taken = {run.info.run_name for run in runs}
    free = (f"{name}-{number}" for number in itertools.count(2))
    return name if name not in taken else next(other for other in free if other not in taken)


def _digest(path: Path) -> str:
    """The digest of an input: DVC's, or our own outside of DVC."""
    return (dvc_digests([path]).get(path.as_posix()) or folder_digest(path))[:_LONGEST_DIGEST]


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
