import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.model import AntiMatter, ModelConfig
from antimatter.train import loss
from antimatter.train.loss import LossOf, cross_entropy, linear_cross_entropy, token_losses

CONFIG = ModelConfig(
    vocabulary_size=37, vocabulary_multiple=16, layers=1, width=16, heads=2, feed_forward=32, context=16
)
BOTH_FORMS = pytest.mark.parametrize("chunked", [True, False])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_ids(*shape: int, below: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(0, below, shape, generator=torch.Generator().manual_seed(seed))


def plain(logits, targets, smoothing=0.0, z=0.0):
    """The definition: (objective, nll) of each target, as torch itself computes them."""
    smoothed = F.cross_entropy(logits, targets, reduction="none", label_smoothing=smoothing)
    return smoothed + z * logits.logsumexp(-1) ** 2, F.cross_entropy(logits, targets, reduction="none")


@BOTH_FORMS
@settings(max_examples=30, deadline=None)
@given(
    tokens=st.integers(1, 70), vocabulary=st.integers(2, 50), seed=st.integers(0, 9),
    smoothing=st.sampled_from([0.0, 0.1, 0.9]), z=st.sampled_from([0.0, 1e-2, 1.0]),
)  # fmt: skip
def test_both_forms_equal_the_definition_in_value_and_gradient(chunked, tokens, vocabulary, seed, smoothing, z):
    targets, weights = random_ids(tokens, below=vocabulary, seed=seed), random(tokens, seed=seed + 3)
    results = []
    for ours in (True, False):
        hidden, head = random(tokens, 8, seed=seed).requires_grad_(), random(vocabulary, 8, seed=1).requires_grad_()
        if ours and chunked:
            objective, nll = linear_cross_entropy(hidden, head, targets, smoothing, z)
        else:
            objective, nll = (cross_entropy if ours else plain)(hidden @ head.T, targets, smoothing, z)
        (objective * weights).sum().backward()
        results.append((objective, nll, hidden.grad, head.grad))
        assert not ours or not nll.requires_grad
    for mine, theirs in zip(*results, strict=True):
        assert torch.allclose(mine, theirs, atol=1e-4, rtol=1e-4)


def test_the_chunked_form_takes_several_chunks_of_which_the_last_is_short(monkeypatch):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 16 * 20)
    hidden, head, targets = random(41, 8), random(20, 8, seed=1), random_ids(41, below=20)
    results = []
    for way in (linear_cross_entropy, lambda h, w, *rest: plain(h @ w.T, *rest)):
        h, w = hidden.clone().requires_grad_(), head.clone().requires_grad_()
        objective, nll = way(h, w, targets, 0.1, 1e-2)
        objective.sum().backward()
        results.append((objective, nll, h.grad, w.grad))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*results, strict=True))


class GradientsInTheForwardPass(torch.autograd.Function):
    """The trap: fp16 gradients of the mean are made before the loss scale is known, which then multiplies them."""

    @staticmethod
    def forward(ctx, hidden, head, targets):
        logits = (hidden.half() @ head.half().T).float()
        gradient = (torch.softmax(logits, -1) - F.one_hot(targets, len(head))) / len(targets)
        ctx.save_for_backward((gradient.half() @ head.half()).float(), (gradient.half().T @ hidden.half()).float())
        return F.cross_entropy(logits, targets)

    @staticmethod
    def backward(ctx, scale):
        return scale * ctx.saved_tensors[0], scale * ctx.saved_tensors[1], None


def mean_loss(form, hidden, head, targets, smoothing=0.0, z=0.0):
    if form == "mean inside":
        return GradientsInTheForwardPass.apply(hidden, head, targets)
    if form == "chunked":
        objective = linear_cross_entropy(hidden, head, targets, smoothing, z)[0]
    else:
        objective = cross_entropy(F.linear(hidden, head), targets, smoothing, z)[0]
    return objective.sum() / len(targets)


