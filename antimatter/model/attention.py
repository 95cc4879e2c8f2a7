"""Self-attention, and what its positions see: all before them, a window, their own document, keys read earlier.

Axis letters as in transformer.py, and: S keys (T, or more with a cache), W the window, n blocks of W tokens.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from antimatter.model.config import ModelConfig

Extend = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Takes the keys and values of the new tokens, gives those of all tokens (cache.py)."""

EPSILON = 1e-5
"""Of every norm."""


class Sight(NamedTuple):
    """What the positions of a forward pass see, the same in every layer."""

    mask: Tensor | None = None
    """Boolean, True where a key is seen: [B or 1, 1, T, S]; in blocks [B n, 1, W, 2 W]. None: all up to oneself."""
    block: int = 0
    """W if attention runs in blocks of the window's size, each seeing itself and the one before it; else 0."""


ALL_BEFORE = Sight()


class Rotation(NamedTuple):
    """Cosine and sine of the angles by which rope turns each pair of numbers: fp32 [T, K/2] or [B, 1, T, K/2]."""

    cosine: Tensor
    sine: Tensor


class RMSNorm(nn.RMSNorm):
    """x / sqrt(mean(x^2) + EPSILON) * weight, computed in fp32 also where autocast brings halves."""

    def __init__(self, width: int) -> None:
        super().__init__(width, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x.float(), self.normalized_shape, self.weight.float(), self.eps).type_as(x)


