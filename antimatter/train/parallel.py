"""One model on several devices: a copy on each, with equal gradients (DDP), or shared out over them (FSDP).

    sharding   weights, gradients, moments    between processes, each pass            needs, a parameter
    off        whole on every device          gradients, after the last micro-batch   16 bytes + 2 of half precision
    on         a shard on each                weights twice, gradients once           the same / devices (*)
    offload    a shard of each in main memory the same, and over the bus              a block at a time (*)

    (*) + 2 bytes for half-precision copies from forward to backward; not with activation_checkpointing

Both average gradients over processes: a loss that is multiplied by their number gives the gradient of the sum. Weights
are fp32 in all three and autocast does the half precision, so that they compute the same to rounding: FSDP's own mixed
precision would round norms, biases and the residual stream too.
"""

import contextlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from antimatter.model import AntiMatter
from antimatter.train.device import DeviceError
from antimatter.train.shards import full, is_shared_out, shared_out_like

if TYPE_CHECKING:
    from antimatter.train.job import Placement

BUCKET_MEGABYTES = 100
"""Gradients that travel together between GPUs: large messages use fast links best."""


def wrap(loss: nn.Module, model: AntiMatter, place: "Placement", local_rank: int) -> nn.Module:
    """`loss`, a module around `model`, as all processes call it together; itself if there is nobody to share with.

    With sharding, the parameters of `model` are other objects afterwards (DTensors): an optimizer must be made later.
    Raises DeviceError for sharding where torch cannot do it.
    """
    if place.sharding == "offload" or (place.sharding == "on" and place.world > 1):
        return _shared_out(loss, model, place)
    if place.world == 1:
        return loss
    options: dict[str, Any] = {"gradient_as_bucket_view": True}
    # what no optimizer changes is equal everywhere from the start; torch 2.13 renamed the option
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    options["forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"] = False
    if place.device == "cuda":
        options |= {"device_ids": [local_rank], "bucket_cap_mb": BUCKET_MEGABYTES}
    return DistributedDataParallel(loss, **options)  # never static_graph: with no_sync, communication fails or stops


def _shared_out(loss: nn.Module, model: AntiMatter, place: "Placement") -> nn.Module:
    if place.device == "mps":
        raise DeviceError(f"sharding: {place.sharding} is not possible on mps. Set sharding to off in runtime.yaml.")
    # here, not above: a torch without torch.distributed trains all else
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import CPUOffloadPolicy, FSDPModule, OffloadPolicy, fully_shard

    if not dist.is_initialized():  # a single process that offloads shares with itself
        from torch.distributed import HashStore  # type: ignore[attr-defined]

        backend = "cpu:gloo,cuda:nccl" if place.device == "cuda" else "gloo"
        dist.init_process_group(backend, store=HashStore(), rank=0, world_size=1)
    mesh = init_device_mesh(place.device, (place.world,))
    offloading = place.sharding == "offload"
    policy = CPUOffloadPolicy(pin_memory=place.device == "cuda") if offloading else OffloadPolicy()
    for part in (*model.blocks, loss):
        fully_shard(part, mesh=mesh, offload_policy=policy)  # type: ignore[arg-type]
    for part in loss.modules():
        if isinstance(part, FSDPModule) and place.device == "cpu":
            part.set_force_sum_reduction_for_comms(True)  # gloo has summed where it was asked to average
    loss.register_forward_hook(_give_back_after_reading)
    return loss


def _give_back_after_reading(module: Any, arguments: Any, output: Any) -> None:
    # only a backward pass would give back the outermost weights: until then, model.parameters() are their copies
    if not torch.is_grad_enabled():
        module.reshard()


def no_sync(module: nn.Module, alone: bool) -> contextlib.AbstractContextManager[object]:
    """Around forward and backward of a micro-batch; `alone`: of one that is not the last of its step.

    Shards travel in every micro-batch: to wait for the last, each device would hold the gradient of the whole model.
    """
    if alone and isinstance(module, DistributedDataParallel):
        return module.no_sync()
    return contextlib.nullcontext()


def eager(module: nn.Module) -> nn.Module:
    """What `wrap` was given, before it was compiled: for validation, whose other shapes would be compiled anew.

    With sharding it is the module itself: the weights come together only when that is called.
    """
    inner = module.module if isinstance(module, DistributedDataParallel) else module
    return getattr(inner, "_orig_mod", inner)


def published_weights(model: AntiMatter, keep: bool = True) -> dict[str, Tensor]:
    """model.published_weights(), also of a model that is shared out: all processes call it, those with `keep` get it.

    One tensor at a time is whole on a device.
    """
    if not any(map(is_shared_out, model.parameters())):
        return model.published_weights() if keep else {}
    published = {}
    for name, tensor in model.state_dict().items():
        whole = full(tensor.detach())
        if keep:
            whole = whole.float() if whole.is_floating_point() else whole
            published[name] = model.unpadded(name, whole).cpu().contiguous()
    return published


@torch.no_grad()
def load_weights(model: AntiMatter, weights: Mapping[str, Tensor], origin: str) -> None:
    """model.load_weights(...), also into a model that is shared out: each process keeps its shards of `weights`.

    Raises ModelError as that does.
    """
    if not any(map(is_shared_out, model.parameters())):
        model.load_weights(weights, origin)
        return
    whole = AntiMatter(model.config)  # knows what fits, and pads
    whole.load_weights(weights, origin)
    own = model.state_dict()
    for name, tensor in whole.state_dict().items():
        own[name].copy_(shared_out_like(tensor.to(own[name].device), own[name]))
