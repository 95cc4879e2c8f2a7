"""Reports: small deterministic JSON files in reports/, the DVC metrics. Numbers and names, never corpus text."""

import json
from pathlib import Path
from typing import Any

from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import atomic_path


def write_json(path: Path, content: Any) -> None:
    """Write JSON that is equal for equal content: keys in the given order, floats as repr, newline at the end.

    Raises: ValueError on NaN or infinity, which JSON cannot hold.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """The content of a JSON file; errors name the file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from error


def flow_report(counts: Counts, **more: Any) -> dict[str, Any]:
    """The part that every data stage reports alike: totals, shares, reasons, and the same per source."""
    flows = counts.sources.values()
    documents_in, documents_out = sum(f.documents_in for f in flows), sum(f.documents_out for f in flows)
    bytes_in, bytes_out = sum(f.bytes_in for f in flows), sum(f.bytes_out for f in flows)
    reasons: dict[str, int] = {}
    for flow in flows:
        for reason, documents in flow.removed.items():
            reasons[reason] = reasons.get(reason, 0) + documents
    return {
        "documents_in": documents_in,
        "documents_out": documents_out,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "removed_documents_share": share(documents_in - documents_out, documents_in),
        "removed_bytes_share": share(bytes_in - bytes_out, bytes_in),
        "removed": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        **more,
        "sources": counts.to_plain(),
    }


def share(part: float, whole: float) -> float:
    """part / whole rounded to 6 decimals, 0 for an empty whole."""
    return round(part / whole, 6) if whole else 0.0
