"""A model of ours as a folder of Hugging Face: GPT2LMHeadModel, which computes the same network.

    config.json             shape, epsilon, no dropout, the ids that frame a text
    model.safetensors       the weights under GPT-2's names; the four matrices of a block transposed (Conv1D)
    tokenizer.json          the tokenizer's own; it puts [BOS] in front of a text
    tokenizer_config.json   special tokens by role; "[BOS]" in a text is read as text

The logits are equal up to rounding (a test: 1e-5). Whatever GPT-2's code cannot compute is refused.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from antimatter.errors import AntiMatterError
from antimatter.model import AntiMatter
from antimatter.model.attention import EPSILON
from antimatter.model.config import ModelConfig
from antimatter.model.files import write_text, write_whole
from antimatter.tokenizer.opened import read_meta

SLOPE = 0.01
"""Of the leaky_relu of transformers, which has no other."""
_NAMES = {
    "attention_norm": "ln_1",
    "attention.queries_keys_values": "attn.c_attn",
    "attention.projection": "attn.c_proj",
    "feed_forward_norm": "ln_2",
    "feed_forward.expansion": "mlp.c_fc",
    "feed_forward.projection": "mlp.c_proj",
}


class NotExportable(AntiMatterError, ValueError):
    """A model that GPT-2's code cannot compute; the message names why."""


def export(model_folder: Path, target: Path) -> None:
    """Write the model in `model_folder` (config.json, model.safetensors, tokenizer/) into the new folder `target`.

    Raises: NotExportable with all reasons; NotExportable if `target` holds anything; what from_pretrained raises.
    """
    model = AntiMatter.from_pretrained(model_folder)
    reasons = obstacles(model.config)
    tokenizer = model_folder / "tokenizer"
    meta = read_meta(tokenizer)
    if not (tokenizer / "tokenizer.json").is_file():
        reasons.append(f"its tokenizer ({meta['kind']}) has no tokenizer.json")
    if reasons:
        raise NotExportable(f"{model_folder} has no form in transformers: {'; '.join(reasons)}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise NotExportable(f"{target} exists and is not empty. Name a new folder, or remove it.")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(tokenizer / "tokenizer.json", target / "tokenizer.json")
    _write_json(target / "tokenizer_config.json", tokenizer_config(meta, tokenizer, model.config.context))
    _write_json(target / "config.json", config_of(model.config, meta["specials"]))
    tensors = weights_of(model)
    save = safetensors.torch.save_file
    write_whole(target / "model.safetensors", lambda path: save(tensors, path, metadata={"format": "pt"}))


def obstacles(config: ModelConfig) -> list[str]:
    """Reasons why GPT2LMHeadModel cannot compute this network, in the words of params.yaml; empty: it can."""
    reasons = config.not_exportable()
    if config.activation == "leaky_relu" and config.leaky_slope not in (0.0, SLOPE):
        reasons.append(f"model.leaky_slope: {config.leaky_slope:g} (transformers has {SLOPE} alone)")
    return reasons


def config_of(config: ModelConfig, specials: Mapping[str, int]) -> dict[str, Any]:
    """config.json of GPT2LMHeadModel."""
    leaky = "relu" if config.leaky_slope == 0.0 else "leaky_relu"
    return {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": config.vocabulary_size,
        "n_positions": config.context,
        "n_embd": config.width,
        "n_layer": config.layers,
        "n_head": config.heads,
        "n_inner": config.feed_forward,
        "activation_function": {"gelu_tanh": "gelu_pytorch_tanh", "leaky_relu": leaky}[config.activation],
        "layer_norm_epsilon": EPSILON,
        "resid_pdrop": 0.0,
        "embd_pdrop": 0.0,
        "attn_pdrop": 0.0,
        "tie_word_embeddings": config.tied_embeddings,
        "bos_token_id": specials.get("bos", specials["eos"]),
        "eos_token_id": specials["eos"],
        "pad_token_id": specials.get("pad", specials["eos"]),
        "dtype": "float32",
    }


def tokenizer_config(meta: Mapping[str, Any], tokenizer: Path, context: int) -> dict[str, Any]:
    """tokenizer_config.json: a fast tokenizer, its special tokens by role."""
    added = json.loads((tokenizer / "tokenizer.json").read_text(encoding="utf-8"))["added_tokens"]
    names = {token["id"]: token["content"] for token in added}
    specials: Mapping[str, int] = meta["specials"]
    roles = {f"{role}_token": names[number] for role, number in specials.items() if number in names}
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **roles,
        "additional_special_tokens": [names[number] for number in sorted(meta["markers"].values()) if number in names],
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
    }


def weights_of(model: AntiMatter) -> dict[str, Tensor]:
    """The weights under GPT-2's names, fp32; a tied head is not among them."""
    found = {}
    for name, tensor in model.published_weights().items():
        renamed, is_matrix = _renamed(name)
        found[renamed] = tensor.t().contiguous() if is_matrix and tensor.dim() == 2 else tensor
    return found


def _renamed(name: str) -> tuple[str, bool]:
    """GPT-2's name of a weight, and whether it belongs to one of its Conv1D layers, which are [in, out]."""
    whole = {
        "token_embedding.weight": "transformer.wte.weight",
        "position_embedding.weight": "transformer.wpe.weight",
        "final_norm.weight": "transformer.ln_f.weight",
        "final_norm.bias": "transformer.ln_f.bias",
        "head.weight": "lm_head.weight",
    }
    if name in whole:
        return whole[name], False
    _, layer, rest = name.split(".", 2)
    part, _, kind = rest.rpartition(".")
    return f"transformer.h.{layer}.{_NAMES[part]}.{kind}", not part.endswith("norm")


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
