"""Sum up all reports: reports/*.json, *.csv -> reports/summary.json, *.svg.  Alone: python -m stages.report"""

import csv
from pathlib import Path

from antimatter import params
from antimatter.corpus.shards import MissingData, atomic_path
from antimatter.execution import entry, workspace
from antimatter.params.report import Report
from antimatter.report import plots, statistics

FOLDER = Path("reports")
SOURCES = [FOLDER / f"{name}.json" for name in statistics.REPORTS]
CURVES = [FOLDER / "train_loss.csv", FOLDER / "train_validation.csv"]
FREQUENCY = FOLDER / "tokenize_frequency.csv"


def main() -> None:
    settings = params.load(Report)
    present = [path for path in [*SOURCES, *CURVES, FREQUENCY] if path.exists()]  # the summary names the others
    if not present:
        raise MissingData(f"{FOLDER} holds no report of any stage. Run `dvc repro`.")

    def build(work: workspace.Workspace) -> None:
        reports = statistics.read_reports(FOLDER)
        summary = statistics.summary(reports, settings.top_reasons)
        scores = summary["evaluation"].get("validation", {})
        training, validation = (curve(path, "tokens", "loss") for path in CURVES)
        tokens, frequency = reports.get("tokenize", {}), curve(FREQUENCY, "rank", "occurrences")
        pictures = {}
        if summary["funnel"]:
            pictures["funnel.svg"] = plots.funnel(summary["funnel"])
        if tokens.get("fit"):
            pictures["tokens.svg"] = plots.tokens(tokens, tokens["fit"])
        if frequency:
            half = tokens.get("vocabulary", {}).get("entries_for_half_the_tokens", 0)
            pictures["vocabulary.svg"] = plots.vocabulary(frequency, half)
        if training:
            pictures["loss.svg"] = plots.loss(
                training, validation, scores.get("unigram_loss"), scores.get("bigram_loss")
            )
        if scores:
            pictures["bits_per_byte.svg"] = plots.bits_per_byte(scores, summary["evaluation"]["sources"])
        for name, picture in pictures.items():
            with atomic_path(work.folder / "reports" / name) as temporary:
                temporary.write_text(picture, encoding="utf-8")
        work.report(summary)

    workspace.run("report", settings, reads=present, writes=[], build=build, report=FOLDER / "summary.json")


def curve(path: Path, x: str, y: str) -> list[tuple[float, float]]:
    """Two columns of a table, row by row; nothing if there is no such file."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [(float(row[x]), float(row[y])) for row in csv.DictReader(file)]


if __name__ == "__main__":
    entry.run(main)
