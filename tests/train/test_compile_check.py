import pytest
import torch
from torch import nn

from antimatter.train.compile_check import compiled

TRIAL = (torch.arange(12).view(3, 4) % 5, torch.arange(1, 13).view(3, 4) % 5)


class Loss(nn.Module):
    """An embedding, a layer, a loss: the first number returned is the objective."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding, self.layer, self.dropout = nn.Embedding(5, 8), nn.Linear(8, 5), nn.Dropout(dropout)

    def forward(self, inputs_BT, targets_BT, weights_V=None):
        logits = self.layer(self.dropout(self.embedding(inputs_BT))).flatten(0, 1)
        objective = nn.functional.cross_entropy(logits.float(), targets_BT.flatten(), weights_V, reduction="sum")
        return torch.stack([objective, objective.detach()])


class Changed(nn.Module):
    """What a compiler that is not to be trusted makes of a loss."""

    def __init__(self, loss: nn.Module, change) -> None:
        super().__init__()
        self.loss, self.change = loss, change

    def forward(self, *arguments):
        return self.change(self.loss(*arguments))


def compiler_that(change):
    return lambda loss, dynamic: Changed(loss, change)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_computes_the_same_is_taken(precision):
    loss = Loss()
    found, note = compiled(loss, TRIAL, precision, compiler=compiler_that(lambda out: out * 1.00001))
    assert isinstance(found, Changed) and note is None
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_what_else_training_passes_is_passed_in_the_trial_too():
    seen = []
    taken = compiler_that(lambda out: seen.append(out.detach()[0]) or out)
    assert compiled(Loss(), (*TRIAL, torch.full((5,), 2.0)), "fp32", compiler=taken)[1] is None
    assert seen == [pytest.approx(2 * Loss()(*TRIAL)[0].item(), rel=1e-5)]


def test_torch_compile_itself_passes_the_check():
    found, note = compiled(Loss(), TRIAL, "fp32", compiler=lambda loss, dynamic: torch.compile(loss, backend="eager"))
    assert note is None and hasattr(found, "_orig_mod")


class WrongGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values):
        return values.clone()

    @staticmethod
    def backward(ctx, gradient):
        return 3 * gradient


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda out: out * float("nan"), "its loss is nan"),
        (lambda out: out * 1.001, "its loss is "),
        (lambda out: WrongGradient.apply(out), "its gradient norm is "),
    ],
)
def test_what_computes_something_else_is_refused_with_both_numbers(change, words):
    loss = Loss()
    found, note = compiled(loss, TRIAL, "fp32", compiler=compiler_that(change))
    assert found is loss
    assert words in note and "eager mode" in note
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_half_precision_may_differ_more_and_dropout_more_still():
    off = compiler_that(lambda out: out * 1.005)
    assert compiled(Loss(), TRIAL, "fp32", compiler=off)[1] is not None
    assert compiled(Loss(), TRIAL, "bf16", compiler=off)[1] is None
    assert compiled(Loss(dropout=1e-9), TRIAL, "fp32", compiler=off)[1] is None


def test_a_compiler_that_fails_costs_a_line_and_no_more():
    def no_compiler(loss, dynamic):
        raise RuntimeError("Cannot find a working triton installation\nlong story")

    loss = Loss()
    assert compiled(loss, TRIAL, "fp32", compiler=no_compiler) == (
        loss,
        "torch.compile does not work here (Cannot find a working triton installation); training goes on without it",
    )


def test_parts_are_compiled_in_their_place_and_put_back_if_refused():
    loss, made = Loss(), []

    def spy(forward, dynamic):
        made.append(forward)
        return lambda hidden: forward(hidden) * (1.0 if len(made) == 1 else 2.0)

    found, note = compiled(loss, TRIAL, "fp32", parts=[loss.layer], compiler=spy)
    assert found is loss and note is None and "forward" in vars(loss.layer)
    other = Loss()
    found, note = compiled(other, TRIAL, "fp32", parts=[other.layer], compiler=spy)
    assert found is other and "its loss is" in note and "forward" not in vars(other.layer)


def test_a_process_on_which_it_works_gives_way_to_one_on_which_it_does_not():
    loss = Loss()
    found, note = compiled(loss, TRIAL, "fp32", compiler=compiler_that(lambda out: out), agree=lambda own: 0)
    assert found is loss and "on another process" in note


def test_eager_mode_needs_the_memory_of_one_row():
    rows = []

    class Watched(Loss):
        def forward(self, inputs_BT, targets_BT, weights_V=None):
            rows.append(len(inputs_BT))
            return super().forward(inputs_BT, targets_BT, weights_V)

    compiled(Watched(), TRIAL, "fp32", compiler=compiler_that(lambda out: out))
    assert rows == [1, 1, 1, 3]