def fp16_gradient_errors(form, smoothing=0.0, z=0.0, tokens=8192):
    """Relative to fp32, under a loss scale of 65,536: of hidden, head, and the rows of head that are never targets."""
    scale, vocabulary = 65536.0, 512
    hidden, head = random(tokens, 32), random(vocabulary, 32, seed=1) * 0.02
    targets = random_ids(tokens, below=vocabulary // 2, seed=2)
    gradients = []
    for half in (False, True):
        h, w = hidden.clone().requires_grad_(), head.clone().requires_grad_()
        with torch.autocast("cpu", torch.float16, enabled=half):
            mean = mean_loss(form if half else "all at once", h, w, targets, smoothing, z)
        (mean * (scale if half else 1.0)).backward()
        unscale = 1 / scale if half else 1.0
        gradients.append((h.grad * unscale, w.grad * unscale, w.grad[vocabulary // 2 :] * unscale))
    return [float((exact - rounded).norm() / exact.norm()) for exact, rounded in zip(*gradients, strict=True)]


@pytest.mark.parametrize("form", ["chunked", "all at once"])
@pytest.mark.parametrize(("smoothing", "z"), [(0.0, 0.0), (0.1, 1e-4)])
def test_fp16_gradients_under_a_loss_scale_stay_within_one_percent_of_fp32(form, smoothing, z, monkeypatch):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 1 << 17)
    assert max(fp16_gradient_errors(form, smoothing, z)) < 0.01


def test_fp16_gradients_made_before_the_scale_is_known_would_not():
    assert max(fp16_gradient_errors("mean inside")) > 0.02


@BOTH_FORMS
def test_padded_ids_receive_no_probability_and_no_gradient(chunked):
    model = AntiMatter(CONFIG, seed=1)
    tokens = torch.arange(32).view(2, 16)
    objective, nll, weight, targets = LossOf(model, chunked, label_smoothing=0.1)(tokens, tokens.roll(1))
    assert nll.item() == pytest.approx(32 * math.log(37), rel=0.02)  # a fresh model is uniform over 37, not 48
    assert (weight.item(), targets.item()) == (32, 32)
    objective.backward()
    assert model.token_embedding.weight.grad[37:].eq(0).all()
    assert model.token_embedding.weight.grad[:37].ne(0).any()


@BOTH_FORMS
def test_weights_ignored_targets_smoothing_and_z_loss_come_out_as_torch_computes_them(chunked):
    inputs, targets = random_ids(2, 16, below=37), random_ids(2, 16, below=37, seed=1)
    targets[0, 5:] = -1
    targets[1, 0] = -100
    weights = torch.rand(37, generator=torch.Generator().manual_seed(3)) + 0.5
    model, twin = AntiMatter(CONFIG, seed=1), AntiMatter(CONFIG, seed=1)
    objective, nll, weight, number = LossOf(model, chunked, 0.1, 1e-2)(inputs, targets, weights)
    objective.backward()

    counted = targets.flatten() >= 0
    wanted, logits = targets.flatten()[counted], twin(inputs).flatten(0, 1)[counted]
    smoothed, plain_nll = plain(logits, wanted, 0.1, 1e-2)
    expected = (smoothed * weights[wanted]).sum()
    expected.backward()
    assert objective.item() == pytest.approx(expected.item(), rel=1e-5)
    assert nll.item() == pytest.approx(plain_nll.sum().item(), rel=1e-5)
    assert weight.item() == pytest.approx(weights[wanted].sum().item(), rel=1e-5)
    assert number.item() == int(counted.sum()) == 20
    for (name, ours), theirs in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, atol=1e-4), name


@BOTH_FORMS
def test_the_weighted_objective_without_extras_is_that_of_torch(chunked):
    inputs, targets, weights = random_ids(2, 16, below=37), random_ids(2, 16, below=37, seed=1), random(37).exp()
    model = AntiMatter(CONFIG, seed=1)
    objective, _, weight, _ = LossOf(model, chunked)(inputs, targets, weights)
    mean = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), weight=weights)  # torch divides by weights
    assert (objective / weight).item() == pytest.approx(mean.item(), rel=1e-5)


