"""The work folder of a stage: resumable, published whole or not at all.

    work/<stage>/lock                      one process a stage
    work/<stage>/<fingerprint>/code.json   digests of the code that began the work
                              /records/    one JSON a finished part: what is recorded is never done again
                              /scratch/    whatever the stage needs on the way
                              /out/        the future outputs; published by hard links
                              /done.json   written after the last part, before publication
                              /published.json   written after publication

fingerprint = digest(format version, settings, contents of the inputs): other settings, other folder. A kill at any
moment costs the parts in flight. A kill after done.json costs a few hard links, because the folder goes only when a
later start finds its publication recorded in dvc.lock.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash

from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import read_json, write_json
from antimatter.corpus.shards import atomic_path, file_digest, folder_digest, is_unfinished, require
from antimatter.errors import AntiMatterError
from antimatter.execution import imports, lock, observer, runner, runtime
from antimatter.execution.progress import Progress
from antimatter.execution.sweep import sweep
from antimatter.execution.trees import link_tree, remove
from antimatter.params.loader import to_plain

Result = dict[str, Any]


class CodeChanged(AntiMatterError, RuntimeError):
    """Unfinished work was begun by other code; the message lists the files and the way on."""


class WrongCheckout(AntiMatterError, RuntimeError):
    """DVC runs an experiment in a copy of the tree, but the code was imported from somewhere else."""


class Workspace:
    """What a stage works with while it runs; made by `run`."""

    def __init__(self, stage: str, settings: Any, folder: Path, published: Sequence[Path], report: Path) -> None:
        self.stage, self.settings, self.folder = stage, settings, folder
        self.runtime = runtime.load()
        self.executor = runner.from_runtime(self.runtime)
        self.output = folder / "out"
        self.scratch = folder / "scratch"
        self.published, self.report_path = published, report
        self.observer = observer.Observer()
        self._names: set[str] = set()
        self.scratch.mkdir(parents=True, exist_ok=True)

    @property
    def finished(self) -> bool:
        """The outputs are complete: an earlier run was killed between its last shard and dvc.lock."""
        return (self.folder / "done.json").exists()

    def map(
        self,
        function: Callable[[Any], Result],
        parts: Sequence[Any],
        title: str | None = None,
        records: str | None = None,
    ) -> list[Result]:
        """Results of function(part) in the order of the parts; finished parts of a killed run are not repeated.

        A result is a small JSON-ready dict; `documents` and `bytes` in it feed the progress bar. It comes back as JSON
        keeps it (a tuple as a list, keys as text), in the first run as in a resumed one. Files that the function
        writes must be complete when it returns (shards are: temporary name, fsync, rename). `records` names what is
        remembered (the title, if not given), so each name may be used once.
        """
        title = title or self.stage
        name = records or title
        if name in self._names:
            raise ValueError(f"stage {self.stage} maps twice under the name {name!r}: give each map its own")
        self._names.add(name)
        folder = self.folder / "records" / name.replace(" ", "_")
        results: dict[int, Result] = {}
        for index in range(len(parts)):
            path = folder / f"part-{index:05d}.json"
            if path.exists():
                results[index] = read_json(path)
        missing = [index for index in range(len(parts)) if index not in results]

        def done(position: int, result: Result) -> None:
            index = missing[position]
            if not isinstance(result, dict):
                raise TypeError(f"a part of {title} must return a dict, not {type(result).__name__}")
            write_json(folder / f"part-{index:05d}.json", result)
            results[index] = json.loads(json.dumps(result))
            progress.advance(result.get("documents", 0), result.get("bytes", 0))

        with Progress(title, len(parts)) as progress:
            progress.resume(len(parts) - len(missing))
            self.executor.map(function, [parts[index] for index in missing], done)
        return [results[index] for index in range(len(parts))]

    def exchange(
        self,
        function: Callable[[Any], Any],
        parts: Sequence[Any],
        partitions: int,
        merge: Callable[[int, list[Any]], Result],
        title: str,
    ) -> list[Result]:
        """A shuffle by key (runner.exchange_halves), resumable like `map`; the spill is removed at the end."""
        folder = self.scratch / title.replace(" ", "_")
        done = folder / "merged.json"
        if not done.exists():
            (spill, spills), (merge_one, merges) = runner.exchange_halves(function, merge, parts, partitions, folder)
            self.map(spill, spills, title=f"{title} out")
            write_json(done, self.map(merge_one, merges, title=f"{title} in"))
        for path in folder.glob("part-*.arrow"):
            path.unlink()
        return list(read_json(done))

    def counts(self, results: Iterable[Result]) -> Counts:
        """The sum of the shards' counts, balanced or LostDocuments."""
        counts = Counts.sum(result["counts"] for result in results)
        counts.require_balance(self.stage)
        return counts

    def reported(self) -> Any:
        """The report of this stage, which is not public yet."""
        return read_json(self.folder / "report.json")

    def report(self, content: Any) -> None:
        """Keep the report of this stage; it is published with the outputs."""
        write_json(self.folder / "report.json", content)
        self.observer.report(content)

    def measured(self, content: Mapping[str, Any]) -> None:
        """Keep figures that differ from run to run (speed, an outside judge) in work/measured/<stage>.json, for the
        page, and tell them to the tracking store; a report holds none, because DVC compares its bytes."""
        write_json(runtime.work_folder() / "measured" / f"{self.stage}.json", content)
        self.observer.measured(content)

    def tag(self, **tags: str) -> None:
        """Facts about this run for the tracking store (model_id, ...)."""
        self.observer.tags(tags)


