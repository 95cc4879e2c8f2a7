"""What is evaluated: a language model, ours or another's, with its tokenizer.  Axes: B rows, T tokens, N chosen.

Everything is computed in fp32, whatever the weights were trained in: scores are compared to the fourth decimal.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from antimatter.model import AntiMatter, text
from antimatter.model.config import parameter_count
from antimatter.model.generate import Sampling, generate_batch
from antimatter.train.loss import token_losses


class Subject(Protocol):
    """What the scores need to know of a model."""

    name: str
    """How it is called in tables."""
    context: int
    """Tokens that it can see."""
    bos: int
    """Stands before every text; a tokenizer without one has the end of a text there."""
    eos: int
    """Ends a text."""
    device: torch.device

    def encode(self, words: str) -> list[int]:
        """Ids of a text, no special ones among them."""

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""

    def losses(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        """-ln p(target | inputs up to its place), fp32 [B, T], nats; int64 in, on self.device."""

    def chosen(self, inputs_BT: Tensor, targets_BT: Tensor, chosen_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The same at the places where chosen_BT (bool) holds, row by row: losses fp32 [N], and bool [N]: is the
        target the most probable token?"""

    def generate(self, prompts: Sequence[Sequence[int]], max_new_tokens: int, sampling: Sampling) -> list[list[int]]:
        """The ids that follow each prompt (the first of a prompt is bos); eos, where one comes, is not among them.
        `sampling.suppress` and `sampling.eos` are the model's own, whatever is given."""

    def facts(self) -> dict[str, Any]:
        """name, kind (antimatter | huggingface), parameters, context, vocabulary."""


class OurModel:
    """A model that the train stage left, or any folder of that form."""

    def __init__(self, folder: Path, device: str = "cpu", name: str = "") -> None:
        """Raises: what from_pretrained and text.load raise, naming the file."""
        self.model = AntiMatter.from_pretrained(folder, device=device)
        self.model.eval()
        self._text = text.load(folder)
        self.name = name or folder.name
        self.context = self.model.config.context
        self.bos, self.eos = self._text.bos, self._text.eos
        self.device = next(self.model.parameters()).device

    def encode(self, words: str) -> list[int]:
        return list(self._text.encode(words))

    def decode(self, ids: Sequence[int]) -> str:
        return self._text.decode(list(ids))

    @torch.inference_mode()
    def losses(self, inputs_BT: Tensor, targets_BT: Tensor) -> Tensor:
        chunked = self.device.type == "cpu"
        return token_losses(self.model, inputs_BT, targets_BT, chunked=chunked).view(targets_BT.shape)

    @torch.inference_mode()
    def chosen(self, inputs_BT: Tensor, targets_BT: Tensor, chosen_BT: Tensor) -> tuple[Tensor, Tensor]:
        hidden_N1D = self.model.hidden(inputs_BT)[chosen_BT].unsqueeze(1)
        logits_NV = self.model.logits(hidden_N1D).squeeze(1).float()
        targets_N = targets_BT[chosen_BT]
        loss_N = torch.nn.functional.cross_entropy(logits_NV, targets_N, reduction="none")
        return loss_N, logits_NV.argmax(-1) == targets_N

    def generate(self, prompts: Sequence[Sequence[int]], max_new_tokens: int, sampling: Sampling) -> list[list[int]]:
        own = Sampling(
            temperature=sampling.temperature, top_k=sampling.top_k, top_p=sampling.top_p, seed=sampling.seed,
            suppress=self._text.suppress, eos=self.eos,
        )  # fmt: skip
        whole = generate_batch(self.model, prompts, max_new_tokens, own)
        return [[i for i in ids[len(prompt) :] if i != self.eos] for prompt, ids in zip(prompts, whole, strict=True)]

    def facts(self) -> dict[str, Any]:
        config = self.model.config
        return {
            "name": self.name,
            "kind": "antimatter",
            "parameters": parameter_count(config).total,
            "context": config.context,
            "vocabulary": config.vocabulary_size,
        }
