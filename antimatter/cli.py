"""antimatter: the small commands around the pipeline. The pipeline itself is `dvc repro`.

    antimatter profile [NAME] [--force]   list the profiles; make one of them params.yaml
    antimatter check                      are params.yaml and runtime.yaml right, and what would they build?
    antimatter explain ID                 what happened to a document, stage by stage
    antimatter duplicates [ID]            a removed duplicate beside the document it left for; the largest clusters
    antimatter tokens show|verify|compare a document in its pieces; is data/tokens whole; another tokenizer on it
    antimatter trace --step N             which documents a training step read
    antimatter evaluate PATH              any saved model in one table with ours and published ones
    antimatter report                     build reports/index.html
    antimatter filter-study [...]         what each filter rule removes, and what other thresholds would
    antimatter train-quality GOOD BAD ..  train the classifier behind the filter signal quality_score
    antimatter clean-work [--force]       remove work/; unfinished work only with --force
    antimatter ui [--port N] [--no-open]  compare runs in the browser (MLflow, this machine only)

Exit status: 0, 1 with a message for the user, 2 if the command line itself is wrong, 130 after Ctrl-C.
"""

import argparse
import errno
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from antimatter import cli_evaluate, cli_train, cli_ui
from antimatter.errors import AntiMatterError

PARAMS = Path("params.yaml")
TRACED = ("collect", "clean", "filter", "dedup")
"""The stages through which documents flow and whose reports count them."""


