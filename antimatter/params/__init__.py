"""Parameters: one module per group of params.yaml, each a frozen dataclass; `load` reads and checks them all.

Groups (field docstrings are the reference): collect, conversations, benchmarks, clean, filter, dedup, tokenizer,
tokenize, model, train, evaluate, report. What changes a result is a parameter; what only changes speed (workers,
device, micro-batch) is a runtime setting (antimatter/execution/runtime.py).
"""

from antimatter.params.loader import ParameterError, load

__all__ = ["ParameterError", "load"]
