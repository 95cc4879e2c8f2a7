"""The commands that look at training: antimatter trace."""

import argparse
import json
import shutil


def add_trace(trace: argparse.ArgumentParser) -> None:
    """antimatter trace --step N [--sequence K] [--text] [--json] [--params]"""
    trace.add_argument("--step", type=int, required=True, metavar="N", help="the optimizer step, from 1")
    trace.add_argument("--sequence", type=int, metavar="K", help="one sequence of its batch alone, from 0")
    trace.add_argument("--text", action="store_true", help="what the model read of each document")
    trace.add_argument("--json", action="store_true", help="for programs")
    trace.add_argument("--params", action="store_true", help="follow params.yaml instead of data/model")
    trace.set_defaults(run=_trace)


def _trace(options: argparse.Namespace) -> None:
    from antimatter import trace, trace_table

    batch = trace.documents_in(options.step, options.sequence, from_params=options.params)
    if options.json:
        print(json.dumps(trace_table.plain(batch, options.text), indent=2))
        return
    width = max(trace_table.NARROWEST, shutil.get_terminal_size((trace_table.WIDTH, 24)).columns)
    for line in trace_table.lines(batch, width, options.text):
        print(line)
