"""A head for large vocabularies: frequent entries have full rows, rare ones short rows in classes of their own.

    ids in the order of training frequency:   0 ........ c1 .................. c2 ............................ V
                                              first class   class 1             class 2
    p(entry) =                                p(entry)      p(1) p(entry | 1)   p(2) p(entry | 2)
    width of a row                            D             D / divisor         D / divisor^2

Source: Grave et al. 2016, arXiv 1609.04309. The first class holds one more column for each class after it.
"""

from typing import Any

import torch
from torch import Tensor, nn

from antimatter.model.config import ModelConfig


class AdaptiveHead(nn.Module):
    """The weights of torch's AdaptiveLogSoftmaxWithLoss, computed so that fp32 softmax, DDP and any order of ids work.

    torch's own forward takes halves for its softmax under CPU autocast, and gives no gradient, not even zeros, to a
    class that has no target in the batch: gradients of several ranks then do not fit together.
    """

    rank_V: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            config.width, config.vocabulary_size, config.adaptive_softmax, div_value=config.adaptive_softmax_divisor
        )
        self.register_buffer("rank_V", torch.arange(config.vocabulary_size))

    @torch.no_grad()
    def set_frequencies(self, counts_V: Any) -> None:
        """Sort the entries into classes by their counts (a tensor or an array) in the training split; ties by id.

        Before training: the rows of a trained head belong to the entries that they were trained for.
        """
        counts_V = torch.as_tensor(counts_V)
        if counts_V.shape != self.rank_V.shape:
            raise ValueError(f"{list(counts_V.shape)} counts for a vocabulary of {len(self.rank_V)}")
        order_V = torch.argsort(counts_V.cpu(), descending=True, stable=True)
        self.rank_V.copy_(torch.argsort(order_V))

    def losses(self, hidden_ND: Tensor, targets_N: Tensor) -> Tensor:
        """-ln p(target), fp32 [N], nats; a target below 0 costs 0. A class is computed for its own targets alone.

        How many there are decides about shapes: the host waits for the device once a class.
        """
        counted_N = targets_N >= 0
        ranks_N = self.rank_V[targets_N.clamp(min=0)]
        starts = self.softmax.cutoffs[:-1]
        columns_N = ranks_N
        for number, start in enumerate(starts):
            columns_N = torch.where(ranks_N >= start, starts[0] + number, columns_N)
        head_NC = torch.log_softmax(self.softmax.head(hidden_ND).float(), -1)
        found_N = head_NC.gather(1, columns_N[:, None])[:, 0]
        for number, start in enumerate(starts):
            (own_M,) = ((columns_N == starts[0] + number) & counted_N).nonzero(as_tuple=True)
            inside_MV = torch.log_softmax(self.softmax.tail[number](hidden_ND[own_M]).float(), -1)
            inside_M = inside_MV.gather(1, (ranks_N[own_M] - start)[:, None])[:, 0]
            found_N = found_N.index_add(0, own_M, inside_M)
        return torch.where(counted_N, -found_N, 0.0)

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        """ln p of every entry, fp32 [..., V] in the order of ids: logits too, for their softmax is p."""
        first = self.softmax.cutoffs[0]
        head = torch.log_softmax(self.softmax.head(hidden_BTD).float(), -1)
        classes = [head[..., :first]]
        for number, rows in enumerate(self.softmax.tail):
            inside = torch.log_softmax(rows(hidden_BTD).float(), -1)
            classes.append(inside + head[..., first + number, None])
        return torch.cat(classes, -1)[..., self.rank_V]