class HandEdited(AntiMatterError):
    """params.yaml holds changes that no profile has; they would be lost."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an output in ASCII or Latin-1 shows what it can
    options = _parser().parse_args(arguments)
    try:
        status = _run(options)
        if sys.stdout:
            sys.stdout.flush()  # what fails here would otherwise fail where nobody can tell it
    except BrokenPipeError:  # antimatter ... | head
        _close_output()
        return 0
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        _close_output()
        print(f"error: cannot write: {error}", file=sys.stderr)
        return 1
    return status


def _run(options: argparse.Namespace) -> int:
    try:
        options.run(options)
    except AntiMatterError as error:
        if os.environ.get("ANTIMATTER_TRACEBACK") == "1":
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _close_output() -> None:
    """What stdout still holds goes nowhere, without a second error when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="antimatter", description="Commands around the pipeline of dvc.yaml.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    profile = commands.add_parser("profile", help="list the profiles, or make one of them params.yaml")
    profile.add_argument("name", nargs="?", help="a file in profiles/ without .yaml")
    profile.add_argument("--force", action="store_true", help="overwrite a params.yaml that was edited by hand")
    profile.set_defaults(run=lambda options: _use_profile(options) if options.name else _list_profiles())

    check = commands.add_parser("check", help="validate params.yaml and runtime.yaml, show what they build")
    check.set_defaults(run=lambda options: _check())

    explain = commands.add_parser("explain", help="what happened to a document, stage by stage")
    explain.add_argument("id", help="its id (the first 6 or more hex digits are enough) or source:origin")
    explain.set_defaults(run=lambda options: _explain(options.id))

    duplicates = commands.add_parser("duplicates", help="a removed duplicate beside the document that it left for")
    duplicates.add_argument("id", nargs="?", help="as in explain; without one: the largest clusters")
    duplicates.add_argument("--with", dest="other", metavar="ID", help="show this document beside it")
    duplicates.add_argument("--all", action="store_true", help="list all clusters or documents, not the first 20")
    duplicates.add_argument("--width", type=_width, metavar="N", help="columns (the terminal's)")
    how_much = duplicates.add_mutually_exclusive_group()
    how_much.add_argument("--context", type=_count_of("lines"), metavar="N", help="equal lines around a change (3)")
    how_much.add_argument("--whole", action="store_true", help="the whole texts")
    duplicates.add_argument("--from", type=Path, dest="folder", metavar="FOLDER", help="output of a stage that stopped")
    duplicates.add_argument("--no-color", action="store_true", help="mark by [-signs-] {+alone+}")
    duplicates.set_defaults(run=_duplicates)

    _add_tokens(commands.add_parser("tokens", help="a document in its pieces; is data/tokens whole; other tokenizers"))

    cli_train.add_trace(commands.add_parser("trace", help="which documents a training step read"))

    cli_evaluate.add_evaluate(commands.add_parser("evaluate", help="any saved model in one table with ours"))

    report = commands.add_parser("report", help="build reports/index.html from the reports")
    report.set_defaults(run=lambda options: _report())

    study = commands.add_parser("filter-study", help="what each filter rule removes, and what other thresholds would")
    study.add_argument("--source", nargs="+", action="extend", default=[], metavar="NAME", help="these sources alone")
    study.add_argument("--rules", nargs="*", metavar="RULE_SET", help="try these rule sets in place of the policies'")
    study.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="REASON=VALUE",
        help="try another threshold: gopher_quality.word_count.low=20, by_hand.digit_share.high=0.2",
    )  # fmt: skip
    study.add_argument(
        "--signal", nargs="+", action="extend", default=[], metavar="NAME", help="show these signals too"
    )
    study.add_argument(
        "--examples", type=_count_of("texts"), default=3, metavar="N", help="texts on each side of a threshold (3)"
    )
    study.add_argument("--all", action="store_true", help="rules that remove nothing too")
    study.add_argument("--from", type=Path, dest="folder", metavar="FOLDER", help="signals (data/filtered/signals)")
    study.add_argument("--output", type=Path, metavar="FOLDER", help="where the page goes (work/filter-study)")
    study.set_defaults(run=_filter_study)

    quality = commands.add_parser("train-quality", help="train the classifier behind the filter signal quality_score")
    quality.add_argument("good", help="folder, file or pattern of good examples, in any format that collect reads")
    quality.add_argument("bad", help="the same of bad examples")
    quality.add_argument("--output", required=True, metavar="FILE", help="the model, a .safetensors file")
    quality.add_argument("--text-field", default="text", help="field or column of the text (default: text)")
    quality.add_argument("--ngrams", type=int, default=2, choices=range(1, 6), help="words in the longest n-gram")
    quality.add_argument("--bucket-bits", type=int, default=20, choices=range(10, 25), help="2^N weights (default 20)")
    quality.add_argument("--seed", type=int, default=0, help="which tenth of the texts is held out (default 0)")
    quality.set_defaults(run=_train_quality)

    clean = commands.add_parser("clean-work", help="remove work/: scratch, downloads, records of finished runs")
    clean.add_argument("--force", action="store_true", help="unfinished work too")
    clean.set_defaults(run=lambda options: _clean_work(options.force))

    cli_ui.add_ui(commands.add_parser("ui", help="compare runs in the browser: MLflow on 127.0.0.1"))
    return parser


def _add_tokens(tokens: argparse.ArgumentParser) -> None:
    commands = tokens.add_subparsers(required=True, metavar="COMMAND")
    show = commands.add_parser("show", help="a document's tokens as they lie in data/tokens")
    show.add_argument("id", help="as in explain")
    show.add_argument("--ids", action="store_true", help="a line a token: its id and its piece")
    show.add_argument("--limit", type=_count_of("tokens"), metavar="N", help="tokens to show (1000); 0: all")
    show.add_argument("--no-color", action="store_true", help="tell pieces apart by bars")
    show.set_defaults(run=_show_tokens)
    verify = commands.add_parser("verify", help="read all tokens: digests, ids, counts, documents")
    verify.set_defaults(run=lambda options: _verify_tokens())
    compare = commands.add_parser("compare", help="how another tokenizer spells the held-out documents")
    compare.add_argument(
        "other", help="gpt2, a *.model of SentencePiece, a tokenizer.json, a folder like data/tokenizer"
    )
    compare.add_argument("--documents", type=_count_of("documents", 1), metavar="N", help="of each source (200)")
    compare.set_defaults(run=_compare_tokens)


