"""Tensors that are shared out over processes (FSDP's DTensor): the whole one from its shards, and back.

A tensor that is not shared out goes through both unchanged, also where torch was built without torch.distributed.
"""

from torch import Tensor


def is_shared_out(tensor: Tensor) -> bool:
    """Whether this process holds but a shard of it."""
    return hasattr(tensor, "full_tensor")  # DTensor alone has it; importing DTensor takes a second, or fails


def full(tensor: Tensor) -> Tensor:
    """The whole tensor, on the device of its shards. All processes that hold one must call this together."""
    return tensor.full_tensor() if is_shared_out(tensor) else tensor  # type: ignore[attr-defined,no-any-return,operator]


def shared_out_like(whole: Tensor, example: Tensor) -> Tensor:
    """`whole`, which every process has, shared out as `example` is: each cuts its own shard, nothing is sent."""
    if not is_shared_out(example):
        return whole
    from torch.distributed.tensor import distribute_tensor

    mesh, placements = example.device_mesh, example.placements  # type: ignore[attr-defined]
    return distribute_tensor(whole, mesh, placements, src_data_rank=None)
