"""The model registry, by reference: a version names the weights in data/model, it never holds them.

    model     the experiment's name                    version   one for each model_id and content of data/model
    source    file://<root>/data/model                 run       the train run
    tags      model_id, dvc.path, dvc.md5, commit, bits_per_byte, evaluated_on (the held-out tokens of that score)

The folder of the source holds what was trained last; the weights of an older version come back from DVC, by the commit
or experiment in its description and the md5 in its tags.

    alias newest   the version evaluated last
    alias best     the lowest bits per byte, among versions scored on equal held-out tokens. It moves on evidence only:
                   after the data changed, a new version is no better and no worse than the old best, and the alias
                   stays until a person moves it. Of each held-out text there is an alias of its own: best-on-6991cb55.
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
    """Of that folder as DVC knows it; "" outside of DVC."""
    train_run: str
    evaluate_run: str
    bits_per_byte: float
    held_out: str
    """Digest of the tokens that were scored, and how many; versions with equal ones are comparable."""
    origin: Mapping[str, str]
    """commit and dvc.exp, as far as they are known."""

    def tags(self) -> dict[str, str]:
        """What the version says of itself."""
        known = {
            "model_id": self.model_id,
            "dvc.path": "data/model",
            "dvc.md5": self.md5,
            "bits_per_byte": f"{self.bits_per_byte:.6f}",
            "evaluated_on": self.held_out,
            "evaluate_run": self.evaluate_run,
            **self.origin,
        }
        return {name: value for name, value in known.items() if value}

    def description(self) -> str:
        """How the weights come back."""
        where = self.origin.get("dvc.exp") or self.origin.get("commit")
        if not where:
            return "The weights lie in data/model until the next training."
        take = "dvc exp apply" if "dvc.exp" in self.origin else "git checkout"
        return f"The weights are in DVC, not here: `{take} {where}` and `dvc checkout data/model`."


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
    same = [v for v, tags in versions.items() if _identity(tags) == _identity(model.tags())]
    if same:
        version = same[0]
        for key, value in model.tags().items():
            if versions[version].get(key) != value:
                client.set_model_version_tag(name, version, key, value)
    else:
        try:
            made = client.create_model_version(
                name, model.path.resolve().as_uri(), model.train_run, model.tags(), description=model.description()
            )
        except BaseException:
            if is_new_name:
                client.delete_registered_model(name)  # a name without versions tells nobody anything
            raise
        version = made.version
    versions[version] = model.tags()
    client.set_registered_model_alias(name, "newest", version)
    rivals = {v: float(t["bits_per_byte"]) for v, t in versions.items() if t.get("evaluated_on") == model.held_out}
    best = min(rivals, key=lambda v: (rivals[v], int(v)))
    client.set_registered_model_alias(name, f"best-on-{model.held_out[:8]}", best)
    present = client.get_registered_model(name).aliases.get("best")
    if present is None or str(present) in {str(v) for v in rivals}:
        client.set_registered_model_alias(name, "best", best)


def _identity(tags: Mapping[str, str]) -> tuple[str | None, str | None]:
    return tags.get("model_id"), tags.get("dvc.md5")
