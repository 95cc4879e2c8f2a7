import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from antimatter.corpus.shards import DamagedShard
from antimatter.execution.local import LocalExecutor, WorkerDied


def square(number: int) -> dict:
    return {"number": number, "square": number * number}


def fail_at_three(number: int) -> dict:
    if number == 3:
        raise DamagedShard("shard 3 is broken")
    return square(number)


def die_at_three(number: int) -> dict:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return square(number)


class Awkward(Exception):
    """An exception that pickles but does not come back."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def fail_awkwardly(number: int) -> dict:
    raise Awkward(1, 2)


def where(number: int) -> dict:
    return {"folder": os.getcwd()}


@pytest.mark.parametrize("workers", [1, 2, 16])
def test_results_come_in_the_order_of_the_parts_whatever_the_workers(workers):
    seen = []
    results = LocalExecutor(workers).map(square, range(9), lambda index, result: seen.append((index, result)))
    assert results == [square(number) for number in range(9)]
    assert sorted(seen, key=lambda pair: pair[0]) == list(enumerate(results))


@pytest.mark.parametrize("parts", [[], [7]])
def test_no_parts_and_one_part_need_no_pool(parts):
    assert LocalExecutor(4).map(square, parts, lambda index, result: None) == [square(part) for part in parts]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_exception_comes_home_and_what_was_finished_is_reported(workers):
    seen = []
    with pytest.raises(DamagedShard, match="shard 3 is broken"):
        LocalExecutor(workers).map(fail_at_three, range(8), lambda index, result: seen.append(index))
    assert {0, 1, 2} <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_killed_worker_is_explained():
    with pytest.raises(WorkerDied, match=r"out of memory.*ANTIMATTER_WORKERS=1"):
        LocalExecutor(2).map(die_at_three, range(8), lambda index, result: None)


def test_an_exception_that_cannot_travel_is_not_taken_for_a_killed_worker():
    with pytest.raises(Exception) as caught:
        LocalExecutor(2).map(fail_awkwardly, range(2), lambda index, result: None)
    assert not isinstance(caught.value, WorkerDied)


def test_workers_run_where_the_parent_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = LocalExecutor(2).map(where, range(2), lambda index, result: None)
    assert [result["folder"] for result in results] == [str(tmp_path)] * 2


def who(number: int) -> dict:
    return {"process": os.getpid()}


def ignore(index, result):
    pass


def test_workers_serve_one_map_after_another_until_they_are_sent_home():
    executor = LocalExecutor(2)
    executor.map(who, range(8), ignore)
    workers = set(executor._pool._processes)
    second = {result["process"] for result in executor.map(who, range(8), ignore)}
    executor.close()
    third = {result["process"] for result in executor.map(who, range(8), ignore)}
    executor.close()
    executor.close()  # nothing is there: nothing happens
    assert second <= workers
    assert os.getpid() not in workers
    assert not workers & third


def test_after_a_failure_the_executor_can_be_used_again():
    executor = LocalExecutor(2)
    with pytest.raises(DamagedShard):
        executor.map(fail_at_three, range(8), lambda index, result: None)
    assert executor.map(square, range(5), lambda index, result: None) == [square(number) for number in range(5)]
    executor.close()


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_worker_that_is_killed_between_maps_is_replaced(is_noticed):
    executor = LocalExecutor(2)
    executor.map(who, range(8), ignore)
    os.kill(min(executor._pool._processes), signal.SIGKILL)
    if is_noticed:
        wait_until(lambda: executor._pool._broken)
    assert executor.map(square, range(5), lambda index, result: None) == [square(number) for number in range(5)]
    executor.close()


def test_a_worker_that_dies_of_its_part_is_told_in_a_later_map_too():
    executor = LocalExecutor(2)
    executor.map(square, range(5), ignore)
    with pytest.raises(WorkerDied):
        executor.map(die_at_three, range(8), ignore)


def test_of_two_errors_the_first_is_told():
    asked = []  # in the order in which parts happened to finish

    def full(index, result):
        asked.append(index)
        raise OSError(f"disk full {index}")

    with pytest.raises(OSError, match="disk full") as caught:
        LocalExecutor(2).map(square, range(8), full)
    assert str(caught.value) == f"disk full {asked[0]}"


SLEEPERS = """
import os, signal, sys, time
from pathlib import Path
from antimatter.execution.local import LocalExecutor

def linger(part):
    (Path(sys.argv[1]) / f"{part}.pid").write_text(str(os.getpid()))
    time.sleep(float(sys.argv[2]))
    return {"part": part}

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that runs the tests behind an & ignores it
    LocalExecutor(2).map(linger, range(4), lambda index, result: (Path(sys.argv[1]) / f"{index}.done").touch())
"""


def start_sleepers(folder: Path, seconds: float) -> tuple[subprocess.Popen, list[int]]:
    """A process with two workers, started, and the ids of the workers."""
    (folder / "sleepers.py").write_text(SLEEPERS)
    process = subprocess.Popen(
        [sys.executable, str(folder / "sleepers.py"), str(folder), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    notes = [folder / f"{part}.pid" for part in (0, 1)]
    wait_until(lambda: all(note.exists() and note.read_text() for note in notes))
    return process, [int(note.read_text()) for note in notes]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited for 20 seconds"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_workers_die_with_a_parent_that_is_killed(tmp_path):
    process, workers = start_sleepers(tmp_path, 60)
    process.kill()
    process.wait()
    wait_until(lambda: not any(map(is_alive, workers)))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_first_interrupt_lets_the_parts_in_flight_finish_and_reports_them(tmp_path):
    process, workers = start_sleepers(tmp_path, 0.3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors and "again: leave at once" in errors
    assert {"0.done", "1.done"} <= {path.name for path in tmp_path.glob("*.done")}
    assert not any(map(is_alive, workers))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_a_second_interrupt_leaves_at_once(tmp_path):
    process, workers = start_sleepers(tmp_path, 60)
    process.send_signal(signal.SIGINT)
    assert "stopping" in "".join([process.stderr.readline(), process.stderr.readline()])
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    wait_until(lambda: not any(map(is_alive, workers)))