@BOTH_FORMS
def test_the_nll_of_each_target_is_plain_and_0_where_it_does_not_count(chunked):
    inputs, targets = random_ids(2, 16, below=37), random_ids(2, 16, below=37, seed=1)
    model = AntiMatter(CONFIG, seed=1)
    wanted = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), reduction="none")
    assert torch.allclose(token_losses(model, inputs, targets, chunked), wanted, atol=1e-5)
    ignored = targets.clone()
    ignored[1, 3:] = -1
    each = LossOf(model, chunked, 0.3, 1.0)(inputs, ignored, random(37), each=True)
    assert torch.allclose(each, wanted * (ignored.flatten() >= 0), atol=1e-5)
    assert each[19:].eq(0).all()


def test_both_forms_agree_on_a_whole_model():
    tokens = torch.arange(32).view(2, 16)
    totals = []
    for chunked in (True, False):
        model = AntiMatter(CONFIG, seed=1)
        sums = LossOf(model, chunked)(tokens, tokens.roll(1))
        sums[0].backward()
        totals.append((sums, model.token_embedding.weight.grad, model.blocks[0].attention.projection.weight.grad))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(*totals, strict=True))


class Recorder(AntiMatter):
    """Notes of which document it is told each token is; the last position becomes what one says."""

    def __init__(self, last=1.0):
        super().__init__(CONFIG, seed=1)
        self.told, self.last = [], last

    def hidden(self, tokens_BT, documents_BT=None, cache=None):
        self.told.append(documents_BT)
        hidden_BTD = random(*tokens_BT.shape, 16)
        hidden_BTD[:, -1] = self.last
        return hidden_BTD


@BOTH_FORMS
def test_a_boundary_begins_a_new_document_and_without_one_the_model_hears_of_none(chunked):
    model, tokens = Recorder(), torch.tensor([[5, 6, 1, 7, 1, 1], [1, 5, 6, 7, 8, 9]])
    LossOf(model, chunked, boundary=1)(tokens, tokens)
    LossOf(model, chunked)(tokens, tokens)
    documents, none = model.told
    assert documents.tolist() == [[0, 0, 1, 1, 2, 3], [1, 1, 1, 1, 1, 1]]
    assert none is None


@BOTH_FORMS
def test_padding_of_infinite_cost_costs_nothing(chunked):
    targets = torch.tensor([[4, 6, 8, -1]])
    sums = LossOf(Recorder(last=math.inf), chunked, 0.1, 1e-2)(targets.abs(), targets, torch.ones(37))
    assert torch.equal(sums, LossOf(Recorder(), chunked, 0.1, 1e-2)(targets.abs(), targets))
    assert sums.isfinite().all()


@BOTH_FORMS
def test_an_adaptive_softmax_is_asked_for_few_logits_and_costs_what_its_probabilities_say(chunked):
    config = dataclasses.replace(CONFIG, tied_embeddings=False, adaptive_softmax=(8, 20))
    model, weights = AntiMatter(config, seed=1), torch.arange(37.0)
    inputs, targets = random_ids(2, 16, below=37), random_ids(2, 16, below=37, seed=1)
    targets[0, 3:7] = -1
    counted = targets.flatten() >= 0
    wanted = targets.flatten()[counted]
    expected = F.nll_loss(model(inputs).flatten(0, 1)[counted], wanted, reduction="none")
    objective, nll, weight, number = LossOf(model, chunked)(inputs, targets, weights)
    assert objective.item() == pytest.approx((expected * weights[wanted]).sum().item(), rel=1e-5)
    assert nll.item() == pytest.approx(expected.sum().item(), rel=1e-5)
    assert (weight.item(), number.item()) == (weights[wanted].sum().item(), 28)
    with pytest.raises(ValueError, match=r"label_smoothing 0\.1"):
        LossOf(model, chunked, label_smoothing=0.1)(inputs, targets)


def test_the_loss_is_fp32_under_autocast():
    model, tokens = AntiMatter(CONFIG, seed=1), torch.arange(32).view(2, 16)
    with torch.autocast("cpu", torch.bfloat16):
        for chunked in (True, False):
            module = LossOf(model, chunked, 0.1, 1e-4)
            assert module(tokens, tokens, torch.ones(37)).dtype == torch.float32
            assert module(tokens, tokens, each=True).dtype == torch.float32