def run(
    stage: str,
    settings: Any,
    reads: Sequence[Path],
    writes: Sequence[Path],
    build: Callable[[Workspace], None],
    report: Path | None = None,
    format_version: int = 1,
    check: Callable[[Workspace], None] | None = None,
) -> None:
    """Run a stage: find or make its work folder, hold its lock, build the outputs if need be, publish them.

    settings        dataclass (or list of them) of parameters that decide the result
    reads           input files and folders; their contents enter the fingerprint
    writes          output folders data/x/y; out/y of the work folder is published as data/x/y
    build           fills work.output and calls work.report; not called if an earlier run had finished
    report          the JSON report to publish, reports/<stage>.json unless said otherwise
    format_version  of the stage's intermediate files: raise it when old work must not be continued
    check           asked before publication, also of work that an earlier run had finished; if it raises, nothing is
                    published, and a later run with the same settings asks again without building again

    Raises: MissingData naming the stage to run first, WorkspaceBusy, CodeChanged, WrongCheckout, and what build raises.
    """
    _require_own_checkout()
    for path in reads:
        require(path)
    home = runtime.work_folder() / stage
    home.mkdir(parents=True, exist_ok=True)
    with lock.hold(home / "lock", stage):
        fingerprint = fingerprint_of(stage, settings, reads, format_version)
        folder = home / fingerprint
        sweep(runtime.work_folder(), stage)
        code = _code_of(stage)
        if os.environ.get("ANTIMATTER_FRESH") == "1" or _is_outdated(folder, code):
            remove(folder)
        resumed = folder.exists()
        work = Workspace(stage, settings, folder, writes, report or Path(f"reports/{stage}.json"))
        _check_code(work, code)
        started = time.time()
        work.observer = observer.start(stage, settings, reads, work.runtime, folder)
        try:
            if work.finished:
                print(f"{stage}: finished by an earlier run ({fingerprint[:12]})", file=sys.stderr)
            else:
                build(work)
                write_json(folder / "done.json", {"outputs": [path.as_posix() for path in writes]})
            shutil.rmtree(work.scratch, ignore_errors=True)  # also of work that the check keeps from being published
            if check is not None:
                check(work)
            _publish(work)
            write_json(folder / "published.json", code)
        except BaseException as error:
            work.observer.end("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        finally:
            work.executor.close()
        record = {
            "stage": stage,
            "fingerprint": fingerprint,
            "started": started,
            "seconds": round(time.time() - started, 3),
            "resumed": resumed,
            "workers": work.runtime.worker_count(),
            **_memory(),
        }
        write_json(runtime.work_folder() / "runs" / f"{stage}.json", record)
        work.observer.end("FINISHED", record)


def fingerprint_of(stage: str, settings: Any, reads: Sequence[Path], format_version: int) -> str:
    """32 hex digits over everything that decides the result of a stage, except its code."""
    content = {
        "format": format_version,
        "stage": stage,
        "settings": to_plain(settings),
        "inputs": {path.as_posix(): folder_digest(path) for path in reads},
    }
    return xxhash.xxh3_128(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _require_own_checkout() -> None:
    """Under DVC the code must come from the current folder: an editable install would run the original checkout's code
    inside a temporary experiment, under the experiment's name."""
    if "DVC_STAGE" in os.environ:
        package = Path(__file__).resolve().parents[2]
        if package != Path.cwd().resolve():
            raise WrongCheckout(
                f"antimatter was imported from {package}, but DVC runs this stage in {Path.cwd()}. "
                "Run stages as `python -m stages.NAME`, from the folder that holds dvc.yaml."
            )


def _code_of(stage: str) -> dict[str, str]:
    """Digests of the files that the stage is made of, by path."""
    root = Path(__file__).resolve().parents[2]
    entry = Path("stages") / f"{stage}.py"
    files = imports.closure(entry, root) if (root / entry).exists() else []
    return {path.as_posix(): file_digest(root / path) for path in files}


def _is_outdated(folder: Path, code: dict[str, str]) -> bool:
    """Whether the work was finished and published by other code: a plain rerun after an edit, which begins anew."""
    published = folder / "published.json"
    return published.exists() and read_json(published) != code and os.environ.get("ANTIMATTER_RESUME") != "accept"


def _check_code(work: Workspace, code: dict[str, str]) -> None:
    """Record the code that begins the work; refuse to continue or publish under other code unless told to."""
    path = work.folder / "code.json"
    if path.exists():
        before = read_json(path)
        changed = sorted(name for name in before.keys() | code.keys() if before.get(name) != code.get(name))
        if changed and os.environ.get("ANTIMATTER_RESUME") != "accept":
            what, way = ("begun", "goes on with the new code")
            if work.finished:
                what, way = ("finished", "publishes it as it is")
            raise CodeChanged(
                f"{work.folder} holds unpublished work of stage {work.stage}, {what} before these files changed: "
                f"{', '.join(changed)}. ANTIMATTER_RESUME=accept {way}; ANTIMATTER_FRESH=1 starts over."
            )
    write_json(path, code)


def _publish(work: Workspace) -> None:
    """Give the finished outputs their public names: hard links, or copies across filesystems."""
    for target in work.published:
        source = work.output / target.name
        source.mkdir(parents=True, exist_ok=True)
        link_tree(source, target)
    report = work.folder / "report.json"
    if report.exists():
        write_json(work.report_path, read_json(report))
    for extra in sorted((work.folder / "reports").glob("*")):
        if not is_unfinished(extra):
            with atomic_path(work.report_path.parent / extra.name) as temporary:
                shutil.copyfile(extra, temporary)  # not a link: git and people edit files in reports/


def _memory() -> dict[str, int]:
    import resource

    scale = 1 if sys.platform == "darwin" else 1024
    return {
        "peak_bytes_self": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale,
        "peak_bytes_largest_worker": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * scale,
    }
