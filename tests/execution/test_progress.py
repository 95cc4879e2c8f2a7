import io

from antimatter.execution import progress
from antimatter.execution.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_one_line_at_the_end_and_no_bar():
    log = io.StringIO()
    with Progress("clean", 3, log) as bar:
        for _ in range(3):
            bar.advance(1000, 5_000_000)
    assert log.getvalue().count("\n") == 1
    assert log.getvalue().startswith("clean         3/3 parts  3,000 documents  ")
    assert not set("[#\r\033") & set(log.getvalue())


def test_a_log_gets_a_line_a_minute(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    log = io.StringIO()
    with Progress("clean", 10, log) as bar:
        for now in (30.0, 61.0, 90.0, 130.0):  # noqa: B007 - the clock above reads it
            bar.advance()
    assert log.getvalue().splitlines() == [
        "clean         [####----------------]  2/10 parts  4:04 left",
        "clean         [########------------]  4/10 parts  3:15 left",
        "clean         4/10 parts  2:10",
    ]


def test_a_terminal_gets_a_bar_that_is_wiped_in_the_end():
    terminal = Terminal()
    with Progress("clean", 2, terminal) as bar:
        bar.advance()
    assert "[##########----------]  1/2 parts" in terminal.getvalue()
    assert terminal.getvalue().rpartition("\033[K")[2].startswith("clean         1/2 parts")


def test_parts_of_an_earlier_run_are_counted_but_promise_no_speed():
    bar = Progress("clean", 4, io.StringIO())
    bar.resume(3)
    assert "3/4 parts (3 from an earlier run)" in bar.line()
    assert "left" not in bar.line()


def test_a_failed_stage_does_not_claim_to_be_done():
    log = io.StringIO()
    try:
        with Progress("clean", 2, log):
            raise RuntimeError
    except RuntimeError:
        pass
    assert log.getvalue() == ""


def test_no_parts_are_no_trouble():
    assert "0/0 parts" in Progress("clean", 0, io.StringIO()).line()