def _list_profiles() -> None:
    from antimatter.params import profiles

    present = PARAMS.read_text(encoding="utf-8") if PARAMS.exists() else ""
    for name in profiles.names():
        text = profiles.compose(name)
        mark = "*" if text == present else " "
        parameters = f"{cli_train.size_of(_settings(text, name)).total:>13,} parameters"
        print(f"{mark} {name:<16} {parameters}   {profiles.title(name)}")
    print("\nantimatter profile NAME makes one of them params.yaml (* = it is).")


def _use_profile(options: argparse.Namespace) -> None:
    from antimatter.corpus.shards import atomic_path
    from antimatter.params import profiles

    text = profiles.compose(options.name)
    _settings(text, f"profile {options.name}")
    if PARAMS.exists() and not options.force and not profiles.is_composed(PARAMS.read_text(encoding="utf-8")):
        raise HandEdited(
            f"{PARAMS} was edited by hand: it equals no profile. Keep a copy (or commit it), then repeat with --force. "
            "`git diff params.yaml` shows the changes."
        )
    with atomic_path(PARAMS) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{PARAMS} is now profile {options.name}. Next: antimatter check, then dvc repro")


def _settings(text: str, origin: str) -> dict[str, Any]:
    """The checked groups of a parameter text."""
    from ruamel.yaml import YAML

    from antimatter.params import loader

    return loader.check(YAML().load(text), origin)


def _check() -> None:
    from antimatter.execution import runtime
    from antimatter.params import loader

    problems = []
    try:
        groups = loader.load_all(PARAMS)
    except (loader.ParameterError, loader.MissingParameters) as error:
        problems.append(str(error))
    else:
        problems += _wrong_files(groups["filter"])
    try:
        settings = runtime.load()
    except runtime.RuntimeSettingError as error:
        problems.append(str(error))
    if problems:
        raise AntiMatterError("\n".join(problems))
    print(f"{PARAMS}: {len(groups)} groups, all right")
    print(
        f"runtime: {settings.executor} executor, {settings.worker_count()} workers, device {settings.device}, "
        f"tracking {settings.tracking}"
    )
    print()
    _print_funnel()
    print()
    print(_dedup_curve(groups["dedup"]))
    print()
    cli_train.print_model(groups)


def _dedup_curve(settings: Any) -> str:
    """How likely dedup's bands find a pair, by its similarity."""
    from antimatter.dedup.bands import say_curve

    return f"dedup  {say_curve(settings.bands, settings.rows)}"


def _wrong_files(settings: Any) -> list[str]:
    """What is wrong with the files that group filter pins."""
    from antimatter.filter import watched

    problems = []
    for name in ("quality_model", "bad_words"):
        file = getattr(settings, name)
        try:
            if file.path:
                watched.read(file, f"filter.{name}")
        except watched.WrongFile as error:
            problems.append(str(error))
    return problems


def _print_funnel() -> None:
    from antimatter.corpus.reports import read_json

    print(f"{'stage':<10} {'documents in':>14} {'out':>14} {'removed':>9} {'bytes out':>16}")
    for stage in TRACED:
        path = Path("reports") / f"{stage}.json"
        if not path.exists():
            print(f"{stage:<10} not run yet")
            continue
        report = read_json(path)
        removed = f"{100 * report['removed_documents_share']:.1f} %"
        documents_in, documents_out = f"{report['documents_in']:,}", f"{report['documents_out']:,}"
        print(f"{stage:<10} {documents_in:>14} {documents_out:>14} {removed:>9} {report['bytes_out']:>16,}")


def _explain(name: str) -> None:
    from antimatter import explain

    for line in explain.life_of(name):
        print(line)


