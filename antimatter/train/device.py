"""What a device can do: which arithmetic `auto` means there, how much of a batch fits, its peak speed."""

import contextlib
from pathlib import Path

import torch

from antimatter.errors import AntiMatterError
from antimatter.model.config import ModelConfig, parameter_count

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}

PEAK_FLOPS = {
    "NVIDIA A100-SXM4-40GB": 312e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA H100 80GB HBM3": 989.4e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100 NVL": 835.5e12,
    "NVIDIA H200": 989.4e12,
    "NVIDIA H200 NVL": 835.5e12,
}
"""Dense fp16/bf16 FLOP/s by the exact name that the driver gives (A100, H100 SXM and H200 as
published; the other rows and the spelling of the names still want checking on such machines). Others have no peak."""


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
        raise DeviceError(f"device {asked!r} is not available; here: {here}. Set it to auto.")
    return asked


def choose_precision(asked: str, device: str) -> str:
    """ "auto" is fp16 on CUDA, bf16 on a processor with bf16 matrix or vector units, otherwise fp32."""
    if asked != "auto":
        return asked
    if device == "cuda":
        return "fp16"
    return "bf16" if device == "cpu" and _processor_has_bf16() else "fp32"


def _processor_has_bf16() -> bool:
    with contextlib.suppress(OSError):  # Linux alone has this file; elsewhere fp32 is the safe answer
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
        return "amx_bf16" in flags or "avx512_bf16" in flags
    return False


def peak_flops(device: str, precision: str) -> float | None:
    """Dense FLOP/s of one device at this precision, None if we do not know it for certain."""
    if device != "cuda" or precision not in DTYPES:
        return None
    return PEAK_FLOPS.get(torch.cuda.get_device_name())


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager[object]:
    """Matrix products in `precision`; norms, softmax and loss stay fp32."""
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device, DTYPES[precision])


def choose_micro_batch(asked: int, config: ModelConfig, length: int, batch: int, world: int, device: str) -> int:
    """Sequences in one forward pass of one process: `asked`, or for 0 the most that should fit.

    Raises DeviceError if the batch does not divide evenly.
    """
    share, rest = divmod(batch, world)
    if rest:
        raise DeviceError(f"train.batch_sequences {batch} does not divide by {world} processes: change either one")
    if asked:
        if share % asked:
            raise DeviceError(f"micro_batch {asked} does not divide a process's {share} sequences ({batch} / {world})")
        return asked
    if device == "cpu":
        most = CPU_MICRO_BATCH_TOKENS // length
    else:
        total = torch.cuda.get_device_properties(0).total_memory if device == "cuda" else 8 << 30
        state = 20 * parameter_count(config).total  # weights, gradients, two moments, half-precision copies
        per_layer = 30 * config.width + 6 * config.feed_forward  # bytes a token; an estimate, hence 0.6 below
        per_token = config.layers * per_layer + 10 * config.padded_vocabulary
        most = int((0.6 * total - state) // (per_token * length))
    return max(n for n in range(1, share + 1) if share % n == 0 and n <= max(1, most))
