"""What a device can do: which arithmetic `auto` means there, how much of a batch should fit, its peak speed."""

import contextlib
from pathlib import Path

import torch

from antimatter.errors import AntiMatterError
from antimatter.model.config import ModelConfig, parameter_count
from antimatter.train.peaks import peak_of

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}

CPU_MICRO_BATCH_TOKENS = 4096
"""Demo model, 2 cores, bf16, one short sweep: 8.4k tokens/s at 512 tokens a pass, 9.8k at 1024, 10.8k at 4096.
Above that nothing was measured."""


class DeviceError(AntiMatterError, ValueError):
    """The device, or the way to spread a batch over it, that was asked for is not possible."""


def choose_device(asked: str) -> str:
    """ "auto" is cuda, else mps, else cpu. Raises DeviceError if the device asked for is not there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if asked == "auto":
        return next(device for device in present if present[device])
    if not present.get(asked, False):
        here = ", ".join(device for device in present if present[device])
        raise DeviceError(f"device {asked!r} is not available; here: {here}. Set device to auto in runtime.yaml.")
    return asked


def choose_precision(asked: str, device: str, named: bool = True) -> str:
    """ "auto" is fp16 on CUDA, bf16 on a processor with bf16 matrix or vector units, otherwise fp32.

    device: what choose_device returned. named: whether it was asked for by its name, rather than with auto.
    Raises DeviceError if the device lacks the precision asked for, or if fp16, which is for GPUs, found none: on a
    processor it works, slowly, for those who insist.
    """
    if asked == "auto":
        if device == "cuda":
            return "fp16"
        return "bf16" if device == "cpu" and _processor_has_bf16() else "fp32"
    if asked == "fp16" and device == "cpu" and not named:
        raise DeviceError(
            "train.precision is fp16, but no GPU was found, and fp16 is slow on a processor. Set train.precision to "
            "auto in params.yaml, which takes what the device is good at; or, to insist, device: cpu in runtime.yaml "
            "(or ANTIMATTER_DEVICE=cpu). If this machine has a GPU, its driver or this build of torch does not show it."
        )
    if asked == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise DeviceError(
            f"train.precision is bf16, but {torch.cuda.get_device_name()} has no bf16 units (they came with Ampere). "
            f"Set train.precision to fp16, which this GPU is good at, or to auto."
        )
    if device == "mps" and asked in DTYPES and not _mps_has(DTYPES[asked]):
        raise DeviceError(f"train.precision is {asked}, which torch lacks on this Mac. Set train.precision to fp32.")
    return asked


def _mps_has(dtype: torch.dtype) -> bool:
    try:  # which versions of macOS have it is torch's knowledge, not ours
        torch.zeros(1, dtype=dtype, device="mps")
    except (TypeError, RuntimeError):
        return False
    return True


def _processor_has_bf16() -> bool:
    with contextlib.suppress(OSError):  # Linux alone has this file; elsewhere fp32 is the safe answer
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
        return "amx_bf16" in flags or "avx512_bf16" in flags
    return False


def peak_flops(device: str, precision: str) -> tuple[float, str] | None:
    """Dense FLOP/s of one device at this precision and their source, None if we do not know them for certain."""
    return peak_of(torch.cuda.get_device_name(), precision) if device == "cuda" else None


def autocast(device: str, precision: str, keep_casts: bool = True) -> contextlib.AbstractContextManager[object]:
    """Matrix products in `precision`; norms, softmax and loss stay fp32.

    keep_casts: cast each weight once in this context, and hold the half-precision copies until it ends. Sharding must
    not: the copies would keep the whole model on each device.
    """
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device, DTYPES[precision], cache_enabled=keep_casts)


def choose_micro_batch(asked: int, config: ModelConfig, length: int, batch: int, world: int, device: str) -> int:
    """Sequences in one forward pass of one process: `asked`, or for 0 the most that should fit, by an estimate.

    batch: sequences of `length` tokens in one optimizer step. Raises DeviceError if it does not divide evenly.
    """
    share, rest = divmod(batch, world)
    if rest:
        raise DeviceError(
            f"train.batch_tokens {batch * length} are {batch} sequences of {length} tokens, which do not divide by "
            f"{world} processes. Make it a multiple of {world * length}, or change processes in runtime.yaml."
        )
    if asked:
        if share % asked:
            fitting = ", ".join(map(str, divisors(share)))
            raise DeviceError(
                f"micro_batch {asked} does not divide a process's {share} sequences (train.batch_tokens "
                f"{batch * length} / {length} tokens / {world} processes). Set it to one of {fitting}, or to 0."
            )
        return asked
    if device == "cpu":
        most = CPU_MICRO_BATCH_TOKENS // length
    else:
        total = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else 8 << 30
        state = 20 * parameter_count(config).total  # weights, gradients, two moments, half-precision copies
        per_layer = 30 * config.width + 6 * config.feed_forward  # bytes a token; an estimate, hence 0.6 below
        per_token = config.layers * per_layer + 10 * config.padded_vocabulary
        most = int((0.6 * total - state) // (per_token * length))
    return next(n for n in divisors(share) if n <= max(1, most))


def divisors(share: int) -> list[int]:
    """Numbers of sequences that a process's share of a batch divides into, largest first."""
    return [n for n in range(share, 0, -1) if share % n == 0]