def _duplicates(options: argparse.Namespace) -> None:
    import shutil

    from antimatter.corpus import copies
    from antimatter.dedup import duplicates, side_by_side
    from antimatter.params import loader
    from antimatter.params.dedup import Dedup

    if options.other and not options.id:
        raise AntiMatterError("--with ID needs a document to show it with: antimatter duplicates ID --with ID")
    given = side_by_side.CONTEXT if options.context is None else options.context
    view = duplicates.View(
        width=options.width or max(side_by_side.NARROWEST, shutil.get_terminal_size((120, 24)).columns),
        context=None if options.whole else given,
        coloured=_is_coloured(options),
    )
    folder = options.folder or copies.VERDICTS
    if not options.id:
        lines = duplicates.overview(options.all, folder)
    elif options.other:
        lines = duplicates.of_pair(options.id, options.other, loader.load(Dedup, PARAMS), view, folder)
    else:
        lines = duplicates.of_document(options.id, view, options.all, folder)
    for line in lines:
        print(line)


def _is_coloured(options: argparse.Namespace) -> bool:
    return sys.stdout.isatty() and not options.no_color and not os.environ.get("NO_COLOR")


def _count_of(things: str, least: int = 0) -> Callable[[str], int]:
    """The type of an argument that counts things."""

    def count(argument: str) -> int:
        if not (argument.isascii() and argument.isdigit() and int(argument) >= least):
            raise argparse.ArgumentTypeError(f"{argument} is no number of {things}: expected {least} or more")
        return int(argument)

    return count


def _width(argument: str) -> int:
    """--width: room for two texts."""
    from antimatter.dedup.side_by_side import NARROWEST

    if not (argument.isascii() and argument.isdigit() and int(argument) >= NARROWEST):
        raise argparse.ArgumentTypeError(f"{argument} is too narrow for two texts: expected {NARROWEST} or more")
    return int(argument)


def _show_tokens(options: argparse.Namespace) -> None:
    from antimatter.tokens import show

    limit = show.LISTED if options.limit is None else options.limit
    for line in show.document(options.id, show.View(with_ids=options.ids, limit=limit, coloured=_is_coloured(options))):
        print(line)


def _verify_tokens() -> None:
    from antimatter.tokens import show

    for line in show.verified():
        print(line)


def _compare_tokens(options: argparse.Namespace) -> None:
    from antimatter.execution import runtime
    from antimatter.tokens import compare

    downloads = runtime.work_folder() / "downloads"
    for line in compare.table(options.other, downloads, options.documents or compare.SAMPLED):
        print(line)


def _report() -> None:
    from antimatter.corpus.reports import read_json
    from antimatter.report.page import build_page
    from antimatter.tracking_report import log_report

    page = build_page(Path("."))
    summary = read_json(Path("reports/summary.json"))
    for warning in summary["warnings"]:
        print(f"warning: {warning}", file=sys.stderr)
    for entry in summary["missing_sources"]:
        retry = f"ANTIMATTER_FRESH=1 dvc repro --force {entry['stage']} && make run"
        print(f"warning: source {entry.get('source', '?')} is missing. With a network: {retry}", file=sys.stderr)
    if log_report(page):
        print("the page is in MLflow too, with the training run of its model")
    print(f"open {page} in a browser")


def _filter_study(options: argparse.Namespace) -> None:
    from antimatter.execution import runtime
    from antimatter.filter.study import study
    from antimatter.params import loader
    from antimatter.params.filter import Filter
    from antimatter.report import filter_study, filter_table

    folder = _page_folder(options.output or runtime.work_folder() / "filter-study")
    result = study.study_project(
        loader.load(Filter, PARAMS),
        folder=options.folder or study.SIGNALS,
        sources=options.source,
        rule_sets=options.rules,
        thresholds=_thresholds(options.set),
        signals=options.signal,
        examples=options.examples,
        every_rule=options.all,
    )
    page = filter_study.write_page(result, folder, every_rule=options.all)
    for line in filter_table.lines(result, every_rule=options.all):
        print(line)
    print(f"\nopen {page} in a browser")


