"""The network: `AntiMatter`, its `ModelConfig`, and text from it. Needs torch, numpy and safetensors, nothing else.

>>> from antimatter.model import AntiMatter                              # doctest: +SKIP
>>> model = AntiMatter.from_pretrained("data/model")                     # doctest: +SKIP
>>> model.generate("The future of artificial intelligence", max_length=100, temperature=0.8)  # doctest: +SKIP
"""

from antimatter.model.config import ModelConfig
from antimatter.model.transformer import AntiMatter, ModelError

__all__ = ["AntiMatter", "ModelConfig", "ModelError"]
