"""The model's loss on every target of a selection.  Axis letters: B windows, T tokens, M tokens of the selection."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from antimatter.evaluate.windows import Selection
from antimatter.model import AntiMatter
from antimatter.train.loss import token_losses

BATCH_TOKENS = 8192
"""Tokens in one forward pass, padding included. A constant, not a setting: it would change the last decimals."""

METHOD = (
    "Each validation document is scored from its own [BOS], in consecutive windows of the model's context length; "
    "every target is scored once. Control tokens ([EOS]) are predicted but not counted. Losses are means over the "
    "counted targets, in nats per token; bits per byte = sum of nats / (ln 2 * UTF-8 bytes of the counted tokens). "
    "Arithmetic: fp32, sums in fp64."
)


@torch.inference_mode()
def losses(model: AntiMatter, selection: Selection) -> NDArray[np.float64]:
    """-ln p(target) in nats, float64 [M]; 0 for tokens that are no targets (each document's BOS).

    Windows of like length share a pass; padding comes after the last target, where a causal model cannot see it.
    """
    device = next(model.parameters()).device
    found = np.zeros(len(selection.ids))
    model.eval()
    for windows in batches(selection.windows):
        longest = int(windows[:, 1].max())
        inputs_BT = np.zeros((len(windows), longest), dtype=np.int64)
        targets_BT = np.zeros_like(inputs_BT)
        for row, (start, length) in enumerate(windows):
            inputs_BT[row, :length] = selection.ids[start : start + length]
            targets_BT[row, :length] = selection.ids[start + 1 : start + length + 1]
        inputs, targets = torch.from_numpy(inputs_BT).to(device), torch.from_numpy(targets_BT).to(device)
        losses_N = token_losses(model, inputs, targets, chunked=device.type == "cpu")
        nats = losses_N.view(len(windows), longest).cpu().numpy()
        for row, (start, length) in enumerate(windows):
            found[start + 1 : start + length + 1] = nats[row, :length]
    return found


def batches(windows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Windows, longest first, in groups of at most BATCH_TOKENS tokens after padding (always at least one window)."""
    ordered = windows[np.argsort(-windows[:, 1], kind="stable")]
    start = 0
    while start < len(ordered):
        rows = max(1, BATCH_TOKENS // int(ordered[start, 1]))
        yield ordered[start : start + rows]
        start += rows
