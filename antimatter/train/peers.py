"""The other processes of a run, for the few small things that all must agree on. Gradients go through DDP."""

import os
from collections.abc import Sequence
from datetime import timedelta

import torch
import torch.distributed as dist


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
        dist.init_process_group("nccl" if device == "cuda" else "gloo", timeout=patient)
        self._group = dist.new_group(backend="gloo", timeout=patient) if device == "cuda" else dist.group.WORLD

    def sum(self, values: Sequence[float]) -> list[float]:
        """Element-wise sums over all processes, in fp64; the same on each of them."""
        if self.world == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64)
        dist.all_reduce(tensor, group=self._group)
        return tensor.tolist()

    def any(self, claim: bool) -> bool:
        """Whether any process says so; all processes get the same answer."""
        return self.sum([float(claim)])[0] > 0

    def from_first(self, value: int) -> int:
        """Rank 0's value, on every process."""
        return int(self.sum([float(value) if self.rank == 0 else 0.0])[0])

    def leave(self) -> None:
        """Wait for the others, then close the process group."""
        if self.world > 1:
            self.any(False)
            dist.destroy_process_group()
