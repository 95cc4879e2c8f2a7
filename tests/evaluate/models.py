"""A tiny model of ours in a folder, and a Subject that is told what to answer."""

import zlib
from pathlib import Path

import torch

from antimatter.model import AntiMatter
from antimatter.model.config import ModelConfig
from antimatter.tokenizer.publish import publish_trained
from tests.tokenizer.small_models import EXACT, lines, train


def tiny_model(folder: Path, **settings) -> Path:
    """A model with weights far from their start; control and byte tokens are never its most probable ones."""
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir(parents=True)
    size = publish_trained(tokenizer, train(lines("english"), 420, **EXACT)).size
    shape = {"layers": 2, "width": 32, "heads": 4, "feed_forward": 48, "context": 192, "initial_std": 0.3}
    model = AntiMatter(ModelConfig(**(shape | settings), vocabulary_size=size), seed=5)
    with torch.no_grad():
        generator = torch.Generator().manual_seed(7)
        for name, parameter in model.named_parameters():
            if parameter.dim() < 2:
                parameter.add_(torch.empty(parameter.shape).normal_(0, 0.2, generator=generator))
            if name == "final_norm.bias":
                parameter.zero_()
                parameter[0] = 3.0
        model.head_weight[:, 0] = 0.0
        model.head_weight[:264] = 0.0
        model.head_weight[:264, 0] = -5.0  # with that bias: logits of -15
    model.save_pretrained(folder)
    return folder


class Told:
    """A Subject whose tokens are bytes: a continuation is certain if `knows(text before it, itself)`, else as likely
    as any other of its length."""

    name, context, bos, eos = "told", 4096, 256, 257
    device = torch.device("cpu")

    def __init__(self, knows):
        self.knows = knows

    def encode(self, words):
        return list(words.encode())

    def decode(self, ids):
        return bytes(i for i in ids if i < 256).decode(errors="replace")

    def chosen(self, inputs_BT, targets_BT, chosen_BT):
        losses, greedy = [], []
        for inputs, targets, chosen in zip(inputs_BT, targets_BT, chosen_BT, strict=True):
            places = chosen.nonzero().flatten().tolist()
            assert inputs[0] == self.bos and self.bos not in inputs[1:].tolist(), "one BOS, in front"
            before = self.decode(inputs[1 : places[0] + 1].tolist())
            known = self.knows(before, self.decode(targets[chosen].tolist()))
            losses += [0.01 if known else 5.0] * len(places)
            greedy += [known] * len(places)
        return torch.tensor(losses), torch.tensor(greedy)

    def facts(self):
        return {"name": self.name, "kind": "told", "parameters": 0, "context": self.context, "vocabulary": 258}


def choice_items(count: int) -> list[dict]:
    """Multiple-choice items of made-up words; every choice is told from the others by its text."""
    words = "fox jumps over lazy dog while engineer tokenizes texts reading slowly happiness quick brown".split()

    def some(key: str, least: int) -> str:
        draw = zlib.crc32(key.encode())
        return " ".join(words[(draw >> 3 * place) % len(words)] for place in range(least + draw % 3))

    return [
        {
            "id": str(number),
            "query": f"{some(f'q{number}', 4)} {number}",
            "choices": [f"{some(f'c{number}-{place}', 2)} {place}" for place in range(4)],
            "gold": zlib.crc32(f"gold{number}".encode()) % 4,
        }
        for number in range(count)
    ]
