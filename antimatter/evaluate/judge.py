"""Marks out of 10 by a model at an endpoint of OpenAI's kind: only if the user names one.

What it says is an opinion of another program, and differs from call to call: it stands on the page and in MLflow beside
the judge's name, in no report of DVC. An endpoint that fails costs the marks, never the evaluation.
"""

import json
import math
import os
import re
import sys
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from antimatter.params.evaluate import Judge

KEY_VARIABLE = "ANTIMATTER_JUDGE_KEY"
TIMEOUT_SECONDS = 60.0
PROMPT = """\
A small language model was given the beginning of a text and continued it. Judge the continuation: is it grammatical, \
does it follow from the beginning, does it make sense? 1 is noise, 5 is fluent but incoherent, 10 is what a careful \
writer would have written. It was cut off at a fixed length: do not mind that it ends in the middle.

Beginning:
{prompt}

Continuation:
{continuation}

Answer with one whole number from 1 to 10 and nothing else."""

METHOD = (
    "{model} at the endpoint that the parameters name was asked once, at temperature 0, to judge each sampled text: "
    "one whole number from 1 to 10 for grammar, fit to the beginning, and sense. Mean over the texts with a readable "
    "mark ({unreadable} answers held none). No human judged; another judge gives other marks."
)


def marks(samples: Sequence[dict[str, str]], settings: Judge) -> dict[str, Any] | None:
    """{"model", "mean", "error", "texts", "unreadable", "method"}; None without a judge, or where it fails (said on
    stderr).

    samples: entries of data/examples/samples.json. error: standard error of the mean, None for a single mark.
    """
    if not settings.model or not samples:
        return None
    import httpx2

    key = os.environ.get(KEY_VARIABLE, "").strip()  # a file's last newline is no part of it
    headers = {"authorization": f"Bearer {key}"} if key else {}
    found = []
    try:
        with httpx2.Client(timeout=TIMEOUT_SECONDS, headers=headers) as client:
            for sample in samples:
                found.append(mark_in(_answer(client, settings, sample)))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        what = str(error).splitlines()[0] if str(error) else ""
        for shown in filter(None, (key, repr(key)[1:-1])):  # an error about a header quotes it
            what = what.replace(shown, "...")
        print(
            f"warning: the judge at {settings.base_url} did not answer as expected ({type(error).__name__}: "
            f"{what[:200]}): no marks. Check evaluate.judge and {KEY_VARIABLE}.",
            file=sys.stderr,
        )
        return None
    readable = [mark for mark in found if mark is not None]
    unreadable = len(found) - len(readable)
    if not readable:
        print(f"warning: none of the judge's {len(found)} answers holds a mark from 1 to 10: no marks", file=sys.stderr)
        return None
    return {
        "model": settings.model,
        "mean": round(fmean(readable), 6),
        "error": round(stdev(readable) / math.sqrt(len(readable)), 6) if len(readable) > 1 else None,
        "texts": len(readable),
        "unreadable": unreadable,
        "method": METHOD.format(model=settings.model, unreadable=unreadable),
    }


def mark_in(answer: str) -> int | None:
    """The one mark that an answer gives; None where it gives none, or several.

    >>> [mark_in(answer) for answer in ("7", "Mark: 8/10.", "**3** out of 10", "11", "7.5", "6 or 7", "none")]
    [7, 8, 3, None, None, None, None]
    """
    said = answer.rpartition("</think>")[2]
    if "<think>" in said:  # cut off before it answered
        return None
    said = re.sub(r"(?:/|\bout of|\bof)\s*(?:10|ten)\b", " ", said, flags=re.IGNORECASE)
    numbers = set(re.findall(r"-?\d+(?:[.,]\d+)*", said))
    if len(numbers) != 1:
        return None
    only = numbers.pop()
    return int(only) if only.isdecimal() and 1 <= int(only) <= 10 else None


def _answer(client: Any, settings: Judge, sample: dict[str, str]) -> str:
    prompt = sample["prompt"]
    asked = PROMPT.format(prompt=prompt, continuation=sample["sampled"].removeprefix(prompt))
    body = {"model": settings.model, "messages": [{"role": "user", "content": asked}], "temperature": 0}
    answer = client.post(f"{settings.base_url.rstrip('/')}/chat/completions", json=body)
    answer.raise_for_status()
    content = json.loads(answer.text)["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError(f"the answer is {type(content).__name__}, not text")
    return content
