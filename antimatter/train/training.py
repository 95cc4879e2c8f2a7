"""What a run computes with, and what of it a checkpoint holds: all that the next step depends on, and nothing else.

Random numbers are no part of it: data order, dropout and initial weights are functions of the seed and the step.
"""

import dataclasses
import json
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from antimatter.errors import AntiMatterError
from antimatter.model import AntiMatter
from antimatter.model.config import ModelConfig, plain
from antimatter.train import checkpoint
from antimatter.train.balance import TokenBalance
from antimatter.train.compile_check import compiled
from antimatter.train.data import places_of_rank, window_count
from antimatter.train.device import autocast
from antimatter.train.fit import most_that_fit
from antimatter.train.guard import Intervention, SpikeGuard, cursor_of_step, rate_multiplier
from antimatter.train.job import Job, Placement
from antimatter.train.loader import Loader
from antimatter.train.loss import LossOf
from antimatter.train.loss_scale import LossScale
from antimatter.train.optimizer import Optimizer
from antimatter.train.parallel import load_weights, published_weights, wrap
from antimatter.train.peers import Peers
from antimatter.train.recovery import as_json
from antimatter.train.schedule import Plateau, learning_rate
from antimatter.train.stability import Stability
from antimatter.train.step import Stepper
from antimatter.train.tokens import Tokens

SCALE_AFTER_ROLLBACK = 2.0**15


