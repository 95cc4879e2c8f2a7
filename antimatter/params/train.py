"""Group `train`: optimisation, schedule, precision, checkpoints, what happens when the loss explodes."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range


@dataclass(frozen=True, kw_only=True)
class Guard:
    """SpikeGuard: what is done about a loss or gradient that explodes."""

    mode: Literal["off", "threshold", "full"] = "full"
    """off: a loss that is not finite ends the run. threshold: the specification's rule alone: a loss above
    spike_multiple x its moving average goes back to the last stable checkpoint and lowers the rate. full: updates far
    out of line are skipped, and what that does not heal goes back and skips the data too."""
    skip_deviation: Annotated[float, Range(1.0, 1000.0)] = 8.0
    """full: an update is skipped when its loss or gradient norm lies so many robust standard deviations
    (1.4826 x median absolute deviation) above the median of the last `window` accepted ones."""
    window: Annotated[int, Range(16, 100_000)] = 128
    """full: accepted steps that medians are taken over."""
    spike_multiple: Annotated[float, Range(1.0, 1000.0)] = 3.0
    """Goes back when the loss exceeds so many times its moving average."""
    lasting_shift: Annotated[float, Range(0.0, 100.0)] = 0.7
    """full: goes back when the median of the last 16 losses lies so many nats above the median of the accepted ones."""
    rate_factor: Annotated[float, Range(0.01, 1.0)] = 0.5
    """The learning rate is multiplied by this each time the run goes back; never below an eighth in all."""
    rewarm_steps: Annotated[int, Range(0, 1_000_000)] = 100
    """Linear warm-up after going back."""
    healthy_steps: Annotated[int, Range(1, 1_000_000)] = 50
    """A checkpoint counts as stable after so many healthy steps beyond it."""
    distance: Annotated[int, Range(0, 1_000_000)] = 100
    """full: goes back at least so many steps."""
    skip_beyond: Annotated[int, Range(0, 1_000_000)] = 64
    """full: the data between the checkpoint and so many steps past the spike is not read again."""
    most_rollbacks: Annotated[int, Range(0, 100)] = 3
    """The next one ends the run, loudly, with a post-mortem; so does a third within 2,000 computed steps."""


@dataclass(frozen=True, kw_only=True)
class Balance:
    """Rare-token balancing: rare targets weigh more in the loss, by at most a factor of 6 between any two."""

    mode: Literal["off", "class_balanced", "dynamic"] = "off"
    """class_balanced: by the counts of the tokenize stage (effective numbers; Cui et al. 2019, arXiv 1901.05555).
    dynamic: by a moving average of the counts seen in training (Jiang et al. 2019, arXiv 1902.09191)."""
    strength: Annotated[float, Range(0.0, 1.0)] = 0.5
    """Exponent alpha: 0 is no balancing, 1 the whole effective-number weight. It grows from 0 during warm-up to all at
    a tenth of the run, and returns to 0 over the last fifth, so that the final model is calibrated."""
    effective_number: Annotated[float, Range(1e2, 1e9)] = 1.0e5
    """1 / (1 - beta): counts beyond it are all the same."""
    lowest: Annotated[float, Range(0.01, 1.0)] = 0.5
    """Weights are clipped from below."""
    highest: Annotated[float, Range(1.0, 100.0)] = 3.0
    """Weights are clipped from above."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Text that the model writes while it is trained, for whoever watches; it changes nothing in the result."""

    every: Annotated[int, Range(0, 100_000_000)] = 0
    """Steps between samples; 0 writes none."""
    prompts: tuple[str, ...] = ()
    """What it continues, greedily."""
    tokens: Annotated[int, Range(1, 10_000)] = 40
    """Tokens of each continuation."""


@dataclass(frozen=True, kw_only=True)
class Quiz:
    """A multiple-choice benchmark on the way, for whoever watches; it changes nothing in the weights."""

    every: Annotated[int, Range(0, 100_000_000)] = 0
    """Steps between two rounds, and one at the end; 0: none."""
    path: Annotated[str, Matches(r"(.+\.jsonl(\.gz)?)?")] = ""
    """A local .jsonl or .jsonl.gz in the form of `benchmarks`, format multiple_choice, such as HellaSwag's."""
    sha256: Annotated[str, Matches(r"([0-9a-f]{64})?")] = ""
    """Digest of that file: DVC does not watch it. Another file is another run, as with every parameter of `train`."""
    items: Annotated[int, Range(1, 10_000_000)] = 500
    """Of its items, the first so many."""


