"""Loss on held-out text: the same windows every time, each token counted once, no random numbers touched."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from antimatter.model import AntiMatter
from antimatter.train.data import read_windows, validation_windows
from antimatter.train.device import autocast
from antimatter.train.frequency import CLASSES
from antimatter.train.peers import Peers
from antimatter.train.shards import is_shared_out
from antimatter.train.tokens import Tokens


@dataclass(frozen=True)
class Score:
    """What a model gives held-out text."""

    loss: float
    """Nats per target token, all targets (EOS and BOS too)."""
    perplexity: float
    """exp(loss)."""
    bits_per_byte: float | None
    """Bits per UTF-8 byte over targets that stand for text; None if there are none."""
    by_frequency: tuple[float | None, ...] = ()
    """Nats per target in each class of training frequency, the most frequent first; None where no target fell."""


def validate(
    loss: nn.Module,
    model: AntiMatter,
    tokens: Tokens,
    sequences: int,
    length: int,
    micro_batch: int,
    precision: str,
    peers: Peers,
    classes_V: NDArray[np.int8] | None = None,
) -> Score:
    """The score on up to `sequences` windows of the validation split, shared out over the processes.

    loss: LossOf(model, ...) or what wraps it. classes_V: from frequency_classes; None leaves by_frequency empty.
    All processes must call: each makes the same number of passes of the same shape, the last ones of some without a
    target, because every pass gathers the weights of a model that is shared out.
    """
    windows, length = validation_windows(tokens.validation, sequences, length)
    share = -(-len(windows) // peers.world)
    rows_a_pass = min(micro_batch, share)
    mine = windows[peers.rank :: peers.world]
    device = device_of(model)
    sums = np.zeros(4)  # nats, targets, nats of text, bytes of text
    class_sums = np.zeros((2, CLASSES))  # nats, targets
    was_training = loss.training
    loss.eval()
    with torch.no_grad(), autocast(device.type, precision, keep_casts=not is_shared_out(next(model.parameters()))):
        for start in range(0, share, rows_a_pass):
            rows = np.full((rows_a_pass, length + 1), -1)
            here = mine[start : start + rows_a_pass]
            if len(here):
                rows[: len(here)] = read_windows(tokens.validation, here, length)
            inputs = torch.from_numpy(rows[:, :-1].clip(min=0)).to(device)
            targets = torch.from_numpy(rows[:, 1:].copy()).to(device)
            counted = rows[:, 1:].ravel() >= 0
            ids = rows[:, 1:].ravel()[counted]
            nats = loss(inputs, targets, each=True).cpu().double().numpy()[counted]
            lengths = tokens.token_bytes[ids]
            sums += (nats.sum(), nats.size, nats[lengths > 0].sum(), lengths.sum())
            if classes_V is not None:
                classes = classes_V[ids]
                class_sums += np.bincount(classes, nats, CLASSES), np.bincount(classes, minlength=CLASSES)
    loss.train(was_training)
    return score(peers.sum([*sums.tolist(), *(class_sums.ravel().tolist() if classes_V is not None else ())]))


def device_of(model: AntiMatter) -> torch.device:
    """Where `model` computes; the weights of a model that is shared out may rest elsewhere."""
    parameter = next(model.parameters())
    mesh = getattr(parameter, "device_mesh", None)
    return parameter.device if mesh is None else torch.device(mesh.device_type)


def score(sums: Sequence[float]) -> Score:
    """From sums to figures, one division each.

    sums: nats, targets, nats of text, bytes of text; then, if known, nats of each class and targets of each class.
    Source of bits per byte: Gao et al. 2020 (The Pile), arXiv 2101.00027, section 3.1.
    >>> score([math.log(2) * 12, 6, math.log(2) * 10, 20])
    Score(loss=1.3862943611198906, perplexity=4.0, bits_per_byte=0.5, by_frequency=())
    >>> score([9.0, 5, 0.0, 0, 2.0, 0.0, 7.0, 4, 0, 1]).by_frequency
    (0.5, None, 7.0)
    """
    nats, targets, text_nats, text_bytes, *classes = sums
    loss = nats / targets
    bits_per_byte = text_nats / (math.log(2) * text_bytes) if text_bytes else None
    half = len(classes) // 2
    by_frequency = tuple(n / t if t else None for n, t in zip(classes[:half], classes[half:], strict=True))
    return Score(loss, math.exp(loss) if loss < 700 else math.inf, bits_per_byte, by_frequency)
