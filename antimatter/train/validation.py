"""Loss on held-out text: the same windows every time, each token counted once, no random numbers touched."""

import math
from dataclasses import dataclass

import numpy as np
import torch

from antimatter.model import AntiMatter
from antimatter.train.data import read_windows, validation_windows
from antimatter.train.device import autocast
from antimatter.train.loss import token_losses
from antimatter.train.peers import Peers
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


def validate(
    model: AntiMatter, tokens: Tokens, sequences: int, length: int, micro_batch: int, precision: str, peers: Peers
) -> Score:
    """The score on up to `sequences` windows of the validation split, shared out over the processes."""
    windows, length = validation_windows(tokens.validation, sequences, length)
    mine = windows[peers.rank :: peers.world]
    device = next(model.parameters()).device
    sums = np.zeros(4)  # nats, targets, nats of text, bytes of text
    was_training = model.training
    model.eval()
    with torch.no_grad(), autocast(device.type, precision):
        for start in range(0, len(mine), micro_batch):
            rows = read_windows(tokens.validation, mine[start : start + micro_batch], length)
            inputs, targets = (torch.from_numpy(rows[:, a:b].copy()).to(device) for a, b in ((0, -1), (1, None)))
            nats = token_losses(model, inputs, targets, chunked=device.type == "cpu").double().cpu().numpy()
            lengths = tokens.token_bytes[rows[:, 1:].ravel()]
            sums += (nats.sum(), nats.size, nats[lengths > 0].sum(), lengths.sum())
    model.train(was_training)
    return score(*peers.sum(sums.tolist()))


def score(nats: float, targets: float, text_nats: float, text_bytes: float) -> Score:
    """From sums to figures, one division each.

    Source of bits per byte: Gao et al. 2020 (The Pile), arXiv 2101.00027, section 3.1.
    >>> score(math.log(2) * 12, 6, math.log(2) * 10, 20)
    Score(loss=1.3862943611198906, perplexity=4.0, bits_per_byte=0.5)
    """
    loss = nats / targets
    bits_per_byte = text_nats / (math.log(2) * text_bytes) if text_bytes else None
    return Score(loss, math.exp(loss) if loss < 700 else math.inf, bits_per_byte)
