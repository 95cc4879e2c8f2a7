"""The training loop: read, forward, backward, step; log, validate, save.

The loss of a step is the sum over all its tokens, on all processes and micro-batches, divided by their number: how the
batch is spread changes nothing but the order of additions. A step that overflowed in fp16 is skipped, but has consumed
its samples and its place in the schedule.
"""

import contextlib
import math
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from antimatter.errors import AntiMatterError
from antimatter.model import AntiMatter
from antimatter.model.config import ModelConfig, flops_per_token, plain
from antimatter.train import checkpoint, result
from antimatter.train.data import dropout_seed, places_of_rank, read_windows, samples_of_step, window_count
from antimatter.train.device import autocast, peak_flops
from antimatter.train.job import Job, Placement
from antimatter.train.journal import Journal
from antimatter.train.loss import LossOf
from antimatter.train.optimizer import LossScale, adamw, restore_state, state_by_name
from antimatter.train.peers import Peers
from antimatter.train.schedule import learning_rate
from antimatter.train.speed import Clock
from antimatter.train.tokens import Tokens
from antimatter.train.validation import validate

MOST_OVERFLOWS = 20
"""fp16 overflows in a row after which no scale will help."""
MOST_PENDING = 20
"""Steps whose figures may wait on the device before somebody looks at them."""


class TrainingDiverged(AntiMatterError, ArithmeticError):
    """A loss or gradient is not a finite number."""


