"""The network: `AntiMatter`, its `ModelConfig`, and text from it. Needs torch, numpy and safetensors, nothing else.

    config        the shape of a network; parameters and FLOPs by formula; config.json
    attention     what a position sees, and how; positions by rotation; RMSNorm
    blocks        attention and feed-forward layer, each behind its norm
    transformer   tokens to logits; weights to and from a folder
    adaptive      a head for large vocabularies
    cache         keys and values of what was read
    generate      token by token: temperature, top-k, nucleus, a seed
    text          text in, text out, by the tokenizer beside a model
    files         files that appear whole or not at all

>>> from antimatter.model import AntiMatter                              # doctest: +SKIP
>>> model = AntiMatter.from_pretrained("data/model")                     # doctest: +SKIP
>>> model.generate("The future of artificial intelligence", max_length=100, temperature=0.8)  # doctest: +SKIP
"""

from antimatter.model.config import ModelConfig
from antimatter.model.transformer import AntiMatter, ModelError

__all__ = ["AntiMatter", "ModelConfig", "ModelError"]
