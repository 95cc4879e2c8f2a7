"""The training loop: step, look, judge; log, validate, save; go back where the guard says so.

What a step was like is read while the device already computes the next one. So a verdict comes one step late, before
that next update is applied: a rollback discards it.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.model import generate
from antimatter.model.config import flops_per_token
from antimatter.train import checkpoint, result
from antimatter.train.balance import ABSORB_EVERY
from antimatter.train.checkpoint import CheckpointFailed
from antimatter.train.data import samples_at
from antimatter.train.device import peak_flops
from antimatter.train.frequency import frequency_classes
from antimatter.train.guard import GuardGaveUp, Intervention, Seen, Verdict
from antimatter.train.journal import Journal
from antimatter.train.parallel import eager
from antimatter.train.post_mortem import write_post_mortem
from antimatter.train.recovery import plain, write_interventions
from antimatter.train.speed import Clock, memory_bytes
from antimatter.train.step import Fetched, Figures
from antimatter.train.training import Training
from antimatter.train.validation import validate
from antimatter.train.writer import Writer

KEPT_STABLE = 3
"""Sound checkpoints to go back to, each `guard.distance` steps or more before the next."""


class Loop:
    """Runs a `Training` to its end. `journal` and `clock` are rank 0's and everybody's."""

    def __init__(self, training: Training, journal: Journal | None, clock: Clock) -> None:
        self.training, self.journal, self.clock = training, journal, clock
        self.settings, self.peers = training.settings, training.peers
        self.root = training.work / "checkpoints"
        self.writer = Writer(self.root) if journal else None
        self.classes_V = frequency_classes(training.tokens.token_counts)
        self.pending: Fetched | None = None
        self.stopping = False

    def run(self, should_stop: Callable[[], bool]) -> bool:
        """Train until the last step (True) or until any process is asked to stop (False, after saving).

        Raises: GuardGaveUp when nothing more can be tried; CheckpointFailed when a checkpoint cannot be written.
        """
        try:
            self._steps(should_stop)
            self._finish()
        except BaseException:
            if self.writer:
                with contextlib.suppress(CheckpointFailed):  # why we leave is the news
                    self.writer.wait()
            raise
        finally:
            self.training.loader.close()
        return not self.stopping

    def _steps(self, should_stop: Callable[[], bool]) -> None:
        training = self.training
        while True:
            step = training.step + 1
            weights = training.balance.weights(step)
            sums = training.stepper.forward_backward(
                step, training.cursor(step), weights, training.counts_V, should_stop()
            )
            if not self._look():  # at the step before, while the device is at this one
                training.stepper.discard()
                continue
            if self.stopping:
                training.stepper.discard()
                self._save()
                break
            figures = training.stepper.update(sums, training.rate(step), *training.guard.thresholds())
            training.step, self.pending = step, Fetched(step, figures, sums)
            if not self._after(step):
                continue
            if step == self.settings.steps:
                break

    def _after(self, step: int) -> bool:
        """What is due after `step`; False if the step had to be taken back."""
        training, settings = self.training, self.settings
        if training.counts_V is not None and step % ABSORB_EVERY == 0:
            training.absorb_counts()
        last = step == settings.steps
        validating = last or step % settings.validate_every == 0
        saving = step % settings.save_every == 0
        keeping = step in settings.checkpoints_at
        sampling = settings.samples.every > 0 and (last or step % settings.samples.every == 0)
        if not (validating or saving or keeping or sampling):
            return True
        if not self._look():
            return False
        if last:
            self.stopping = False  # there is nothing left to stop
        if validating:
            self._validate()
        if keeping:
            self._keep(result.chosen_folder(training.work, step))
        if saving and not last:
            self._save()
        if sampling and self.journal and training.place.sharding == "off":
            self._sample()
        self.clock.skip()
        return True

    # what a step was like

    def _look(self) -> bool:
        """Read the pending step, judge it, log it. False: it made the run go back."""
        if self.pending is None:
            return True
        figures, self.pending = self.pending.read(), None
        if self.writer:
            self._tell_written(self.writer.check())
        self.clock.went_on(self.settings.batch_tokens)
        training = self.training
        overflow = training.scale.enabled and not math.isfinite(figures.norm) and math.isfinite(figures.loss)
        training.overflows += overflow
        training.skips += figures.skipped and not overflow
        verdict = training.guard.observe(
            Seen(
                step=figures.step, loss=figures.loss, norm=figures.norm, overflow=overflow, skipped=figures.skipped,
                scale=figures.scale if training.scale.enabled else None,
            )
        )  # fmt: skip
        self._log(figures)
        if self.journal and figures.skipped and not overflow:
            self.journal.event("skipped", figures.step, loss=_finite(figures.loss), gradient_norm=_finite(figures.norm),
                               reason=verdict.reason, cursor=training.cursor(figures.step))  # fmt: skip
        self.stopping = figures.stop
        if verdict.action in ("rollback", "stop"):
            self._go_back(verdict, figures)
            return False
        self._promote(figures.step)
        return True

    def _log(self, figures: Figures) -> None:
        step, settings, training = figures.step, self.settings, self.training
        if not self.journal or not (step in (1, settings.steps) or step % settings.log_every == 0):
            return
        row: dict[str, Any] = {
            "step": step,
            "tokens": step * settings.batch_tokens,
            "epoch": (training.cursor(step) + settings.batch_sequences) / training.windows,
            "loss": figures.loss,
            "smoothed_loss": _finite(training.guard.average),
            "learning_rate": training.rate(step),
            "gradient_norm": figures.norm,
            "loss_scale": figures.scale,
            "cursor": training.cursor(step),
        }
        self.journal.log(row)
        rate = self.clock.interval()
        speed = {"tokens_per_second": rate, "mfu": self._mfu(rate), "memory": memory_bytes()}
        row |= {**speed, "steps": settings.steps, "seconds": self.clock.seconds()}
        del row["step"]
        self.journal.record("train", step, **row)

    def _mfu(self, rate: float | None) -> float | None:
        peak = self._peak()
        flops = flops_per_token(self.training.model.config, self.settings.sequence_length)
        return rate * flops / (peak[0] * self.peers.world) if rate and peak else None

    def _peak(self) -> tuple[float, str] | None:
        return peak_flops(self.training.place.device, self.training.place.precision)

    # going back

    def _go_back(self, verdict: Verdict, figures: Figures) -> None:
        """Return to an earlier checkpoint as the guard says. Raises GuardGaveUp if it says no more."""
        training, work = self.training, self.training.work
        if self.writer:
            self._tell_written(self.writer.wait())
        batch = self.settings.batch_sequences
        whole: list[int] = []
        if self.journal:
            present = [step for step in checkpoint.stable_steps(self.root) if step in training.stable]
            whole = [s for s in present if checkpoint.read(self.root / checkpoint.name_of(s), self._note) is not None]
        stable = self.peers.list_from_first(whole)
        cursor = training.cursor(figures.step)
        samples = samples_at(self.settings.seed, cursor, batch, training.windows).tolist()
        try:
            if verdict.action == "stop":
                raise training.guard.gave_up(verdict.reason, figures.step)
            intervention = training.guard.go_back(verdict.reason, figures.step, stable, batch)
        except GuardGaveUp as error:
            if self.journal:
                self.journal.event("given_up", figures.step, reason=str(error), cursor=cursor, samples=samples)
                path = write_post_mortem(training, figures, samples, str(error))
                raise GuardGaveUp(f"{error} What is known about the last steps: {path}") from error
            raise
        if self.journal:
            write_interventions(work, training.guard.interventions)  # before anything is undone
            checkpoint.reject_after(self.root, intervention.target_step)
            self.journal.event("rollback", figures.step, **_told(intervention), loss=_finite(figures.loss),
                               gradient_norm=_finite(figures.norm), samples=samples)  # fmt: skip
            self.journal.take_back(intervention.target_step, intervention.number)
        self.peers.any(False)  # nobody reads before the first process has tidied up
        saved = None
        if intervention.target_step:
            saved = checkpoint.read(self.root / checkpoint.name_of(intervention.target_step), self._note)
            if saved is None:
                raise AntiMatterError(f"{self.root}: the checkpoint of step {intervention.target_step} has vanished")
        training.restore(saved, training.guard.interventions)
        self.clock.skip()

    def _promote(self, now: int) -> None:
        """Mark the candidate if it has proved sound. Decided from steps alone, on every process alike."""
        training, candidate = self.training, self.training.candidate
        if candidate is None:
            return
        if training.guard.stable(candidate, now):
            training.stable = [*training.stable, candidate][-KEPT_STABLE:]
            training.candidate = None
            if self.writer:
                self.writer.promote(candidate)
        elif training.guard.last_sick > candidate:
            training.candidate = None

    # what is due

    def _validate(self) -> None:
        training, settings = self.training, self.settings
        score = validate(
            eager(training.loss), training.model, training.tokens,
            settings.validation_sequences, settings.sequence_length, training.place.micro_batch,
            training.place.precision, self.peers, self.classes_V,
        )  # fmt: skip
        training.plateau.validated(score.loss)
        training.by_frequency = list(score.by_frequency)
        if training.best is None or score.loss < training.best["loss"]:
            training.best = {"step": training.step, "loss": score.loss}
            if settings.keep_best:
                self._keep(result.best_folder(training.work, training.step))
        if self.journal:
            row = {"step": training.step, "tokens": training.step * settings.batch_tokens, **vars(score)}
            self.journal.validation(row)
            self.journal.record("validation", **row, seconds=self.clock.seconds())

    def _keep(self, folder: Path) -> None:
        weights = self.training.weights()
        if self.journal:
            result.keep_weights(self.training, weights, folder)

    def _save(self) -> None:
        training = self.training
        # apart from one another: to go back again means to go back further
        far = not training.stable or training.step >= training.stable[-1] + self.settings.guard.distance
        if training.candidate is None and far:
            training.candidate = training.step
        snapshot = self.training.snapshot()
        if not self.writer or not self.journal:
            return
        self.journal.sync()
        snapshot["environment"] |= {"steady": self.clock.state()}
        self.writer.save(**snapshot)
        # with few steps between saves, none would be there long enough to become stable
        self.writer.retain(stable=KEPT_STABLE, also=() if training.candidate is None else (training.candidate,))
        if self.settings.keep_best:
            result.drop_former_best(self.training)

    def _tell_written(self, steps: Sequence[int]) -> None:
        for step in steps:
            if self.journal:
                self.journal.record("checkpoint", step, seconds=self.clock.seconds())

    def _sample(self) -> None:
        options = generate.Sampling(temperature=0.0, suppress=(), eos=self.training.tokens.eos)
        prompts = [list(prompt) for prompt in self.training.prompts]
        texts = generate.generate_batch(self.training.model, prompts, self.settings.samples.tokens, options)
        assert self.journal
        self.journal.record("sample", self.training.step, ids=texts, prompt_lengths=[len(p) for p in prompts])

    def _finish(self) -> None:
        if self.writer:
            self._tell_written(self.writer.wait())
        training = self.training
        if self.stopping:
            return
        weights = training.weights()
        if self.journal:
            self.journal.sync()
            result.finish(training, weights, self._speed())

    def _speed(self) -> dict[str, Any]:
        training, peak = self.training, self._peak()
        flops = flops_per_token(training.model.config, self.settings.sequence_length)
        tokens = training.step * self.settings.batch_tokens
        return self.clock.summary(tokens, flops, peak, self.peers.world) | vars(training.place)

    def _note(self, text: str) -> None:
        if self.journal:
            self.journal.record("note", self.training.step, text=text)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None  # JSON has no inf


def _told(intervention: Intervention) -> dict[str, Any]:
    return plain([intervention])[0]
