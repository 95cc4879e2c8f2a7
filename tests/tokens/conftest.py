"""The tiny tokenizer of tests/tokenizer."""

from tests.tokenizer.conftest import encoder, model, model_path

__all__ = ["encoder", "model", "model_path"]
