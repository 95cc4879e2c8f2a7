"""Saving while training goes on: tensors are copied at once, one thread brings them to disk.

    training thread   step 100 | copy | step 101 | step 102 | ...      | step 200 | wait for 100, copy | step 201
    writing thread             | ---- write step 100, fsync, hash ---------------- | -- write step 200 -- ...

Everything that changes the checkpoint folder goes through the same thread, in the order in which it was asked for.
The interpreter does not exit before that thread has done all it was asked to.
"""

from collections import deque
from collections.abc import Callable, Container, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from antimatter.train import checkpoint


class Writer:
    """Writes the checkpoints of one run under `root`; for use by one thread.

    What fails in the background is raised by the next `save`, `check` or `wait`. Until then nothing more is written,
    and what was asked for in the meantime is given up with it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._thread = ThreadPoolExecutor(1, "checkpoint writer")
        self._last: Future[None] | None = None
        self._failure: BaseException | None = None
        self._written: deque[int] = deque()
        # kept from save to save: fresh memory costs several times the copy, fresh pinned memory far more
        self._host: dict[tuple[int, str], Tensor] = {}

    def save(
        self,
        step: int,
        weights: Mapping[str, Tensor],
        optimizer: Mapping[str, Tensor],
        extra: Mapping[str, Tensor],
        state: Mapping[str, Any],
        environment: Mapping[str, Any],
    ) -> None:
        """checkpoint.save, later: after this returns, the arguments may change.

        Waits for everything asked for before. Tensors may lie on any device; a GPU is not waited for.
        """
        self._finish()
        weights_, optimizer_, extra_ = (self._copied(k, each) for k, each in enumerate((weights, optimizer, extra)))
        state_, environment_ = deepcopy(dict(state)), deepcopy(dict(environment))
        copied = _events(weights, optimizer, extra)

        def write() -> None:
            for event in copied:
                event.synchronize()  # type: ignore[no-untyped-call]
            checkpoint.save(self.root, step, weights_, optimizer_, extra_, state_, environment_)
            self._written.append(step)

        self._ask(write)

    def promote(self, step: int) -> None:
        """checkpoint.promote, once all that was asked for before is done: `step` may still be on its way to disk."""
        self._ask(lambda: checkpoint.promote(self.root, step))

    def retain(self, latest: int = 2, stable: int = 2, also: Container[int] = ()) -> None:
        """checkpoint.retain, once all that was asked for before is done. `also` must not change any more."""
        self._ask(lambda: checkpoint.retain(self.root, latest, stable, also))

    def then(self, task: Callable[[], object]) -> None:
        """Anything else that must come after all that was asked for before."""
        self._ask(task)

    def check(self) -> list[int]:
        """Raise what failed. Returns the steps that reached the disk since the last `check` or `wait`."""
        if self._failure is not None:
            self._finish()
        return [self._written.popleft() for _ in range(len(self._written))]

    def wait(self) -> list[int]:
        """`check`, after everything asked for is done: call it before reading checkpoints, and at the end."""
        self._finish()
        return self.check()

    def _ask(self, task: Callable[[], object]) -> None:
        self._last = self._thread.submit(self._unless_failed, task)

    def _unless_failed(self, task: Callable[[], object]) -> None:
        if self._failure is None:
            try:
                task()
            except BaseException as failure:  # whatever it is, it belongs to the one who asked
                self._failure = failure

    def _finish(self) -> None:
        """Wait for the thread to have nothing to do, then raise what failed."""
        if self._last is not None:
            self._last.result()
            self._last = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _copied(self, kind: int, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        copies = {}
        for name, tensor in tensors.items():
            copy = self._host.get((kind, name))
            if copy is None or (copy.shape, copy.dtype) != (tensor.shape, tensor.dtype):
                copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
                self._host[kind, name] = copy
            # only CUDA orders such a copy before later work on the same stream, and says when it is done
            copies[name] = copy.copy_(tensor.detach(), non_blocking=tensor.is_cuda)
        return copies


def _events(*groups: Mapping[str, Tensor]) -> list[torch.cuda.Event]:
    """One event for each GPU, which comes after the copies that were just begun."""
    events = []
    for device in {tensor.device for group in groups for tensor in group.values() if tensor.is_cuda}:
        events.append(torch.cuda.Event())  # type: ignore[no-untyped-call]
        events[-1].record(torch.cuda.current_stream(device))  # type: ignore[no-untyped-call]
    return events
