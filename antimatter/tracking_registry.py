"""The model registry, by reference: a version names the weights in data/model, it never holds them.

    model     the experiment's name                    version   one for each model_id and content of data/model
    source    file://<root>/data/model                 run       the train run
    tags      model_id, dvc.path, dvc.md5, commit; of the last evaluation bits_per_byte and evaluated_on (the held-out
              tokens); of each held-out text bits_per_byte.<first of its digest>-<tokens scored>

The folder of the source holds what was trained last; the weights of an older version come back from DVC, as its
description says.

    alias newest   the version evaluated last
    alias best     the lowest bits per byte, among versions scored on equal held-out tokens. It moves on evidence only:
                   after the data changed, a new version is no better and no worse than the old best, and the alias
                   stays until both were scored on the same tokens or a person moves it. Of each held-out text there is
                   an alias of its own: best-on-6991cb55-200000.
"""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from antimatter.tracking_store import experiment_name


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """A model and the score that it reached."""

    model_id: str
    path: Path
    """The folder of the weights."""
    md5: str
    """Of that folder as DVC knows it; "" outside of DVC, where a version of the model is taken for the same content."""
    train_run: str
    evaluate_run: str
    bits_per_byte: float
    tokens_digest: str
    tokens_scored: int
    """Versions of which both are equal are comparable."""
    origin: Mapping[str, str]
    """commit and dvc.exp, as far as they are known."""

    @property
    def held_out(self) -> str:
        """A short name of what was scored."""
        return f"{self.tokens_digest[:8]}-{self.tokens_scored}"

    def tags(self) -> dict[str, str]:
        """What the version says of itself."""
        bits = f"{self.bits_per_byte:.6f}"
        known = {
            "model_id": self.model_id,
            "dvc.path": "data/model",
            "dvc.md5": self.md5,
            "bits_per_byte": bits,
            "evaluated_on": f"{self.tokens_digest}, {self.tokens_scored} tokens",
            f"bits_per_byte.{self.held_out}": bits,
            "evaluate_run": self.evaluate_run,
            **self.origin,
        }
        return {name: value for name, value in known.items() if value}

    def description(self) -> str:
        """How the weights come back."""
        if not self.md5:
            return "The weights lie in data/model until the next training."
        if "dvc.exp" in self.origin:
            return f"The weights are in DVC, not here: `dvc exp apply {self.origin['dvc.exp']}` brings them back."
        # not the commit of the run: dvc.lock enters the history after it
        return (
            f"The weights are in DVC, not here: check out the commit that `git log -S {self.md5} -- dvc.lock` names, "
            f"then `dvc checkout data/model`."
        )


def register(client: Any, model: Evaluated) -> None:
    """Make or update the version of a model and move the aliases. A store that refuses costs one line on stderr."""
    from mlflow.exceptions import MlflowException

    try:
        _register(client, re.sub(r"[/:]", "_", experiment_name()), model)
    except MlflowException as error:  # a server takes no path of its client, for one
        print(f"no model version: the store refused it ({error.error_code}); the runs are complete", file=sys.stderr)


def _register(client: Any, name: str, model: Evaluated) -> None:
    is_new_name = not client.search_registered_models(f"name = '{name}'", max_results=1)
    if is_new_name:
        client.create_registered_model(name, description="Trained by AntiMatter; the weights are in DVC.")
    versions = {} if is_new_name else {v.version: v.tags for v in client.search_model_versions(f"name = '{name}'")}
    tags = model.tags()
    same = [version for version, known in versions.items() if _is_same(known, tags)]
    if same:
        version = max(same, key=int)
        for key, value in tags.items():
            if versions[version].get(key) != value:
                client.set_model_version_tag(name, version, key, value)
        if model.md5 and "dvc.md5" not in versions[version]:
            client.update_model_version(name, version, model.description())
    else:
        try:
            made = client.create_model_version(
                name, model.path.resolve().as_uri(), model.train_run, tags, description=model.description()
            )
        except BaseException:
            if is_new_name:
                client.delete_registered_model(name)  # a name without versions tells nobody anything
            raise
        version = made.version
    versions[version] = versions.get(version, {}) | tags
    client.set_registered_model_alias(name, "newest", version)
    score = f"bits_per_byte.{model.held_out}"
    rivals = {str(version): float(known[score]) for version, known in versions.items() if score in known}
    best = min(rivals, key=lambda version: (rivals[version], int(version)))
    client.set_registered_model_alias(name, f"best-on-{model.held_out}", best)
    present = client.get_registered_model(name).aliases.get("best")
    if present is None or str(present) in rivals:
        client.set_registered_model_alias(name, "best", best)


def _is_same(known: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    """Whether both name one model and not, as far as is known, different weights (another machine rounds otherwise)."""
    contents = {each["dvc.md5"] for each in (known, tags) if "dvc.md5" in each}
    return known.get("model_id") == tags["model_id"] and len(contents) < 2
