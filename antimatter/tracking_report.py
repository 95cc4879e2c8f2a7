"""The page and its pictures as artifacts of the train run whose model they show."""

import sys
from pathlib import Path

from antimatter.corpus.reports import read_json
from antimatter.execution import runtime
from antimatter.tracking_store import connect, is_absent, tracking_uri, train_run

FOLDER = "report"
"""The folder among the artifacts of the run."""


def log_report(page: Path) -> bool:
    """Attach reports/index.html and the SVG pictures beside it to the train run of the model in summary.json.

    Returns whether it did: not where tracking is off, where there is no store, and where it holds no such run. Never
    raises: whatever the store says becomes one warning, because the page itself is complete.
    """
    try:
        uri, summary = tracking_uri(), read_json(page.with_name("summary.json"))
        model_id = (summary.get("training") or {}).get("model_id") or (summary.get("evaluation") or {}).get("model_id")
        if not model_id or runtime.load().tracking == "off" or is_absent(uri):
            return False  # before MLflow is imported, which takes seconds
        client = connect(uri)
        run = train_run(client, str(model_id))
        if run is None:
            return False
        client.log_artifact(run, str(page), FOLDER)
        for picture in sorted(page.parent.glob("*.svg")):
            client.log_artifact(run, str(picture), f"{FOLDER}/pictures")
    except Exception as error:  # the store may be locked, full, unreachable or older
        print(f"warning: the page is not in MLflow ({type(error).__name__}: {error})", file=sys.stderr)
        return False
    return True
