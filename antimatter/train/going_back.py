"""A rollback, in the order in which a kill may come: the decision is on disk first, then what it undoes goes."""

from collections.abc import Callable
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.train import checkpoint, recovery
from antimatter.train.data import samples_at
from antimatter.train.guard import GuardGaveUp, Verdict
from antimatter.train.journal import Journal, finite
from antimatter.train.post_mortem import NAME, write_post_mortem
from antimatter.train.step import Figures
from antimatter.train.training import Training


def go_back(
    training: Training, journal: Journal | None, verdict: Verdict, figures: Figures, note: Callable[[str], None]
) -> None:
    """Return to an earlier checkpoint as the guard says. All processes call; `journal` is rank 0's.

    The writer has nothing left to do. Raises GuardGaveUp, with a post-mortem on disk, if nothing more can be tried.
    """
    root, guard, peers = training.work / "checkpoints", training.guard, training.peers
    batch, seed = training.settings.batch_sequences, training.settings.seed
    whole: list[int] = []
    if journal:
        present = [step for step in checkpoint.stable_steps(root) if step in training.stability.stable]
        whole = [step for step in present if checkpoint.read(root / checkpoint.name_of(step), note) is not None]
    stable = peers.list_from_first(whole)
    cursor = training.cursor(figures.step)
    samples: list[int] = samples_at(seed, cursor, batch, training.windows).tolist()
    seen: dict[str, Any] = {"loss": finite(figures.loss), "gradient_norm": finite(figures.norm), "samples": samples}
    try:
        if verdict.action == "stop":
            raise guard.gave_up(verdict.reason, figures.step)
        intervention = guard.go_back(verdict.reason, figures.step, stable, batch)
    except GuardGaveUp as error:
        if journal:
            journal.event("given_up", figures.step, reason=str(error), cursor=cursor, **seen)
            write_post_mortem(training, figures, samples, str(error))
        raise GuardGaveUp(f"{error} What is known about the last steps: {training.work / NAME}") from error
    if journal:
        recovery.write_interventions(training.work, guard.interventions)
        checkpoint.reject_after(root, intervention.target_step)
        journal.event("rollback", figures.step, **vars(intervention), **seen)
        journal.take_back(intervention.target_step, intervention.number)
    peers.any(False)  # nobody reads before the first process has tidied up
    saved = None
    if intervention.target_step:
        saved = checkpoint.read(root / checkpoint.name_of(intervention.target_step), note)
        if saved is None:
            raise AntiMatterError(f"{root}: the checkpoint of step {intervention.target_step} has vanished")
    training.restore(saved, guard.interventions)
