"""Speed: figures of every batch size, inside a bounded time."""

from antimatter.evaluate import speed


def test_every_batch_size_is_measured_and_sizes_follow_from_the_parameters(letter_model):
    subject = letter_model(context=16)
    found = speed.measure(subject, seconds_each=0.02)
    parameters = subject.facts()["parameters"]
    assert [row["batch"] for row in found["prefill"]] == [1, 8]
    assert [row["batch"] for row in found["decode"]] == [1, 8, 32]
    for row in found["decode"]:
        assert 0 < row["ms_per_token_p50"] <= row["ms_per_token_p95"]
    assert all(row["tokens_per_second"] > 0 for row in found["prefill"] + found["decode"])
    assert found["size_bytes"] == {"fp32": 4 * parameters, "fp16": 2 * parameters}
    assert found["memory_bytes"] > 10**6
    assert "warm-up" in found["method"]


def test_a_slow_model_is_stopped_when_its_time_is_over(letter_model, monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))
    subject = letter_model(context=4096)
    assert len(speed._step_seconds(subject, 1, seconds=5.0)) < 10
