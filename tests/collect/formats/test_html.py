"""One page, one document: its main content, in whatever encoding, however it is nested."""

import io
from types import SimpleNamespace

import pytest

from antimatter.collect import drafts
from antimatter.collect.compression import buffered
from antimatter.collect.drafts import ENCODING, SHAPE, Broken, Draft, Oversized
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats import html
from antimatter.collect.formats.html import declared_charset, fragment_text, main_content


def read(data, encoding=""):
    return list(html.read(io.BytesIO(data), "d/a.html", SimpleNamespace(encoding=encoding)))


def page(body, head=""):
    return f"<html><head><title>A\n title</title>{head}</head><body><main>{body}</main></body></html>"


def test_a_page_is_one_document_with_its_title():
    assert read(page("<p>The text.</p>").encode()) == [Draft("d/a.html", "The text.", metadata={"title": "A title"})]


@pytest.mark.parametrize(
    "head",
    [
        '<meta charset="windows-1251">',
        "<META CHARSET=cp1251 />",
        '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">',
        '<!-- <meta charset="utf-8"> --><meta charset="windows-1251">',
        "",  # detected
    ],
)
def test_the_encoding_that_a_page_declares_is_believed_if_the_bytes_agree(head):
    text = "Все люди рождаются свободными и равными в своем достоинстве и правах."
    (draft,) = read(page(f"<p>{text}</p>", head).encode("cp1251"))
    assert (draft.text, draft.metadata["encoding"]) == (text, "windows-1251")
    (draft,) = read(page(f"<p>{text}</p>", head).encode("utf-8"))
    assert draft.text == text and "encoding" not in draft.metadata


@pytest.mark.parametrize(
    ("beginning", "charset"),
    [
        (b'<?xml version="1.0" encoding="Shift_JIS"?><html>', "Shift_JIS"),
        (b"<meta name=x content='charset'><meta charset = 'big5'>", "big5"),
        (b'<meta charset="utf-16">', "utf-8"),
        (b"<p>charset=latin1</p>", ""),
        (b"<meta " + b"x" * 5000 + b" charset=latin1>", ""),
        (b"", ""),
    ],
)
def test_the_declaration_is_looked_for_at_the_beginning_of_the_page(beginning, charset):
    assert declared_charset(beginning) == charset


def test_the_users_word_comes_before_the_pages():
    data = page("<p>Größe</p>", '<meta charset="koi8-r">').encode("latin-1")
    assert [draft.text for draft in read(data, encoding="iso-8859-1")] == ["Größe"]
    (broken,) = read(data, encoding="utf-8")
    assert (type(broken), broken.cause, broken.data) == (Broken, ENCODING, data)


def test_a_page_of_no_encoding_is_quarantined():
    (broken,) = read(bytes(range(256)) * 10)
    assert (broken.origin, broken.cause) == ("d/a.html", ENCODING)


def test_a_page_without_content_is_an_empty_document():
    assert [draft.text for draft in read(b"<html><body><nav>Home</nav></body></html>")] == [""]
    assert [draft.text for draft in read(b"")] == [""]


def test_a_page_that_is_too_large_is_not_read(monkeypatch):
    monkeypatch.setattr(drafts, "LARGEST_DOCUMENT_BYTES", 1000)
    assert read(b"x" * 5000) == [Oversized("d/a.html", 5000, 1000)]


def test_a_page_of_more_tags_than_fit_into_memory_is_quarantined(monkeypatch):
    monkeypatch.setattr(html, "_MOST_TAGS", 1000)
    (broken,) = read(b"<b>" * 1001)
    assert (broken.cause, broken.error) == (SHAPE, "a page of more than 1,000 tags")


def test_half_a_page_is_no_document():
    def chunks():
        yield page("<p>The text.</p>").encode()[:-20]
        raise DamagedStream("ends in the middle")

    with pytest.raises(DamagedStream):
        list(html.read(buffered(chunks()), "a.html", SimpleNamespace(encoding="")))


def test_paragraphs_lists_code_and_tables_keep_their_lines():
    body = """<h1>Heads</h1><p>One.</p><ul><li>first</li><li>second</li></ul>
    <pre>def f(x):
    return x</pre><p>After.</p>
    <table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>"""
    lines = main_content(page(body))[1].split("\n")
    assert [line for line in lines if line.strip()] == [
        "Heads",
        "One.",
        *[line for line in lines if "first" in line or "second" in line],
        "def f(x):",
        "    return x",
        "After.",
        "a | b",
        "1 | 2",
    ]


HOSTILE = {
    "nested": "<div>" * 100_000 + "text",
    "closed": "<div>" * 30_000 + "text" + "</div>" * 30_000,
    "mixed": "<div><span><b><ul><li>" * 5_000 + "text",
    "rows": "<table>" + "<tr><td>text</td><td>2</td></tr>" * 5_000 + "</table>",
    "cells": "<table><tr>" + "<td>text</td>" * 5_000 + "</tr></table>",
    "code": "<pre>text</pre>" * 5_000,
    "unclosed": "<p <a href='text <b <!-- " * 5_000 + "text",
    "attributes": "<p " + "x=1 " * 50_000 + ">text</p>",
    "nul": ("<p>te\0xt" + " text" * 50 + "</p>") * 1000,
    "entities": "&#x110000;&#0;&amp;&nosuch;text" * 1000,
    "tables": "<table><tr><td>" * 2_000 + "text",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_are_read_like_others(name):
    """Each took minutes where its time grew with the square of its size."""
    (draft,) = read(page(HOSTILE[name]).encode())
    assert isinstance(draft, Draft)
    if name in ("rows", "code"):
        assert draft.text.count("text") == 5_000


def test_a_page_nested_too_deeply_gives_all_its_text():
    assert "text" in main_content(page("<div>" * 5_000 + "text"))[1]


def test_a_fragment_gives_all_of_its_text():
    assert fragment_text("<p>Bread &amp; butter</p><p>Tea<br>Milk</p>") == "Bread & butter\n\nTea\nMilk"
    assert fragment_text(" plain ") == "plain"