def _page_folder(folder: Path) -> Path:
    """The folder if a page can be written to it; asked before the work that ends with the page."""
    present = next(path for path in (folder, *folder.parents) if path.exists())
    if not present.is_dir():
        raise AntiMatterError(
            f"the page cannot go to {folder}: {present} is no folder. Name another one with --output."
        )
    if not os.access(present, os.W_OK | os.X_OK):
        raise AntiMatterError(
            f"the page cannot go to {folder}: {present} may not be written to. Name another folder with --output."
        )
    return folder


def _thresholds(pairs: Sequence[str]) -> dict[str, float]:
    """REASON=VALUE as a mapping; the last of several for one reason counts."""
    thresholds = {}
    for pair in pairs:
        reason, _, value = pair.partition("=")
        try:
            thresholds[reason] = float(value)
        except ValueError:
            raise AntiMatterError(
                f"--set {pair}: expected REASON=NUMBER, for example gopher_quality.stop_words=1"
            ) from None
    return thresholds


def _train_quality(options: argparse.Namespace) -> None:
    from antimatter.filter import quality, train_quality

    output = _model_file(Path(options.output))
    classes = []
    for side, path in (("good", options.good), ("bad", options.bad)):
        examples = train_quality.read_examples(path, options.text_field)
        print(f"{side:<10} {len(examples.texts):>9,} texts   {path}", flush=True)
        for suffix, count in examples.ignored.items():
            print(f"warning: {path}: nobody reads {count} files of kind {suffix}", file=sys.stderr)
        if examples.unread:
            print(f"warning: {path}: {examples.unread} records or files could not be read", file=sys.stderr)
        classes.append(examples.texts)
    buckets = 1 << options.bucket_bits
    trained = train_quality.train(*classes, ngrams=options.ngrams, buckets=buckets, seed=options.seed)
    digest = quality.save(trained.model, output)
    accuracy, auc = trained.accuracy, trained.auc
    print(f"{'copies':<10} {trained.copies:>9,} texts   left out: another one has the same words")
    print(f"{'held out':<10} {trained.held_out:>9,} texts   of {trained.good + trained.bad:,} with words")
    print(f"{'accuracy':<10} {accuracy.value:>9.4f} +- {accuracy.error:.4f} on these, mean of both classes")
    print(f"{'AUC':<10} {auc.value:>9.4f} +- {auc.error:.4f}")
    print(f"speak for good text: {', '.join(trained.telling_good)}")
    print(f"speak for bad text:  {', '.join(trained.telling_bad)}")
    print(
        f"\nIn params.yaml, group filter:\n\n  quality_model:\n    path: {options.output}\n    sha256: {digest}\n\n"
        "and in the policies that shall ask for it, beside what they have:\n\n"
        "      rules:\n        - {signal: quality_score, at_least: 0.5}"
    )


def _model_file(path: Path) -> Path:
    """The path if a model can be written to it; asked before the work that ends with the model."""
    if path.is_dir():
        raise AntiMatterError(
            f"--output {path} is a folder: name the file in it, for example {path / 'quality.safetensors'}."
        )
    present = next(folder for folder in path.absolute().parents if folder.exists())
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        raise AntiMatterError(
            f"--output {path}: {present} {'may not be written to' if present.is_dir() else 'is no folder'}. "
            "Name another file."
        )
    return path


class UnfinishedWork(AntiMatterError):
    """work/ holds what a killed run could go on from."""


def _clean_work(force: bool) -> None:
    import shutil

    from antimatter.execution import runtime

    work = runtime.work_folder()
    unfinished = sorted(p.parent for p in work.glob("*/*/code.json") if not (p.parent / "done.json").exists())
    if unfinished and not force:
        raise UnfinishedWork(
            "these folders hold unfinished work (checkpoints, finished shards) that the next `dvc repro` would go on "
            f"from: {', '.join(map(str, unfinished))}. FORCE=1 (or --force) removes them too."
        )
    shutil.rmtree(work, ignore_errors=True)
    print(f"removed {work}")
