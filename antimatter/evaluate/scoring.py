"""What a model pays for every target of the selected documents.  Axes: B windows, T tokens, M tokens of a selection.

Two ways to one form of result:

    own_ids        the model's tokenizer is that of the tokens: their ids are scored as they lie on disk
    through_text   any other model: the same documents as text, in its own tokens, in windows of its own context
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from antimatter.evaluate.subject import Subject
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
TEXT_METHOD = (
    "The validation documents that our models are scored on, decoded to text and encoded by the model's own "
    "tokenizer; each is scored from the token that begins a text, in consecutive windows of the model's context "
    "length, every target once. Losses and perplexities are per token of this tokenizer, so they compare with no other "
    "model's; bits per byte = sum of nats / (ln 2 * UTF-8 bytes of the text) does. Arithmetic: fp32, sums in fp64."
)
ALTERED = (
    " {altered} of the {documents} documents are not given back by its tokenizer as they were (unknown characters, "
    "other case or spaces): it is spared what it does not see, so its bits per byte is too low."
)


@dataclass(frozen=True)
class Scores:
    """Every counted target of K documents. N targets, S sources."""

    nats: NDArray[np.float64]
    """[N], -ln p(target)"""
    seen: NDArray[np.int64]
    """[N], tokens of its window that stand before the target: 1 or more."""
    document: NDArray[np.int64]
    """[N], 0 .. K - 1"""
    bytes: NDArray[np.int64]
    """[K], UTF-8 bytes of the text that was scored."""
    source_of: NDArray[np.int64]
    """[K], index into sources."""
    sources: tuple[str, ...]
    altered: int = 0
    """Documents that the subject's tokenizer does not give back as they were."""

    def of_documents(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """(nats, targets) of each document, [K] both."""
        K = len(self.bytes)
        nats_K, targets_K = np.zeros(K), np.bincount(self.document, minlength=K).astype(np.int64)
        np.add.at(nats_K, self.document, self.nats)
        return nats_K, targets_K


def own_ids(subject: Subject, selection: Selection, token_bytes_V: NDArray[np.int64]) -> Scores:
    """Scores of the ids as they are; target n is the n-th counted token of the selection."""
    at = np.flatnonzero(selection.counted)
    document = selection.document[at]
    sizes = np.bincount(document, token_bytes_V[selection.ids[at]], minlength=len(selection.source_of))
    nats, seen = losses(subject, selection)[at], _seen(len(selection.ids), selection.windows)[at]
    return Scores(nats, seen, document, sizes.astype(np.int64), selection.source_of, selection.sources)


def through_text(subject: Subject, selection: Selection, decode: Callable[[Sequence[int]], str]) -> Scores:
    """Scores of the same documents in the subject's own tokens.

    decode: ids of the tokens to text; special ones leave no trace. A document that the budget cut inside a character
    ends before it.
    """
    texts = [decode(ids.tolist()).rstrip("\ufffd") for ids in selection.each()]
    encoded = [[subject.bos, *subject.encode(text)] for text in texts]
    lengths = [len(ids) for ids in encoded]
    starts = np.cumsum([0, *lengths[:-1]]).tolist()
    windows = [
        (start + at, min(subject.context, length - 1 - at))
        for start, length in zip(starts, lengths, strict=True)
        for at in range(0, length - 1, subject.context)
    ]
    ids = np.concatenate([np.array(one, dtype=np.int64) for one in encoded])
    windows_W2 = np.array(windows, dtype=np.int64).reshape(-1, 2)
    is_target = np.ones(len(ids), dtype=bool)
    is_target[starts] = False
    document = np.repeat(np.arange(len(texts)), lengths)[is_target]
    sizes = np.array([len(text.encode()) for text in texts], dtype=np.int64)
    nats, seen = window_losses(subject, ids, windows_W2)[is_target], _seen(len(ids), windows_W2)[is_target]
    given_back = (subject.decode(ids[1:]).lstrip(" ") for ids in encoded)
    altered = sum(text.lstrip(" ") != again for text, again in zip(texts, given_back, strict=True))
    return Scores(nats, seen, document, sizes, selection.source_of, selection.sources, altered)


def losses(model: Subject | AntiMatter, selection: Selection) -> NDArray[np.float64]:
    """-ln p(target) in nats, float64 [M]; 0 for tokens that are no targets (each document's BOS).

    model: a network without its tokenizer will do, since ids are scored.
    """
    return window_losses(model, selection.ids, selection.windows)


@torch.inference_mode()
def window_losses(
    model: Subject | AntiMatter, ids_M: NDArray[np.int64], windows_W2: NDArray[np.int64]
) -> NDArray[np.float64]:
    """-ln p of each token of ids_M that is the target of a window, float64 [M]; 0 for the others.

    Windows of like length share a pass; padding comes after the last target, where a causal model cannot see it.
    """
    device = next(model.parameters()).device if isinstance(model, AntiMatter) else model.device
    found = np.zeros(len(ids_M))
    for windows in batches(windows_W2):
        longest = int(windows[:, 1].max())
        inputs_BT = np.zeros((len(windows), longest), dtype=np.int64)
        targets_BT = np.zeros_like(inputs_BT)
        for row, (start, length) in enumerate(windows):
            inputs_BT[row, :length] = ids_M[start : start + length]
            targets_BT[row, :length] = ids_M[start + 1 : start + length + 1]
        inputs, targets = torch.from_numpy(inputs_BT).to(device), torch.from_numpy(targets_BT).to(device)
        if isinstance(model, AntiMatter):
            model.eval()
            losses_BT = token_losses(model, inputs, targets, chunked=device.type == "cpu").view(targets.shape)
        else:
            losses_BT = model.losses(inputs, targets)
        nats = losses_BT.cpu().numpy()
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


def _seen(tokens: int, windows_W2: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64 [tokens]: inputs of its window up to each target; 0 for what is no target."""
    seen = np.zeros(tokens, dtype=np.int64)
    for start, length in windows_W2:
        seen[start + 1 : start + length + 1] = np.arange(1, length + 1)
    return seen