class Training:
    """One run in one process. Call `restore` with a checkpoint, if there is one, then `run`."""

    def __init__(
        self, job: Job, config: ModelConfig, place: Placement, tokens: Tokens, peers: Peers, say: Callable[[str], None]
    ) -> None:
        self.settings, self.work, self.place, self.tokens, self.peers = job.train, Path(job.work), place, tokens, peers
        self.device = f"cuda:{peers.local_rank}" if place.device == "cuda" else place.device
        self.windows = window_count(tokens.train, self.settings.sequence_length)
        self.step_tokens = self.settings.batch_sequences * self.settings.sequence_length
        self.model = AntiMatter(config, self.settings.seed).to(self.device)
        self.parameters = list(self.model.parameters())
        self.optimizer = adamw(self.model, self.settings, place.device)
        self.scale = LossScale(place.device, self.settings, enabled=place.precision == "fp16")
        loss: torch.nn.Module = LossOf(self.model, chunked=place.device == "cpu")
        if place.device == "cuda" and self.settings.compile:
            loss = self._compiled(loss, say)
        if peers.world > 1:
            ids = [peers.local_rank] if place.device == "cuda" else None
            loss = DistributedDataParallel(loss, device_ids=ids, gradient_as_bucket_view=True)
        self.loss = loss
        self.step, self.skipped, self.overflows = 0, 0, 0
        self.best: dict[str, float] | None = None
        self.pending: list[tuple[int, Tensor]] = []

    def restore(self, saved: checkpoint.Checkpoint) -> None:
        """Go on after a checkpoint. Raises AntiMatterError if it belongs to other settings or tokens."""
        state = saved.state
        differing = [key for key, value in self._identity().items() if state["identity"].get(key) != value]
        if differing:
            raise AntiMatterError(
                f"{saved.folder} belongs to another run ({', '.join(differing)} differ): going on would mix the two. "
                f"Remove {self.work} to start anew, or restore what it was trained with."
            )
        self.model.load_weights(saved.weights(), str(saved.folder))
        restore_state(self.optimizer, self.model, saved.optimizer())
        self.scale.restore(state["loss_scale"])
        self.step, self.skipped, self.overflows = state["step"], state["skipped"], state["overflows_in_a_row"]
        self.best = state["best_validation"]

    def run(self, journal: Journal | None, clock: Clock, should_stop: Callable[[], bool]) -> bool:
        """Train until the last step (True) or until any process is asked to stop (False, after saving).

        `journal` is rank 0's. Raises TrainingDiverged when a figure is not finite.
        """
        settings = self.settings
        stopping = False
        while self.step < settings.steps and not stopping:
            self.step += 1
            self.pending.append((self.step, self._one_step(self.step)))
            stopping = self.peers.any(should_stop())
            last = self.step == settings.steps
            validating = last or self.step % settings.validate_every == 0
            keeping = self.step in settings.checkpoints_at
            saving = stopping or self.step % settings.save_every == 0
            if self._logged(self.step) or validating or keeping or saving or len(self.pending) >= MOST_PENDING:
                self._look(journal, clock)
            if validating:
                self._validate(journal, clock)
            if journal and keeping:
                result.keep_weights(self.model, self.work, self.step)
            if journal and saving:
                self._save(journal, clock)
            if validating or keeping or saving:
                clock.skip()
        if self.step < settings.steps:
            return False
        if journal:
            journal.sync()
            result.finish(self.model, self.work, self._facts(), self._speed(clock))
        return True

    def _one_step(self, step: int) -> Tensor:
        """One optimizer step. Returns fp32 [3], on the device: sum of own losses, gradient norm, loss scale."""
        settings, place, peers = self.settings, self.place, self.peers
        rate = learning_rate(settings, step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        samples = samples_of_step(settings.seed, step, settings.batch_sequences, self.windows)
        accumulation = settings.batch_sequences // (peers.world * place.micro_batch)
        places = places_of_rank(peers.rank, peers.world, place.micro_batch, accumulation)
        total = torch.zeros((), device=self.device)
        scale = self.scale.current()
        self.loss.train()
        with autocast(place.device, place.precision):  # one context: each weight is cast once a step, not once a pass
            for k, places_k in enumerate(places):
                inputs, targets = self._load(samples[places_k])
                if self.model.config.dropout:
                    torch.manual_seed(dropout_seed(settings.seed, step, peers.rank, k))
                alone = peers.world > 1 and k < accumulation - 1
                # no_sync around forward too: DDP decides in the forward pass whether this backward communicates
                with self.loss.no_sync() if alone else contextlib.nullcontext():  # type: ignore[operator]
                    loss = self.loss(inputs, targets)
                    with torch.autocast(place.device, enabled=False):
                        # DDP averages gradients: times world makes it their sum
                        self.scale.scaler.scale(loss * (peers.world / self.step_tokens)).backward()
                total += loss.detach()
        norm = self.scale.step(self.optimizer, self.parameters, settings.gradient_clip)
        self.optimizer.zero_grad(set_to_none=True)
        return torch.stack([total, norm, scale])

    def _load(self, samples: Any) -> tuple[Tensor, Tensor]:
        """int64 [B, T] inputs and targets on the device."""
        rows = torch.from_numpy(read_windows(self.tokens.train, samples, self.settings.sequence_length))
        if self.place.device == "cuda":
            rows = rows.pin_memory()
        rows = rows.to(self.device, non_blocking=True)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    def _look(self, journal: Journal | None, clock: Clock) -> None:
        """Fetch the figures of all pending steps at once, judge them, log the ones that are due."""
        if not self.pending:
            return
        figures = torch.stack([figure for _, figure in self.pending]).cpu().double()
        losses = [total / self.step_tokens for total in self.peers.sum(figures[:, 0].tolist())]
        speed = clock.went_on(len(self.pending), len(self.pending) * self.step_tokens)
        for (step, _), loss, norm, scale in zip(
            self.pending, losses, figures[:, 1].tolist(), figures[:, 2].tolist(), strict=True
        ):
            self._judge(step, loss, norm, scale)
            if journal and self._logged(step):
                row = {
                    "step": step,
                    "tokens": step * self.step_tokens,
                    "epoch": step * self.settings.batch_sequences / self.windows,
                    "loss": loss,
                    "learning_rate": learning_rate(self.settings, step),
                    "gradient_norm": norm,
                    "loss_scale": scale,
                }
                journal.log(row)
                journal.record("train", **row, tokens_per_second=speed, seconds=clock.seconds())
        self.pending.clear()

    def _judge(self, step: int, loss: float, norm: float, scale: float) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            self.overflows = 0
            return
        self.skipped, self.overflows = self.skipped + 1, self.overflows + 1
        if self.scale.enabled and self.overflows < MOST_OVERFLOWS:
            return
        samples = samples_of_step(self.settings.seed, step, self.settings.batch_sequences, self.windows)
        why = f"{self.overflows} fp16 overflows in a row, loss scale {scale:g}" if self.scale.enabled else "not finite"
        raise TrainingDiverged(
            f"step {step}: loss {loss}, gradient norm {norm} ({why}). Its samples (windows of "
            f"{self.settings.sequence_length} training tokens): {', '.join(map(str, samples.tolist()))}. "
            f"The last checkpoint before it is sound. Lower train.learning_rate, raise train.warmup_steps, or look at "
            f"the data."
        )

    def _logged(self, step: int) -> bool:
        return step in (1, self.settings.steps) or step % self.settings.log_every == 0

    def _validate(self, journal: Journal | None, clock: Clock) -> None:
        settings, place = self.settings, self.place
        score = validate(
            self.model, self.tokens, settings.validation_sequences, settings.sequence_length, place.micro_batch,
            place.precision, self.peers,
        )  # fmt: skip
        if self.best is None or score.loss < self.best["loss"]:
            self.best = {"step": self.step, "loss": score.loss}
        if journal:
            row = {"step": self.step, "tokens": self.step * self.step_tokens, **vars(score)}
            journal.validation(row)
            journal.record("validation", **row, seconds=clock.seconds())

    def _save(self, journal: Journal, clock: Clock) -> None:
        journal.sync()
        state = {
            "step": self.step,
            "cursor": self.step * self.settings.batch_sequences,
            "tokens": self.step * self.step_tokens,
            "loss_scale": self.scale.state(),
            "skipped": self.skipped,
            "overflows_in_a_row": self.overflows,
            "best_validation": self.best,
            "placement": vars(self.place),
            "identity": self._identity(),
        }
        environment = {"torch": torch.__version__, "python": platform.python_version(), "steady": clock.state()}
        moments = state_by_name(self.optimizer, self.model)
        weights = self.model.published_weights()
        checkpoint.save(self.work / "checkpoints", self.step, weights, moments, state, environment)
        journal.record("checkpoint", self.step, seconds=clock.seconds())

    def _identity(self) -> dict[str, Any]:
        """What a checkpoint must share with a run that goes on from it; flat, in JSON's own types."""
        groups = {"model": plain(self.model.config), "train": vars(self.settings)}
        flat = {f"{g}.{k}": list(v) if isinstance(v, tuple) else v for g, vs in groups.items() for k, v in vs.items()}
        return {**flat, "tokens digest": self.tokens.digest, "tokenizer digest": self.tokens.tokenizer_digest}

    def _facts(self) -> dict[str, Any]:
        samples = self.step * self.settings.batch_sequences
        return {
            "steps": self.step,
            "tokens": self.step * self.step_tokens,
            "epochs": samples / self.windows,
            "precision": self.place.precision,
            "skipped_steps": self.skipped,
        }

    def _speed(self, clock: Clock) -> dict[str, Any]:
        flops = flops_per_token(self.model.config, self.settings.sequence_length)
        peak = peak_flops(self.place.device, self.place.precision)
        return clock.summary(self.step * self.step_tokens, flops, peak, self.peers.world) | vars(self.place)

    def _compiled(self, loss: torch.nn.Module, say: Callable[[str], None]) -> torch.nn.Module:
        """`loss` compiled and tried once on a real shape, or as it was, with a line that says why."""
        try:
            compiled = torch.compile(loss, dynamic=False)
            shape = (self.place.micro_batch, self.settings.sequence_length)
            trial = torch.zeros(shape, dtype=torch.int64, device=self.device)
            with autocast(self.place.device, self.place.precision):
                compiled(trial, trial).backward()
        except Exception as error:  # whatever the compiler lacks here, eager mode trains the same model
            say(f"torch.compile does not work here ({str(error).splitlines()[0]}); training goes on without it")
            compiled = loss
        self.optimizer.zero_grad(set_to_none=True)
        return compiled  # type: ignore[return-value]
