"""Local processes: one worker, in this process; more, in a pool of spawned ones that serves one map after another (to
start a worker, with its libraries and compiled kernels, takes a second or two)."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from antimatter.errors import AntiMatterError

Result = dict[str, Any]


class WorkerDied(AntiMatterError, RuntimeError):
    """A worker process was killed from outside, most often for want of memory."""


class LocalExecutor:
    """Runs parts on this machine. At most two parts a worker are queued, so memory does not grow with the corpus."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def map(
        self, function: Callable[[Any], Result], parts: Sequence[Any], done: Callable[[int, Result], None]
    ) -> list[Result]:
        """See `runner.Executor.map`; `done` must not map in its turn."""
        results: dict[int, Result] = {}
        if min(self.workers, len(parts)) <= 1:
            for index, part in enumerate(parts):
                results[index] = function(part)
                done(index, results[index])
            return [results[index] for index in range(len(parts))]
        while len(results) < len(parts):
            has_served = self._pool is not None
            try:
                self._run(function, parts, done, results)
            except BrokenProcessPool as error:
                # a result that does not unpickle breaks the pool too, with a cause: that is a defect, and shown as one
                if error.__cause__ is not None:
                    raise
                # a pool from an earlier map may have lost a worker while it waited, which shows only now, and perhaps
                # after some parts: it is replaced, once a map, and the parts that are left run again
                if not has_served:
                    raise WorkerDied(
                        f"a worker process was killed (often: out of memory) while {self.workers} were at work. "
                        "What is finished is kept; start again with fewer: ANTIMATTER_WORKERS=1."
                    ) from error
        return [results[index] for index in range(len(parts))]

    def _run(
        self,
        function: Callable[[Any], Result],
        parts: Sequence[Any],
        done: Callable[[int, Result], None],
        results: dict[int, Result],
    ) -> None:
        """Run what `results` lacks; if something fails, it holds what was finished, and the pool has ended."""
        waiting = iter([(index, part) for index, part in enumerate(parts) if index not in results])
        running: dict[Future[Result], int] = {}
        pool = self._ready()
        try:
            while True:
                while len(running) < 2 * self.workers and (item := next(waiting, None)):
                    running[pool.submit(function, item[1])] = item[0]
                if not running:
                    break
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=lambda future: running[future]):
                    index = running[future]
                    results[index] = future.result()
                    del running[future]
                    done(index, results[index])
        except BaseException as error:
            self._pool = None
            workers = list((pool._processes or {}).values())  # its shutdown forgets them
            try:
                if isinstance(error, KeyboardInterrupt):
                    print("\nstopping: the parts in flight are finished first (again: leave at once)", file=sys.stderr)
                _finish_running(pool, running, done, results)
            except KeyboardInterrupt:  # again: leave now, the parts in flight are lost
                for worker in workers:
                    worker.kill()
                raise
            raise

    def close(self) -> None:
        """End the workers; a later map starts new ones."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _ready(self) -> ProcessPoolExecutor:
        """The pool, begun if need be; it starts workers one by one, as parts wait for them."""
        if self._pool is None:
            # spawn: fork would copy the locks of Arrow's and BLAS's threads in whatever state they are
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_die_with_parent)
        return self._pool


def _finish_running(
    pool: ProcessPoolExecutor,
    running: dict[Future[Result], int],
    done: Callable[[int, Result], None],
    results: dict[int, Result],
) -> None:
    """Let the parts in flight finish, and report those that succeed: nothing that was paid for is thrown away. If that
    fails in its turn, the error that ended the map is the one to be told."""
    pool.shutdown(wait=True, cancel_futures=True)
    for future, index in running.items():
        if not future.cancelled() and future.exception() is None:
            with contextlib.suppress(Exception):
                done(index, future.result())
                results[index] = future.result()


def _die_with_parent() -> None:
    """A worker whose parent was killed would wait for ever; it watches the parent and leaves. Ctrl-C is the parent's
    affair: the parts in flight are finished, then the pool ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
