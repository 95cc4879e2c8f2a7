"""Marks of a judge: one question a text, readable answers alone, and a broken endpoint costs the marks only."""

import http.server
import json
import threading
from contextlib import contextmanager

import pytest

from antimatter.evaluate import judge
from antimatter.params.evaluate import Judge

SAMPLES = [{"prompt": "The cat", "greedy": "", "sampled": f"The cat sat {n}"} for n in range(4)]


@contextmanager
def endpoint(answers, status=200):
    """A stand-in that gives these answers in turn; yields (base_url, the requests that came)."""
    came = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            came.append((self.path, self.headers.get("authorization"), body))
            answer = answers[len(came) - 1]
            content = answer if isinstance(answer, bytes) else json.dumps(
                {"choices": [{"message": {"content": answer}}]}
            ).encode()  # fmt: skip
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_marks_are_averaged_and_unreadable_answers_counted(monkeypatch):
    monkeypatch.setenv("ANTIMATTER_JUDGE_KEY", "secret")
    with endpoint(["7", "Mark: 4/10", "I cannot say", "10"]) as (url, came):
        found = judge.marks(SAMPLES, Judge(model="m", base_url=url))
    assert (found["mean"], found["texts"], found["unreadable"]) == (7.0, 3, 1)
    assert found["error"] == pytest.approx(3 / 3**0.5, abs=1e-6)
    path, key, body = came[0]
    assert (path, key) == ("/v1/chat/completions", "Bearer secret")
    assert (body["model"], body["temperature"]) == ("m", 0)
    assert "Continuation:\n sat 0\n" in body["messages"][0]["content"]
    assert "secret" not in json.dumps(found)


def test_without_a_key_none_is_sent_and_a_single_mark_has_no_error(monkeypatch):
    monkeypatch.delenv("ANTIMATTER_JUDGE_KEY", raising=False)
    with endpoint(["5"]) as (url, came):
        found = judge.marks(SAMPLES[:1], Judge(model="m", base_url=url))
    assert (came[0][1], found["error"]) == (None, None)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        (["7"] * 4, 500),
        (["7"] * 4, 302),
        ([b"no json"], 200),
        ([b"\xff\xfe"], 200),
        ([b'{"choices": []}'], 200),
        ([b"[" * 100_000], 200),
    ],
)
def test_a_broken_endpoint_is_a_warning_and_no_marks(answers, status, capsys):
    with endpoint(answers, status) as (url, _):
        assert judge.marks(SAMPLES, Judge(model="m", base_url=url)) is None
    assert "no marks" in capsys.readouterr().err


def test_an_endpoint_that_is_not_there_is_a_warning_too(capsys):
    assert judge.marks(SAMPLES, Judge(model="m", base_url="http://127.0.0.1:9/v1")) is None
    assert "ConnectError" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["se cret\n", "se\ncret", "sécret"])
def test_the_key_is_never_shown(key, monkeypatch, capsys):
    monkeypatch.setenv("ANTIMATTER_JUDGE_KEY", key)
    with endpoint(["7"] * 4) as (url, came):
        found = judge.marks(SAMPLES, Judge(model="m", base_url=url))
    said = capsys.readouterr().err
    assert bool(found) == bool(came) == key.endswith("\n"), "the last newline of a file is no part of a key"
    assert "cret" not in said and bool(said) != bool(found)


def test_answers_without_any_mark_are_a_warning(capsys):
    with endpoint(["none"] * 4) as (url, _):
        assert judge.marks(SAMPLES, Judge(model="m", base_url=url)) is None
    assert "none of the judge's 4 answers" in capsys.readouterr().err


def test_without_a_judge_nobody_is_asked():
    assert judge.marks(SAMPLES, Judge()) is None


@pytest.mark.parametrize(
    ("answer", "mark"),
    [
        ("8", 8),
        ("<think>maybe 3</think>\n9", 9),
        ("maybe 3</think>\n9", 9),
        ("<think>maybe 3", None),
        ("6 of ten", 6),
        ("out of 10: 2", 2),
        ("10/10", 10),
        ("0", None),
        ("11", None),
        ("7.5", None),
        ("-3", None),
        ("6 or 7", None),
        ("", None),
        ("seven", None),
    ],
)
def test_an_answer_holds_one_whole_mark_or_none(answer, mark):
    assert judge.mark_in(answer) == mark
