"""A block of the transformer: attention, then a feed-forward layer, each behind a norm and added to the stream."""

import torch.nn.functional as F
from torch import Tensor, nn

from antimatter.model.attention import ALL_BEFORE, EPSILON, Attention, Extend, RMSNorm, Rotation, Sight
from antimatter.model.config import ModelConfig


class FeedForward(nn.Module):
    """hidden_BTD -> F -> hidden_BTD, position by position."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.expansion = nn.Linear(config.width, config.feed_forward)
        self.projection = nn.Linear(config.feed_forward, config.width)
        self.activation, self.leaky_slope = config.activation, config.leaky_slope

    def forward(self, hidden_BTD: Tensor) -> Tensor:
        inner_BTF = self.expansion(hidden_BTD)
        if self.activation == "gelu_tanh":
            active_BTF = F.gelu(inner_BTF, approximate="tanh")
        elif self.activation == "leaky_relu":
            active_BTF = F.leaky_relu(inner_BTF, self.leaky_slope)
        else:
            active_BTF = F.relu(inner_BTF).square()
        projected_BTD: Tensor = self.projection(active_BTF)
        return projected_BTD


class Block(nn.Module):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = norm_of(config)
        self.attention = Attention(config)
        self.feed_forward_norm = norm_of(config)
        self.feed_forward = FeedForward(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(
        self,
        hidden_BTD: Tensor,
        sight: Sight = ALL_BEFORE,
        rotation: Rotation | None = None,
        extend: Extend | None = None,
    ) -> Tensor:
        attended_BTD = self.attention(self.attention_norm(hidden_BTD), sight, rotation, extend)
        hidden_BTD = hidden_BTD + self.dropout(attended_BTD)
        added_BTD: Tensor = self.dropout(self.feed_forward(self.feed_forward_norm(hidden_BTD)))
        return hidden_BTD + added_BTD


def norm_of(config: ModelConfig) -> nn.Module:
    """A norm of the residual stream, which is fp32 under autocast."""
    return RMSNorm(config.width) if config.norm == "rms" else nn.LayerNorm(config.width, eps=EPSILON)
