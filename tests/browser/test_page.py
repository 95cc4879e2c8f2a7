"""The page in a real browser: no error, no network, nothing wider than the screen, every picture visible."""

import json
import shutil
from pathlib import Path

import pytest

from antimatter.report.page import build_page

REPORTS = Path(__file__).parents[2] / "reports"


@pytest.fixture(scope="module")
def page_file(tmp_path_factory):
    """The page of the reports in git, with texts that no screen was made for."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(REPORTS, root / "reports", ignore=shutil.ignore_patterns("index.html", "notebooks", "peers"))
    examples = root / "data" / "examples"
    examples.mkdir(parents=True)
    long = {"prompt": "Once", "greedy": "Once " + "w" * 400, "sampled": "<img src='http://example.org/x.png'>\n" * 3}
    (examples / "samples.json").write_text(json.dumps({"model_id": "m", "sampling": {}, "samples": [long]}))
    return build_page(root)


@pytest.fixture(scope="module", params=[(1200, "light"), (390, "light"), (390, "dark")], ids=lambda p: f"{p[0]}-{p[1]}")
def shown(request, chromium, page_file, tmp_path_factory):
    """The page at one width and in one scheme, with what the browser complained about and asked for."""
    width, scheme = request.param
    with chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page = context.new_page()
        problems, asked = [], []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))

        def refuse(route):
            if route.request.url == page_file.as_uri():
                route.continue_()
            else:
                asked.append(route.request.url)
                route.abort()

        page.route("**/*", refuse)
        page.goto(page_file.as_uri())
        page.screenshot(path=tmp_path_factory.mktemp("page") / f"page-{width}-{scheme}.png", full_page=True)
        yield page, problems, asked


def test_the_page_needs_nothing_and_complains_about_nothing(shown):
    _, problems, asked = shown
    assert problems == [] and asked == []


def test_nothing_is_wider_than_the_screen(shown):
    page, _, _ = shown
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1]


def test_every_picture_has_a_size(shown):
    page, _, _ = shown
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    sizes = page.evaluate(
        "[...document.querySelectorAll('svg')].map(p => [p.getBoundingClientRect().width, "
        "p.getBoundingClientRect().height])"
    )
    assert sizes and all(width > 0 and height > 0 for width, height in sizes)


def test_text_and_background_differ_in_light_and_dark(shown):
    page, _, _ = shown
    ink, paper = page.evaluate("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
    assert ink != paper
