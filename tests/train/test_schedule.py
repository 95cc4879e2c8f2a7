import pytest

from antimatter.params.train import Train
from antimatter.train.schedule import learning_rate

SETTINGS = Train(steps=110, warmup_steps=10, learning_rate=0.5, final_learning_rate_fraction=0.2)


@pytest.mark.parametrize(
    ("step", "rate"),
    [(1, 0.05), (5, 0.25), (10, 0.5), (60, 0.3), (110, 0.1), (35, 0.1 + 0.4 * (1 + 2**-0.5) / 2)],
)
def test_the_rate_at_a_step_is_what_a_hand_computes(step, rate):
    assert learning_rate(SETTINGS, step) == pytest.approx(rate)


def test_without_warm_up_the_cosine_starts_at_once():
    settings = Train(steps=100, warmup_steps=0, learning_rate=1.0, final_learning_rate_fraction=0.0)
    assert learning_rate(settings, 50) == pytest.approx(0.5)
    assert learning_rate(settings, 100) == pytest.approx(0.0)


def test_the_rate_rises_through_warm_up_and_never_after():
    rates = [learning_rate(SETTINGS, step) for step in range(1, 111)]
    assert rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)