class Attention(nn.Module):
    """Causal self-attention, hidden_BTD -> hidden_BTD."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.dropout = config.heads, config.dropout
        self.queries_keys_values = nn.Linear(config.width, 3 * config.width)
        self.projection = nn.Linear(config.width, config.width)
        self.query_norm = RMSNorm(config.width // config.heads) if config.qk_norm else None
        self.key_norm = RMSNorm(config.width // config.heads) if config.qk_norm else None

    def forward(
        self,
        hidden_BTD: Tensor,
        sight: Sight = ALL_BEFORE,
        rotation: Rotation | None = None,
        extend: Extend | None = None,
    ) -> Tensor:
        B, T, D = hidden_BTD.shape
        mixed_BT3HK = self.queries_keys_values(hidden_BTD).view(B, T, 3, self.heads, D // self.heads)
        queries_BHTK, keys_BHSK, values_BHSK = mixed_BT3HK.permute(2, 0, 3, 1, 4)
        if self.query_norm is not None and self.key_norm is not None:
            queries_BHTK, keys_BHSK = self.query_norm(queries_BHTK), self.key_norm(keys_BHSK)
        if rotation is not None:
            queries_BHTK, keys_BHSK = rotate(queries_BHTK, rotation), rotate(keys_BHSK, rotation)
        if extend is not None:
            keys_BHSK, values_BHSK = extend(keys_BHSK, values_BHSK)
        dropout = self.dropout if self.training else 0.0
        if sight.mask is None:
            whole = keys_BHSK.shape[2] == T  # else T is 1, and sees every key
            mixed_BHTK = F.scaled_dot_product_attention(
                queries_BHTK, keys_BHSK, values_BHSK, is_causal=whole, dropout_p=dropout
            )
        elif sight.block:
            mixed_BHTK = _in_blocks(queries_BHTK, keys_BHSK, values_BHSK, sight, dropout)
        else:
            mixed_BHTK = F.scaled_dot_product_attention(
                queries_BHTK, keys_BHSK, values_BHSK, attn_mask=sight.mask, dropout_p=dropout
            )
        projected_BTD: Tensor = self.projection(mixed_BHTK.transpose(1, 2).reshape(B, T, D))
        return projected_BTD


def rotation_at(positions: Tensor, size: int, base: float) -> Rotation:
    """Angles position * base^(-2 i / size) for pair i of a head: positions [T] or [B, 1, T].

    Source: Su et al. 2021 (RoPE), arXiv 2104.09864, section 3.2.2. Pair i is (i, i + size / 2), not (2 i, 2 i + 1).
    """
    exponents = torch.arange(0, size, 2, device=positions.device, dtype=torch.float32) / size
    angles = positions[..., None].float() * base**-exponents
    return Rotation(angles.cos(), angles.sin())


def rotate(x_BHTK: Tensor, rotation: Rotation) -> Tensor:
    """Queries or keys turned by their positions, computed in fp32: their product depends on the distance alone."""
    first, second = x_BHTK.float().chunk(2, -1)
    turned = first * rotation.cosine - second * rotation.sine, first * rotation.sine + second * rotation.cosine
    return torch.cat(turned, -1).type_as(x_BHTK)


def sight_of(tokens_BT: Tensor, window: int, documents_BT: Tensor | None = None) -> Sight:
    """What each of T positions sees of them: itself and those before it that lie in its window and its document.

    Without documents, and inside the window, there is no mask: the fastest kernels know causal attention by name.
    Where the window is much shorter, attention runs in blocks of its size: cost and mask grow with T W, not with T T.
    """
    B, T = tokens_BT.shape
    if documents_BT is None and window >= T:
        return ALL_BEFORE
    if 2 * window < T:
        return Sight(_block_mask(B, T, window, documents_BT, tokens_BT.device), window)
    mask_BTS = visible(torch.arange(T, device=tokens_BT.device)[None], T, window)
    if documents_BT is not None:
        mask_BTS = mask_BTS & (documents_BT[:, :, None] == documents_BT[:, None, :])
    return Sight(mask_BTS[:, None])


def visible(positions_BT: Tensor, keys: int, window: int) -> Tensor:
    """Boolean [B, T, S]: key j stands in i - window + 1 .. i, for i the position of the query."""
    keys_S = torch.arange(keys, device=positions_BT.device)
    back_BTS = positions_BT[..., None] - keys_S
    return (back_BTS >= 0) & (back_BTS < window)


def _block_mask(B: int, T: int, W: int, documents_BT: Tensor | None, device: torch.device) -> Tensor:
    """[B n, 1, W, 2 W]: query a of a block stands W + a after the first of its 2 W keys."""
    n = -(-T // W)
    mask_BnWS = visible(torch.arange(W, 2 * W, device=device)[None], 2 * W, W).repeat(B, n, 1, 1)
    mask_BnWS[:, 0, :, :W] = False  # before the first block there is nothing
    if documents_BT is not None:
        own_BnW = F.pad(documents_BT, (0, n * W - T)).view(B, n, W)
        both_BnS = torch.cat([own_BnW.roll(1, 1), own_BnW], -1)
        mask_BnWS = mask_BnWS & (own_BnW[..., None] == both_BnS[:, :, None])
    return mask_BnWS.view(B * n, 1, W, 2 * W)


def _in_blocks(queries_BHTK: Tensor, keys_BHTK: Tensor, values_BHTK: Tensor, sight: Sight, dropout: float) -> Tensor:
    """Attention of each block of W tokens to itself and to the block before it; the last one is padded with zeros."""
    B, H, T, K = queries_BHTK.shape
    n = -(-T // sight.block)

    def blocks(x_BHTK: Tensor) -> Tensor:
        padded = F.pad(x_BHTK, (0, 0, 0, n * sight.block - T))
        return padded.view(B, H, n, sight.block, K).transpose(1, 2)

    def with_the_one_before(x_BnHWK: Tensor) -> Tensor:
        return torch.cat([x_BnHWK.roll(1, 1), x_BnHWK], -2).flatten(0, 1)

    mixed = F.scaled_dot_product_attention(
        blocks(queries_BHTK).flatten(0, 1),
        with_the_one_before(blocks(keys_BHTK)),
        with_the_one_before(blocks(values_BHTK)),
        attn_mask=sight.mask,
        dropout_p=dropout,
    )
    return mixed.view(B, n, H, sight.block, K).transpose(1, 2).reshape(B, H, n * sight.block, K)[:, :, :T]
