"""The other processes of a run, for the few small things that all must agree on. Gradients go through parallel.py."""

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor


class Peers:
    """Rank and number of processes, as torchrun's environment gives them; alone if there is none."""

    def __init__(self) -> None:
        self.rank = int(os.environ.get("RANK", "0"))
        self.world = int(os.environ.get("WORLD_SIZE", "1"))
        self.local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        self._group: dist.ProcessGroup | None = None

    def connect(self, device: str) -> None:
        """Join the process group: nccl between GPUs, gloo between CPUs, and gloo for the methods below."""
        if self.world == 1:
            return
        patient = timedelta(hours=1)  # one process may save for long while the others wait
        # gloo for what lies in main memory: the gradients of a model that is offloaded
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", timeout=patient)
        self._group = dist.new_group(backend="gloo", timeout=patient) if device == "cuda" else dist.group.WORLD

    def sum(self, values: Sequence[float]) -> list[float]:
        """Element-wise sums over all processes, in fp64; the same on each of them."""
        if self.world == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, group=self._group)
        return tensor.tolist()

    def sum_on_device(self, values: Tensor) -> Tensor:
        """`values` summed over all processes, in place, where they lie: the host does not wait."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def least(self, value: int) -> int:
        """The least of the values of all processes; each passes its own."""
        if self.world > 1:
            tensor = torch.tensor([value])
            dist.all_reduce(tensor, op=dist.ReduceOp.MIN, group=self._group)
            return int(tensor)
        return value

    def any(self, claim: bool) -> bool:
        """Whether any process says so; all processes get the same answer."""
        return self.sum([float(claim)])[0] > 0

    def from_first(self, value: int) -> int:
        """Rank 0's value, on every process."""
        return int(self.sum([float(value) if self.rank == 0 else 0.0])[0])

    def list_from_first(self, values: Sequence[int]) -> list[int]:
        """Rank 0's list, on every process."""
        own = list(values) if self.rank == 0 else []
        own += [0] * (self.from_first(len(own)) - len(own))
        if not own:
            return []
        return [int(value) for value in self.sum([float(v) for v in own])]

    def leave(self) -> None:
        """Wait for the others, then close the process group."""
        if self.world > 1:
            self.any(False)
            dist.destroy_process_group()