class Training:
    """One run in one process, at the beginning or, after `restore`, where a checkpoint left it."""

    def __init__(
        self,
        job: Job,
        config: ModelConfig,
        place: Placement,
        tokens: Tokens,
        peers: Peers,
        say: Callable[[str], None],
        fit: bool = False,
    ) -> None:
        """fit: find out how many sequences a pass can hold (on CUDA), instead of what `place` estimates."""
        self.settings, self.work, self.place, self.tokens, self.peers = job.train, Path(job.work), place, tokens, peers
        self.prompts, self.questions = job.prompts, job.questions
        self.device = f"cuda:{peers.local_rank}" if place.device == "cuda" else place.device
        settings = self.settings
        self.windows = window_count(tokens.train, settings.sequence_length)
        self.model = AntiMatter(config, settings.seed)
        if place.sharding == "off":  # else block by block, when it is shared out: the whole may not fit
            self.model.to(self.device)
        self.model.activation_checkpointing = place.activation_checkpointing
        if self.model.adaptive is not None:
            self.model.adaptive.set_frequencies(torch.from_numpy(tokens.token_counts))
        boundary = (tokens.eos if tokens.bos is None else tokens.bos) if settings.document_masking else None
        chunked = place.device == "cpu"
        self.loss: torch.nn.Module = LossOf(self.model, chunked, settings.label_smoothing, settings.z_loss, boundary)
        if place.sharding != "off":
            self.loss = wrap(self.loss, self.model, place, peers.local_rank)
        self.optimizer = Optimizer(self.model, settings, place.device)
        gradients_at = "cpu" if place.sharding == "offload" else place.device
        self.scale = LossScale(gradients_at, settings, enabled=place.precision == "fp16")
        if place.device == "cuda":
            self._prepare_gpu(fit, say)
            place = self.place
        if place.sharding == "off":
            self.loss = wrap(self.loss, self.model, place, peers.local_rank)
        accumulation = settings.batch_sequences // (peers.world * place.micro_batch)
        places = places_of_rank(peers.rank, peers.world, place.micro_batch, accumulation)
        self.loader = Loader(
            tokens.train, settings.sequence_length, settings.seed, settings.batch_sequences, self.windows, places,
            self.device,
        )  # fmt: skip
        self.counts_V: Tensor | None = None
        if settings.token_balance.mode == "dynamic":
            self.counts_V = torch.zeros(config.vocabulary_size, dtype=torch.int64, device=self.device)
        self.stepper = Stepper(
            settings, place, self.model, self.loss, self.optimizer, self.scale, self.loader, peers, self.device,
            self.counts_V,
        )  # fmt: skip
        self._start_anew(())

    def _prepare_gpu(self, fit: bool, say: Callable[[str], None]) -> None:
        """Find the micro-batch, then compile for it."""
        settings, place, peers = self.settings, self.place, self.peers

        def trial(sequences: int) -> tuple[Tensor, ...]:
            shape = (sequences, settings.sequence_length + 1)
            vocabulary = self.model.config.vocabulary_size
            ids = torch.randint(vocabulary, shape, generator=torch.Generator().manual_seed(0)).to(self.device)
            both = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()
            balanced = settings.token_balance.mode != "off"
            return (*both, torch.ones(vocabulary, device=self.device)) if balanced else both

        def forward_backward(sequences: int) -> None:
            self.optimizer.zero_grad()
            with autocast(place.device, place.precision, keep_casts=place.sharding == "off"):
                objective = self.loss(*trial(sequences))[0]
            objective.backward()
            self.optimizer.zero_grad()

        if fit:
            share = settings.batch_sequences // peers.world
            self.place = dataclasses.replace(place, micro_batch=most_that_fit(forward_backward, share, peers.least))
        if settings.compile:
            parts = () if place.sharding == "off" else tuple(self.model.blocks)
            inputs = trial(self.place.micro_batch)
            self.loss, note = compiled(self.loss, inputs, place.precision, parts, peers.least)
            if note:
                say(note)

    def _start_anew(self, interventions: Sequence[Intervention]) -> None:
        settings = self.settings
        self.step, self.overflows, self.skips = 0, 0, 0
        self.stability = Stability()
        self.best: dict[str, float] | None = None
        self.by_frequency: list[float | None] = []
        self.guard = SpikeGuard(settings.guard, interventions)
        self.plateau = Plateau(settings)
        self.balance = TokenBalance(settings, self.tokens.token_counts)

    def restore(self, saved: checkpoint.Checkpoint | None, interventions: Sequence[Intervention]) -> None:
        """Go on after a checkpoint, or from fresh weights (None), having gone back as `interventions` say.

        Raises AntiMatterError if the checkpoint belongs to other settings or tokens.
        """
        self._start_anew(interventions)
        if saved is None:
            fresh = AntiMatter(self.model.config, self.settings.seed)
            load_weights(self.model, fresh.published_weights() | self._buffers(), "a fresh model")
            self.optimizer.restore({})
            self.scale.restore(LossScale("cpu", self.settings, self.scale.enabled).state())
            if self.counts_V is not None:
                self.counts_V.zero_()
        else:
            self._restore_checkpoint(saved)
        known = len(saved.state["interventions"]) if saved else 0
        if len(interventions) > known and self.step == interventions[-1].target_step:  # it has just gone back
            self.scale.lower(SCALE_AFTER_ROLLBACK)
            self.stability.went_back(self.step)

    def _buffers(self) -> dict[str, Tensor]:
        """Published tensors that no optimizer changes."""
        return {name: buffer.cpu() for name, buffer in self.model.named_buffers()}

    def _restore_checkpoint(self, saved: checkpoint.Checkpoint) -> None:
        state, extra = saved.state, saved.extra()
        differing = [key for key, value in self.identity().items() if state["identity"].get(key) != value]
        if differing:
            raise AntiMatterError(
                f"{saved.folder} belongs to another run ({', '.join(differing)} differ): going on would mix the two. "
                f"Remove {self.work} to start anew, or restore what it was trained with."
            )
        load_weights(self.model, saved.weights(), str(saved.folder))
        self.optimizer.restore(saved.optimizer())
        self.scale.restore(state["loss_scale"])
        self.step, self.overflows, self.skips = state["step"], state["overflows"], state["skips"]
        self.stability.restore(state["stability"])
        self.best = state["best_validation"]
        self.guard.restore(state["guard"])
        self.plateau.restore(state["plateau"])
        self.balance.restore({k.removeprefix("balance."): v.numpy() for k, v in extra.items() if k != "counts"})
        if self.counts_V is not None:
            self.counts_V.zero_()
            if self.peers.rank == 0:  # the counts of all processes, handed to one
                self.counts_V += extra["counts"].to(self.counts_V.device)

    def weights(self) -> dict[str, Tensor]:
        """Published weights, whole, on rank 0; nothing elsewhere if they are shared out. All processes must call."""
        return published_weights(self.model, keep=self.peers.rank == 0)

    def _live_weights(self) -> dict[str, Tensor]:
        """`weights` where they lie, in the memory that the next step changes: who writes them copies them better."""
        return {name: self.model.unpadded(name, t.detach()) for name, t in self.model.state_dict().items()}

    def snapshot(self) -> dict[str, Any]:
        """The arguments of checkpoint.save after root: this step, whole tensors, state. All processes must call."""
        extra = {f"balance.{name}": torch.from_numpy(np.asarray(v)) for name, v in self.balance.state().items()}
        if self.counts_V is not None:
            extra["counts"] = self.peers.sum_on_device(self.counts_V.clone()).cpu()
        state = {
            "step": self.step,
            "cursor": self.cursor(self.step + 1),
            "tokens": self.step * self.settings.batch_tokens,
            "loss_scale": self.scale.state(),
            "overflows": self.overflows,
            "skips": self.skips,
            "stability": self.stability.state(),
            "best_validation": self.best,
            "guard": self.guard.state(),
            "interventions": as_json(self.guard.interventions),
            "plateau": self.plateau.state(),
            "placement": vars(self.place),
            "identity": self.identity(),
        }
        return {
            "step": self.step,
            "weights": self.weights() if self.place.sharding != "off" else self._live_weights(),
            "optimizer": self.optimizer.state(keep=self.peers.rank == 0),
            "extra": extra,
            "state": state,
            "environment": {"torch": torch.__version__, "python": platform.python_version()},
        }

    def cursor(self, step: int) -> int:
        """The global sample that `step` begins with."""
        return cursor_of_step(step, self.settings.batch_sequences, self.guard.interventions)

    def rate(self, step: int) -> float:
        """The learning rate of `step`."""
        lowered = rate_multiplier(self.settings.guard, step, self.guard.interventions)
        return learning_rate(self.settings, step, self.plateau.factor) * lowered

    def absorb_counts(self) -> None:
        """Take the targets counted since the last call into the balance. All processes must call."""
        assert self.counts_V is not None
        self.balance.absorb(self.peers.sum_on_device(self.counts_V).cpu().numpy())
        self.counts_V.zero_()

    def identity(self) -> dict[str, Any]:
        """What a checkpoint must share with a run that goes on from it; flat, in JSON's own types."""
        groups = {"model": plain(self.model.config), "train": dataclasses.asdict(self.settings)}
        flat = {f"{g}.{k}": v for g, vs in groups.items() for k, v in vs.items()}
        digests = {"tokens digest": self.tokens.digest, "tokenizer digest": self.tokens.tokenizer_digest}
        return dict(json.loads(json.dumps({**flat, **digests})))
