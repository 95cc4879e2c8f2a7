"""The training loop: step, look, judge; log, validate, ask, sample, save; go back where the guard says so.

What a step was like is read while the device already computes the next one. So a verdict comes one step late, before
that next update is applied: a rollback discards it.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from antimatter.model import generate
from antimatter.model.config import flops_per_token
from antimatter.train import result
from antimatter.train.balance import ABSORB_EVERY
from antimatter.train.checkpoint import CheckpointFailed
from antimatter.train.device import peak_flops
from antimatter.train.frequency import frequency_classes
from antimatter.train.going_back import go_back
from antimatter.train.guard import Seen, Verdict
from antimatter.train.journal import Journal, finite
from antimatter.train.parallel import eager
from antimatter.train.quiz import take
from antimatter.train.speed import Clock, memory_bytes
from antimatter.train.stability import KEPT
from antimatter.train.step import Fetched, Figures
from antimatter.train.training import Training
from antimatter.train.validation import validate
from antimatter.train.writer import Writer


class Loop:
    """Runs a `Training` to its end. Every process has a clock; the journal is rank 0's, None elsewhere."""

    def __init__(self, training: Training, journal: Journal | None, clock: Clock) -> None:
        self.training, self.journal, self.clock = training, journal, clock
        self.settings, self.peers = training.settings, training.peers
        self.root = training.work / "checkpoints"
        self.writer = Writer(self.root) if journal else None
        self.classes_V = frequency_classes(training.tokens.token_counts)
        self.pending: Fetched | None = None
        self.last: Figures | None = None
        self.stopping = False
        self.saved = training.step
        """The step of the newest checkpoint; 0, of which there is none, can be made anew."""

    def run(self, should_stop: Callable[[], bool]) -> bool:
        """Train until the last step (True) or until any process is asked to stop (False, after saving).

        Raises: GuardGaveUp when nothing more can be tried; CheckpointFailed when a checkpoint cannot be written.
        """
        self._introduce()
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
            sums = training.stepper.forward_backward(step, training.cursor(step), weights, should_stop())
            self.clock.of_which("waiting_for_data", training.loader.waited())
            if not self._look():  # at the step before, while the device is at this one
                training.stepper.discard()
                continue
            if self.stopping:
                training.stepper.discard()
                if training.step != self.saved:  # nor where it went back to: that checkpoint is there
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
        sampling, asking = (every > 0 and (last or step % every == 0) for every in self._rounds())
        if not (validating or saving or keeping or sampling or asking):
            return True
        if not self._look():
            return False
        if last:
            self.stopping = False  # there is nothing left to stop
        if validating and not self._validate():
            return False
        if keeping:
            self._keep(result.chosen_folder(training.work, step))
        if asking:
            self._quiz()
        if sampling and self.journal and training.place.sharding == "off":
            self._sample()
        if saving and not last:  # after all else: a run that goes on from here has it on record
            self._save()
        self.clock.skip()
        return True

    def _rounds(self) -> tuple[int, int]:
        """Steps between samples, and between quizzes; 0: none."""
        return self.settings.samples.every, self.settings.quiz.every if self.training.questions else 0

    def _introduce(self) -> None:
        peak, sharding = self._peak(), self.training.place.sharding
        if peak:
            self._note(f"MFU is the share of {peak[0] / 1e12:g} TFLOP/s ({peak[1]})")
        if sharding != "off" and self.settings.samples.every:
            self._note(f"no samples are written: with sharding {sharding} no process holds the whole model")
        if self.settings.quiz.every and not self.training.questions:
            self._note("no quiz is taken: this job holds no questions")

    # what a step was like

    def _look(self) -> bool:
        """Read the pending step, judge it, log it. False: it made the run go back."""
        if self.pending is None:
            return True
        figures, self.pending = self.pending.read(), None
        self.last = figures
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
            self.journal.event("skipped", figures.step, loss=finite(figures.loss), gradient_norm=finite(figures.norm),
                               reason=verdict.reason, cursor=training.cursor(figures.step))  # fmt: skip
        self.stopping = figures.stop
        if verdict.action in ("rollback", "stop"):
            self._go_back(verdict, figures)
            return False
        promoted = training.stability.promoted(figures.step, training.guard)
        if promoted is not None and self.writer:
            self.writer.promote(promoted)
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
            "smoothed_loss": finite(training.guard.average),
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

    def _go_back(self, verdict: Verdict, figures: Figures) -> None:
        with self.clock.doing("going_back"):
            if self.writer:
                self._tell_written(self.writer.wait())
            go_back(self.training, self.journal, verdict, figures, self._note)
        self.saved = self.training.step
        self.clock.skip()

    # what is due

    def _validate(self) -> bool:
        """False: the weights are no numbers, which a single loss in training need not show; the run went back."""
        training, settings = self.training, self.settings
        with self.clock.doing("validation"):
            score = validate(
                eager(training.loss), training.model, training.tokens,
                settings.validation_sequences, settings.sequence_length, training.place.micro_batch,
                training.place.precision, self.peers, self.classes_V,
            )  # fmt: skip
        if not math.isfinite(score.loss) and self.last is not None:
            action: Literal["stop", "rollback"] = "stop" if settings.guard.mode == "off" else "rollback"
            self._go_back(Verdict(action, f"validation loss {score.loss:g}"), self.last)
            return False
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
        return True

    def _quiz(self) -> None:
        training = self.training
        with self.clock.doing("quiz"):
            precision = training.place.precision
            marks = take(training.questions, eager(training.loss), training.model, precision, self.peers)
        if self.journal:
            row = {"step": training.step, "tokens": training.step * self.settings.batch_tokens, **vars(marks)}
            self.journal.quiz(row)
            self.journal.record("quiz", **row, seconds=self.clock.seconds())

    def _keep(self, folder: Path) -> None:
        with self.clock.doing("checkpoints"):
            weights = self.training.weights()
            if self.journal:
                result.keep_weights(self.training, weights, folder)

    def _save(self) -> None:
        with self.clock.doing("checkpoints"):
            self._write_checkpoint()

    def _write_checkpoint(self) -> None:
        training = self.training
        self.saved = training.step
        regular = training.step % self.settings.save_every == 0
        training.stability.saved(training.step, regular, training.guard)
        snapshot = self.training.snapshot()
        if not self.writer or not self.journal:
            return
        self.journal.sync()
        snapshot["environment"] |= {"steady": self.clock.state()}
        self.writer.save(**snapshot)
        self.writer.retain(stable=KEPT, also=training.stability.needed())
        if self.settings.keep_best:
            best, until = dict(training.best) if training.best else None, training.step
            self.writer.then(lambda: result.drop_former_best(training.work, best, until))

    def _tell_written(self, steps: Sequence[int]) -> None:
        for step in steps:
            if self.journal:
                self.journal.record("checkpoint", step, seconds=self.clock.seconds())

    def _sample(self) -> None:
        options = generate.Sampling(temperature=0.0, suppress=(), eos=self.training.tokens.eos)
        prompts = [list(prompt) for prompt in self.training.prompts]
        with self.clock.doing("samples"):
            texts = generate.generate_batch(self.training.model, prompts, self.settings.samples.tokens, options)
        assert self.journal
        self.journal.record("sample", self.training.step, ids=texts, prompt_lengths=[len(p) for p in prompts])

    def _finish(self) -> None:
        with self.clock.doing("checkpoints"):
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
