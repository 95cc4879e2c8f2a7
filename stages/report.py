"""Sum up all reports and draw them: reports/summary.json, metrics.json, *.svg.  Alone: python -m stages.report"""

import csv
from pathlib import Path

from antimatter import params
from antimatter.corpus.reports import write_json
from antimatter.corpus.shards import MissingData, atomic_path
from antimatter.execution import entry, workspace
from antimatter.params.report import Report
from antimatter.report import pictures, plots_signals, statistics
from antimatter.report.signals import distributions

FOLDER = Path("reports")
SOURCES = [FOLDER / f"{name}.json" for name in statistics.REPORTS]
TABLES = {name: FOLDER / f"{name}.csv" for name in pictures.TABLES}
SIGNALS, REMOVED = Path("data/filtered/signals"), Path("data/filtered/removed")


def main() -> None:
    settings = params.load(Report)
    present = [path for path in [*SOURCES, *TABLES.values()] if path.exists()]  # the summary names the others
    if not present:
        raise MissingData(f"{FOLDER} holds no report of any stage. Run `dvc repro`.")
    judged = [SIGNALS, REMOVED] if SIGNALS.exists() else []

    def build(work: workspace.Workspace) -> None:
        reports = statistics.read_reports(FOLDER)
        tables = {name: rows(path) for name, path in TABLES.items() if path.exists()}
        names = (plots_signals.LENGTH, *settings.signals)
        signals = distributions(SIGNALS, REMOVED, names) if judged else {}
        summary = statistics.summary(reports, settings.top_reasons)
        for name, picture in pictures.draw(summary, reports, tables, signals).items():
            with atomic_path(work.folder / "reports" / f"{name}.svg") as temporary:
                temporary.write_text(picture, encoding="utf-8")
        write_json(work.folder / "reports" / "metrics.json", statistics.metrics(summary))
        work.report(summary)

    workspace.run("report", settings, reads=[*present, *judged], writes=[], build=build, report=FOLDER / "summary.json")


def rows(path: Path) -> list[dict[str, float]]:
    """The rows of a table of numbers; what is empty is no number."""
    with open(path, encoding="utf-8", newline="") as file:
        return [{name: float(value or "nan") for name, value in row.items()} for row in csv.DictReader(file)]


if __name__ == "__main__":
    entry.run(main)