@dataclass(frozen=True, kw_only=True)
class Train:
    """Group `train` of params.yaml. A change reruns train and everything after it. Micro-batch, number of processes,
    sharding and activation checkpointing are runtime settings: they change speed and memory, and results only by float
    rounding."""

    seed: Annotated[int, Range(0, 2**63 - 1)] = 1337
    """Initial weights, data order and dropout."""
    steps: Annotated[int, Range(0, 100_000_000)] = 1000
    """Optimizer steps; 0 if tokens or epochs says how long."""
    tokens: Annotated[int, Range(0, 10**15)] = 0
    """Length of the run in training tokens, rounded up to whole steps; 0 if steps or epochs says it."""
    epochs: Annotated[float, Range(0.0, 10_000.0)] = 0.0
    """Length of the run in passes over the training tokens, rounded up to whole steps; 0 if steps or tokens says it."""
    sequence_length: Annotated[int, Range(8, 1048576)] = 256
    """Tokens in one training sample; at most model.context."""
    batch_tokens: Annotated[int, Range(8, 10**9)] = 8192
    """Global batch: tokens in one optimizer step, over all processes and accumulated micro-batches; a multiple of
    sequence_length."""
    document_masking: bool = False
    """A token sees its own document alone, not the one before it in the same sample; in training and validation."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """muon: the matrices of the blocks are updated by orthogonalised momentum (Jordan et al. 2024; scaled to AdamW's
    step as in Liu et al. 2025, arXiv 2502.16982), all else by AdamW."""
    muon_momentum: Annotated[float, Range(0.0, 0.9999)] = 0.95
    """Nesterov momentum of muon."""
    learning_rate: Annotated[float, Range(0.0, 10.0)] = 1.0e-3
    """Highest rate, reached after warm-up."""
    schedule: Literal["cosine", "wsd", "linear", "constant", "plateau"] = "cosine"
    """After warm-up: cosine or linear to the final rate; wsd: constant, then linear over the last decay_fraction
    (Haegele et al. 2024, arXiv 2405.18392); constant; plateau: lowered when validation stops improving."""
    final_learning_rate_fraction: Annotated[float, Range(0.0, 1.0)] = 0.1
    """Where cosine, linear and wsd end, and below which plateau does not go, as a fraction of learning_rate."""
    decay_fraction: Annotated[float, Range(0.0, 1.0)] = 0.2
    """wsd: share of the steps, at the end, in which the rate falls."""
    plateau_factor: Annotated[float, Range(0.01, 1.0)] = 0.5
    """plateau: the rate is multiplied by this ..."""
    plateau_patience: Annotated[int, Range(1, 10_000)] = 3
    """... when so many validations in a row are not better than the best one ..."""
    plateau_improvement: Annotated[float, Range(0.0, 10.0)] = 0.002
    """... by this many nats."""
    warmup_steps: Annotated[int, Range(0, 10_000_000)] = 50
    """Linear warm-up from 0."""
    weight_decay: Annotated[float, Range(0.0, 10.0)] = 0.1
    """Decoupled decay, on matrices only (none on biases, norms)."""
    beta1: Annotated[float, Range(0.0, 0.999999)] = 0.9
    """AdamW."""
    beta2: Annotated[float, Range(0.0, 0.999999)] = 0.95
    """AdamW."""
    epsilon: Annotated[float, Range(0.0, 1.0)] = 1.0e-8
    """AdamW."""
    gradient_clip: Annotated[float, Range(0.0, 1e9)] = 1.0
    """Largest global gradient norm; 0 switches clipping off."""
    label_smoothing: Annotated[float, Range(0.0, 0.99)] = 0.0
    """Share of the target's probability that is spread evenly over the vocabulary (Szegedy et al. 2016, arXiv
    1512.00567). The losses that are logged and validated are without it."""
    z_loss: Annotated[float, Range(0.0, 1.0)] = 0.0
    """Weight of log(sum exp logits)^2, which keeps logits from drifting (Chowdhery et al. 2022, arXiv 2204.02311); 1e-4
    is usual. The losses that are logged and validated are without it."""
    token_balance: Balance = field(default_factory=Balance)
    """Rare-token balancing."""
    precision: Literal["auto", "fp16", "bf16", "fp32"] = "auto"
    """Arithmetic of the matrix products; weights, norms, softmax and loss stay fp32. auto: fp16 on CUDA, bf16 on
    processors with bf16 matrix units, otherwise fp32."""
    initial_loss_scale: Annotated[float, Range(1.0, 2.0**24)] = 65536.0
    """fp16 only: first GradScaler scale."""
    compile: bool = True
    """torch.compile on CUDA; ignored elsewhere, where it gains nothing."""
    guard: Guard = field(default_factory=Guard)
    """SpikeGuard."""
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
    keep_best: bool = False
    """Publish the weights of the best validation too (data/model/checkpoints/best/)."""
    samples: Samples = field(default_factory=Samples)
    """Text written during training."""
    quiz: Quiz = field(default_factory=Quiz)
    """A benchmark during training."""

    @property
    def batch_sequences(self) -> int:
        """Sequences in one optimizer step."""
        return self.batch_tokens // self.sequence_length

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if sum(map(bool, (self.steps, self.tokens, self.epochs))) != 1:
            yield (
                f"steps {self.steps}, tokens {self.tokens}, epochs {self.epochs:g}: one of them must say how long to "
                f"train, and the others be 0"
            )
        if self.steps and self.warmup_steps >= self.steps:
            yield f"warmup_steps {self.warmup_steps} must be smaller than steps {self.steps}"
        for step in self.checkpoints_at:
            if self.steps and step > self.steps:
                yield f"checkpoints_at names step {step}, but training ends at step {self.steps}"
        if self.batch_tokens % self.sequence_length:
            yield f"batch_tokens {self.batch_tokens} is not a multiple of sequence_length {self.sequence_length}"
        if self.samples.every and not self.samples.prompts:
            yield f"samples has every: {self.samples.every}, but no prompts"
        if self.quiz.every and not (self.quiz.path and self.quiz.sha256):
            yield f"quiz has every: {self.quiz.every}, but not both path and sha256 of its items"
