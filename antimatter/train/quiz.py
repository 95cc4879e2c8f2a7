"""A multiple-choice benchmark on the way: which ending of a text does the model find most probable?

    BOS query... choice 0...        each row is a pass of its own through the model, alone in its context;
    BOS query... choice 1...        the score of a choice is the sum of ln p over its tokens

Two accuracies, as in lm-evaluation-harness (0.4.13, api/task.py): the choice of the highest score, and of the highest
score over its length in characters, because a sum favours short choices. Of equal scores the first wins.

The arithmetic is that of validation: no random number is drawn, no weight is touched.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from antimatter.model import AntiMatter
from antimatter.train.device import autocast
from antimatter.train.peers import Peers
from antimatter.train.shards import is_shared_out
from antimatter.train.validation import device_of

PASS_TOKENS = 4096
"""Tokens in one pass, padding included. A constant, so that passes are the same however many processes share them."""


@dataclass(frozen=True)
class Question:
    """An item as token ids: the engine knows no tokenizer."""

    query: tuple[int, ...]
    """Begins with what begins every text (BOS)."""
    choices: tuple[tuple[int, ...], ...]
    """What may follow; none is empty."""
    characters: tuple[int, ...]
    """Length of each choice as text."""
    gold: int
    """The index of the right choice."""


@dataclass(frozen=True)
class Marks:
    """What a model gets."""

    accuracy: float
    """Share of items whose right choice has the highest sum of log-probabilities."""
    error: float | None
    """Standard error of it, sqrt(p (1 - p) / (n - 1)); None for a single item."""
    accuracy_norm: float
    """The same with sums divided by the length of the choice in characters."""
    error_norm: float | None
    items: int


def take(questions: Sequence[Question], loss: nn.Module, model: AntiMatter, precision: str, peers: Peers) -> Marks:
    """The marks of `model` on all questions, shared out over the processes: all must call.

    loss: LossOf(model, ...) or what wraps it.
    """
    return marks(questions, choice_nats(questions, loss, model, precision, peers))


def choice_nats(
    questions: Sequence[Question], loss: nn.Module, model: AntiMatter, precision: str, peers: Peers
) -> list[NDArray[np.float64]]:
    """-ln p of each choice of each question: the sum over its tokens. A row longer than the context keeps its end.

    A row is computed in the same pass, by one process, whatever their number, and sums over processes add zeros to it:
    the result does not depend on that number.
    """
    context, device = model.config.context, device_of(model)
    rows = [(*question.query, *choice)[-context - 1 :] for question in questions for choice in question.choices]
    answers = [len(choice) for question in questions for choice in question.choices]
    passes = passes_of([len(row) - 1 for row in rows])
    nats = np.zeros(len(rows))
    was_training = loss.training
    loss.eval()
    with torch.no_grad(), autocast(device.type, precision, keep_casts=not is_shared_out(next(model.parameters()))):
        for start in range(0, len(passes), peers.world):
            # every pass gathers the weights of a model that is shared out: nobody may stand aside in the last one
            here = passes[start + peers.rank] if start + peers.rank < len(passes) else []
            width = max((len(rows[i]) for i in here), default=2)
            ids = np.zeros((max(1, len(here)), width), dtype=np.int64)
            asked = np.zeros_like(ids, dtype=bool)
            for place, i in enumerate(here):
                end = len(rows[i])
                ids[place, :end] = rows[i]
                asked[place, max(1, end - answers[i]) : end] = True
            inputs = torch.from_numpy(ids[:, :-1].copy()).to(device)
            targets = torch.from_numpy(np.where(asked, ids, -1)[:, 1:].copy()).to(device)
            each = loss(inputs, targets, each=True).view(targets.shape).cpu().double().numpy()
            nats[here] = each.sum(1)[: len(here)]
    loss.train(was_training)
    nats = np.array(peers.sum(nats.tolist()))
    ends = np.cumsum([len(question.choices) for question in questions])
    return np.split(nats, ends[:-1])


def passes_of(lengths: Sequence[int]) -> list[list[int]]:
    """Row numbers by pass: the longest first, rows of like length together, at most PASS_TOKENS unless one has more.

    >>> passes_of([10, 4000, 2000, 12])
    [[1], [2, 3], [0]]
    """
    passes: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda row: -lengths[row]):
        if not passes or (len(passes[-1]) + 1) * lengths[passes[-1][0]] > PASS_TOKENS:
            passes.append([])
        passes[-1].append(row)
    return passes


def marks(questions: Sequence[Question], nats: Sequence[NDArray[np.float64]]) -> Marks:
    """From the nats of each choice to shares of right answers.

    >>> easy = Question(query=(1,), choices=((8,), (9, 9)), characters=(1, 4), gold=1)
    >>> marks([easy, easy], [np.array([2.0, 4.0]), np.array([5.0, 4.0])])
    Marks(accuracy=0.5, error=0.5, accuracy_norm=1.0, error_norm=0.0, items=2)
    """
    scored = list(zip(questions, nats, strict=True))
    right = sum(int(np.argmin(of_choices)) == question.gold for question, of_choices in scored)
    by_length = sum(
        int(np.argmin(of_choices / np.array(question.characters))) == question.gold for question, of_choices in scored
    )
    whole, normed = (_share(count, len(scored)) for count in (right, by_length))
    return Marks(*whole, *normed, len(scored))


def _share(count: int, items: int) -> tuple[float, float | None]:
    share = count / items
    return share, math.sqrt(share * (1 - share) / (items - 1)) if items > 1 else None
