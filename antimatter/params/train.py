"""Group `train`: optimisation, schedule, precision, checkpoints."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Train:
    """Group `train` of params.yaml. A change reruns train and everything after it. Micro-batch and number of
    processes are runtime settings: they change speed, and results only by float rounding."""

    seed: Annotated[int, Range(0, 2**63 - 1)] = 1337
    """Initial weights, data order and dropout."""
    steps: Annotated[int, Range(1, 100_000_000)] = 1000
    """Optimizer steps."""
    sequence_length: Annotated[int, Range(8, 1048576)] = 256
    """Tokens in one training sample; at most model.context."""
    batch_sequences: Annotated[int, Range(1, 1_000_000)] = 32
    """Global batch: sequences in one optimizer step, over all processes and accumulated micro-batches."""
    learning_rate: Annotated[float, Range(0.0, 10.0)] = 1.0e-3
    """Highest rate, reached after warm-up."""
    final_learning_rate_fraction: Annotated[float, Range(0.0, 1.0)] = 0.1
    """Where the cosine ends, as a fraction of learning_rate."""
    warmup_steps: Annotated[int, Range(0, 10_000_000)] = 50
    """Linear warm-up from 0."""
    weight_decay: Annotated[float, Range(0.0, 10.0)] = 0.1
    """AdamW's decoupled decay, on matrices only (none on biases, norms)."""
    beta1: Annotated[float, Range(0.0, 1.0)] = 0.9
    """AdamW."""
    beta2: Annotated[float, Range(0.0, 1.0)] = 0.95
    """AdamW."""
    epsilon: Annotated[float, Range(0.0, 1.0)] = 1.0e-8
    """AdamW."""
    gradient_clip: Annotated[float, Range(0.0, 1e9)] = 1.0
    """Largest global gradient norm; 0 switches clipping off."""
    precision: Literal["auto", "fp16", "bf16", "fp32"] = "auto"
    """Arithmetic of the matrix products; weights, norms, softmax and loss stay fp32. auto: fp16 on CUDA, bf16 on
    processors with bf16 matrix units, otherwise fp32."""
    initial_loss_scale: Annotated[float, Range(1.0, 2.0**24)] = 65536.0
    """fp16 only: first GradScaler scale."""
    compile: bool = True
    """torch.compile on CUDA; ignored elsewhere, where it gains nothing."""
    log_every: Annotated[int, Range(1, 1_000_000)] = 10
    """Steps between lines of the training log."""
    validate_every: Annotated[int, Range(1, 100_000_000)] = 100
    """Steps between validations; the last step is always validated."""
    validation_sequences: Annotated[int, Range(1, 100_000_000)] = 128
    """Sequences in one validation, spread evenly over the validation tokens, always the same ones."""
    save_every: Annotated[int, Range(1, 100_000_000)] = 100
    """Steps between checkpoints from which a killed run resumes."""
    checkpoints_at: tuple[Annotated[int, Range(1, 100_000_000)], ...] = ()
    """Steps whose weights are kept and published beside the final model (data/model/checkpoints/)."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if self.warmup_steps >= self.steps:
            yield f"warmup_steps {self.warmup_steps} must be smaller than steps {self.steps}"
        for step in self.checkpoints_at:
            if step > self.steps:
                yield f"checkpoints_at names step {step}, but training ends at step {self.steps}"
