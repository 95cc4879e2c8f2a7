"""Keys and values of tokens that a model has read, so that each new token costs one position, not the whole text.

rows of a batch     lengths      a step of one token each
k k k k k . .       5            k k k k k K .
k k . . . . .       2            k k K . . . .        what stands behind a row's length is never seen
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from antimatter.model.attention import ALL_BEFORE, Sight, sight_of, visible


class KeyValueCache:
    """For `rows` texts of at most `capacity` tokens. `lengths` says how many tokens of each row have been read."""

    def __init__(self, rows: int, capacity: int) -> None:
        self.lengths = [0] * rows
        self.capacity = capacity
        self._kept: list[tuple[Tensor, Tensor]] = []  # by layer: keys, values, [B, H, capacity, K]
        self._places_BT = torch.empty(0)

    def begin(self, tokens_BT: Tensor, window: int) -> tuple[Tensor, Sight]:
        """Positions [B, T] of the new tokens, each after the length of its row, and what they see."""
        T = tokens_BT.shape[1]
        if max(self.lengths) + T > self.capacity:
            raise ValueError(f"{max(self.lengths)} + {T} tokens, but this cache has room for {self.capacity}")
        starts_B = torch.tensor(self.lengths, device=tokens_BT.device)
        self._places_BT = starts_B[:, None] + torch.arange(T, device=tokens_BT.device)
        if not any(self.lengths):
            return self._places_BT, sight_of(tokens_BT, window)
        if T == 1 and len(set(self.lengths)) == 1 and self.lengths[0] < window:
            return self._places_BT, ALL_BEFORE
        return self._places_BT, Sight(visible(self._places_BT, max(self.lengths) + T, window)[:, None])

    def extend(self, layer: int, keys_BHTK: Tensor, values_BHTK: Tensor) -> tuple[Tensor, Tensor]:
        """Keep the keys and values of the new tokens; give those of all tokens, [B, H, S, K]."""
        B, _, T, _ = keys_BHTK.shape
        if layer == len(self._kept):
            self._kept.append((self._room(keys_BHTK), self._room(values_BHTK)))
        shortest, longest = min(self.lengths), max(self.lengths) + T
        rows_B1 = torch.arange(B, device=keys_BHTK.device)[:, None]
        for kept, new_BHTK in zip(self._kept[layer], (keys_BHTK, values_BHTK), strict=True):
            if longest - shortest == T:
                kept[:, :, shortest:longest] = new_BHTK
            else:
                kept[rows_B1, :, self._places_BT] = new_BHTK.transpose(1, 2)
        keys, values = self._kept[layer]
        return keys[:, :, :longest], values[:, :, :longest]

    def advance(self, tokens: int) -> None:
        """The new tokens have passed all layers."""
        self.lengths = [length + tokens for length in self.lengths]

    def replace(self, rows: Sequence[int], read: "KeyValueCache", lengths: Sequence[int]) -> None:
        """Take the first `lengths` tokens of each row of another cache as the whole text of these `rows`."""
        if not self._kept:
            self._kept = [(self._room(keys), self._room(values)) for keys, values in read._kept]
        places = torch.tensor(rows)
        for own, others in zip(self._kept, read._kept, strict=True):
            for kept, new in zip(own, others, strict=True):
                kept[places, :, : read.capacity] = new
        for row, length in zip(rows, lengths, strict=True):
            self.lengths[row] = length

    def keep(self, rows: Sequence[int]) -> None:
        """Forget all other rows; row i is now what rows[i] was."""
        self.lengths = [self.lengths[row] for row in rows]
        places = torch.tensor(rows)
        self._kept = [(keys[places], values[places]) for keys, values in self._kept]

    def _room(self, like_BHTK: Tensor) -> Tensor:
        _, H, _, K = like_BHTK.shape
        return like_BHTK.new_zeros(len(self.lengths), H, self.capacity, K)
