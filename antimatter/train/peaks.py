"""Peak speed of GPUs, as their maker published it: what utilisation (MFU) is measured against.

A device that is not in the table has no peak, and its utilisation is unknown: a guess would look like a measurement.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Peak:
    """FLOP/s of matrix products with fp32 sums, of dense matrices (data sheets print twice that, "with sparsity")."""

    names: tuple[str, ...]
    """Exactly as the driver says them."""
    fp16: float
    bf16: float | None
    """None: no matrix units for it."""
    source: str


PEAKS = (
    Peak(
        ("Tesla V100-SXM2-16GB", "Tesla V100-SXM2-32GB"), 125e12, None,
        "NVIDIA V100 data sheet, 2020: 125 TFLOPS tensor, SXM2",
    ),
    Peak(
        ("Tesla V100-PCIE-16GB", "Tesla V100-PCIE-32GB"), 112e12, None,
        "NVIDIA V100 data sheet, 2020: 112 TFLOPS tensor, PCIe",
    ),
    Peak(("Tesla V100S-PCIE-32GB",), 130e12, None, "NVIDIA V100 data sheet, 2020: 130 TFLOPS tensor, V100S"),
    Peak(("Tesla T4",), 65e12, None, "NVIDIA T4 data sheet, 2019: 65 TFLOPS mixed precision FP16/FP32"),
    Peak(
        ("NVIDIA A100-SXM4-40GB", "NVIDIA A100-SXM4-80GB", "NVIDIA A100-PCIE-40GB", "NVIDIA A100 80GB PCIe"),
        312e12, 312e12, "NVIDIA A100 data sheet, 2021: 312 TFLOPS FP16 and BF16, 624 with sparsity",
    ),
    Peak(
        ("NVIDIA H100 80GB HBM3",), 989.4e12, 989.4e12,
        "NVIDIA H100 architecture white paper, 2022, table of SXM5 and PCIe: 989.4 TFLOPS dense",
    ),
    Peak(
        ("NVIDIA H100 PCIe",), 756e12, 756e12,
        "NVIDIA H100 architecture white paper, 2022, table of SXM5 and PCIe: 756 TFLOPS dense",
    ),
    Peak(("NVIDIA H100 NVL",), 835.5e12, 835.5e12, "NVIDIA H100 data sheet, 2024: 1,671 TFLOPS with sparsity, NVL"),
    Peak(("NVIDIA H200",), 989.4e12, 989.4e12, "NVIDIA H200 data sheet, 2024: 1,979 TFLOPS with sparsity, SXM"),
    Peak(("NVIDIA H200 NVL",), 835.5e12, 835.5e12, "NVIDIA H200 data sheet, 2024: 1,671 TFLOPS with sparsity, NVL"),
)  # fmt: skip


def peak_of(name: str, precision: str) -> tuple[float, str] | None:
    """FLOP/s of the GPU that the driver calls `name`, and who says so; None if it, or its peak at this precision, is
    not known.

    >>> peak_of("Tesla T4", "fp16")
    (65000000000000.0, 'NVIDIA T4 data sheet, 2019: 65 TFLOPS mixed precision FP16/FP32')
    >>> peak_of("Tesla T4", "bf16") is None and peak_of("Tesla T40", "fp16") is None
    True
    """
    for peak in PEAKS:
        if name in peak.names:
            flops = {"fp16": peak.fp16, "bf16": peak.bf16}.get(precision)
            return (flops, peak.source) if flops else None
    return None
