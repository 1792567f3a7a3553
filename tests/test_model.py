from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from amer_lite import AMER, AMERConfig, DecoderConfig, Prefix, set_info_nce
from amer_lite.model.language_model import LoRA
from amer_lite.model.prefix import Feedback
from tests import slow_model

DIM, STATE, B, L, M = 12, 20, 4, 7, 5
assert_near = partial(torch.testing.assert_close, rtol=1e-4, atol=2e-5)  # float32, other order

LLAMA = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "vocab_size": 50}
LLAMA |= {"num_attention_heads": 4, "num_key_value_heads": 2}
LM_SIZES = {
    "llama": LLAMA,
    "qwen3": LLAMA | {"head_dim": 8},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 50, "n_positions": 64},
}


def build(kind: str) -> AMER:
    torch.manual_seed(0)
    if kind in ("decoder", "pointer"):
        decoder = DecoderConfig(STATE, width=24, layers=2, heads=3)
        model = AMER(AMERConfig(DIM, decoder=decoder, pointer=kind == "pointer"))
        if model.pointer is not None:  # it starts with zeros
            nn.init.normal_(model.pointer.query.weight)
            nn.init.normal_(model.output_projection.weight, std=0.1)
    else:
        model = AMER(AMERConfig(DIM, lm={"model_type": kind, **LM_SIZES[kind]}))
    # Random projections at the default scale hardly move the hidden state: make feedback matter.
    nn.init.normal_(model.input_projection.weight)
    return model.eval()


def prefix_for(kind: str, lengths: list[int], side: str = "right") -> Prefix:
    generator = torch.Generator().manual_seed(1)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    if side == "left":
        mask = mask.flip(1)
    if kind in ("decoder", "pointer"):
        tokens = torch.randn(sum(lengths), STATE, generator=generator)
    else:
        tokens = torch.randint(50, (sum(lengths),), generator=generator)
    values = tokens.new_full((*mask.shape, *tokens.shape[1:]), 7)  # also where padding stands
    values[mask] = tokens
    return Prefix(values, mask)


def golds_for(n: int = M, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return nn.functional.normalize(torch.randn(B, n, DIM, generator=generator), dim=-1)


GOOD, GOLDS = prefix_for("decoder", [3] * B), golds_for()
ARRAY: Any = GOOD.values.numpy()


def ask_lm(values: Tensor) -> Tensor:
    return build("llama").generate(Prefix(values, GOOD.mask), 2)


@pytest.fixture(params=["decoder", "pointer", *LM_SIZES])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_cached_equals_uncached(kind: str) -> None:
    model, prefix = build(kind), prefix_for(kind, [L] * B)
    vectors = model.generate(prefix, M)
    assert vectors.shape == (B, M, DIM) and vectors.dtype == torch.float32
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(B, M))
    assert_near(vectors, slow_model.rollout(model, prefix, M).detach())
    assert (vectors[:, 1:] - vectors[:, :-1]).norm(dim=-1).min() > 1e-2  # the feedback matters


def test_one_parallel_pass_of_gold_feedback_equals_step_by_step(kind: str) -> None:
    model, prefix, golds = build(kind), prefix_for(kind, [5, 7, 2, 4]), golds_for()
    parallel = model.rollout(prefix, golds, feedback="gold")
    stepwise = model.rollout(prefix, golds, feedback="scheduled", sampling=0.0)
    assert_near(parallel, stepwise)
    even = prefix_for(kind, [L] * B)
    parallel = model.rollout(even, golds, feedback="gold")
    assert_near(parallel, slow_model.rollout(model, even, M, fed=golds))


def test_rollout_with_predicted_feedback_is_generate(kind: str) -> None:
    model, prefix = build(kind), prefix_for(kind, [5, 7, 2, 4])
    vectors = model.generate(prefix, M)
    torch.testing.assert_close(model.rollout(prefix, m=M), vectors)
    mixed = model.rollout(prefix, golds_for(), feedback="scheduled", sampling=1.0)
    torch.testing.assert_close(mixed, vectors)
    assert_near(model.generate(prefix, 2), vectors[:, :2])  # a later one changes no earlier one


def test_weights_are_even_until_they_are_learned(kind: str) -> None:
    prefix = prefix_for(kind, [5, 7, 2, 4])
    model = build(kind)
    assert_near(model.generate_weighted(prefix, M).log_weights.exp(), torch.full((4, M), 1 / M))
    model = AMER(replace(model.config, weighted=True)).eval()
    assert model.weight_projection is not None
    assert_near(model.generate_weighted(prefix, M).log_weights.exp(), torch.full((4, M), 1 / M))
    nn.init.normal_(model.weight_projection.weight)
    _, weights = model.emit(prefix, golds_for(), feedback="gold")
    assert weights.shape == (4, M) and weights.std() > 0.01
    assert_near(weights.exp().sum(1), torch.ones(4))
    alone = model.emit(prefix.select(torch.tensor([2])), golds_for()[2:3], feedback="gold")
    assert_near(alone.log_weights, weights[2:3])


@pytest.mark.parametrize("side", ["left", "right"])
def test_padded_and_batched_equal_alone(kind: str, side: str) -> None:
    model, padded = build(kind), prefix_for(kind, [5, 7, 1, 4], side)
    together = model.generate(padded, M)
    for i in range(B):
        assert_near(model.generate(padded.select([i]), M)[0], together[i])
    assert_near(model.generate(padded, M, batch_size=3), together)


@pytest.mark.parametrize(("kind", "padding"), [("decoder", torch.nan), ("gpt2", -100)])
def test_padding_may_be_anything(kind: str, padding: float) -> None:
    model, prefix = build(kind), prefix_for(kind, [5, 7, 1, 4])
    clean = model.rollout(prefix, golds_for(), feedback="gold")
    prefix.values[~prefix.mask] = padding
    assert torch.equal(model.rollout(prefix, golds_for(), feedback="gold"), clean)


def test_gradients_of_cached_training_equal_uncached(kind: str) -> None:
    model, prefix, golds = build(kind), prefix_for(kind, [L] * B), golds_for()
    grads = []
    for vectors in (model.rollout(prefix, m=M), slow_model.rollout(model, prefix, M)):
        model.zero_grad()
        set_info_nce(vectors, golds).backward()
        grads.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    assert {"input_projection.weight"} < grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        scale = grads[1][name].abs().max().item()
        torch.testing.assert_close(grad, grads[1][name], rtol=1e-3, atol=1e-4 * scale + 1e-7)


def test_matched_feedback_feeds_the_nearest_unused_gold() -> None:
    model, prefix, golds = build("decoder"), prefix_for("decoder", [L] * B), golds_for()
    vectors = model.rollout(prefix, golds, feedback="matched").detach()
    fed = torch.zeros(B, M - 1, DIM)
    for b in range(B):
        left = [*golds[b]]
        for step in range(M - 1):
            best = max(range(len(left)), key=lambda j: float(vectors[b, step] @ left[j]))
            fed[b, step] = left.pop(best)
    assert_near(vectors, slow_model.rollout(model, prefix, M, fed=fed))


@pytest.mark.parametrize("feedback", ["gold", "matched"])
def test_a_row_with_few_golds_starts_over(feedback: Feedback) -> None:
    model, prefix, golds = build("decoder"), prefix_for("decoder", [L] * B), golds_for()
    mask = torch.tensor([[0, 0, 1, 0, 0]] * B).bool()
    vectors = model.rollout(prefix, golds, mask, feedback=feedback)
    fed = golds[:, 2:3].expand(-1, M, -1)
    assert_near(vectors, slow_model.rollout(model, prefix, M, fed=fed))


def test_scheduled_feedback_mixes_row_by_row_and_is_seeded() -> None:
    model, prefix, golds = build("decoder"), prefix_for("decoder", [L] * B), golds_for()

    def run(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        return model.rollout(prefix, golds, feedback="scheduled", sampling=0.5, generator=generator)

    assert torch.equal(run(3), run(3))
    assert not torch.equal(run(3), run(4))
    # Step 2 has seen one feedback: in every row it equals one of the two pure modes.
    gold = model.rollout(prefix, golds, feedback="gold")[:, 1]
    predicted = model.rollout(prefix, m=M)[:, 1]
    seen = set()
    for seed in range(8):
        for b, vector in enumerate(run(seed)[:, 1]):
            is_gold, own = (torch.allclose(vector, way[b], 1e-4, 2e-5) for way in (gold, predicted))
            assert is_gold != own
            seen.add((b, is_gold))
    assert len(seen) == 2 * B


def test_generate_switches_dropout_off_and_back_on() -> None:
    decoder = DecoderConfig(STATE, width=24, heads=3, dropout=0.5)
    model, prefix = AMER(AMERConfig(DIM, decoder=decoder, normalize=False)), GOOD
    first = model.generate(prefix, M)
    assert torch.equal(first, model.generate(prefix, M))
    assert (first.norm(dim=-1) - 1).abs().min() > 1e-3  # not normalised, as the config says
    assert model.training
    assert not torch.equal(model.rollout(prefix, m=M), model.rollout(prefix, m=M))


def test_save_and_load(kind: str, tmp_path: Path) -> None:
    model, prefix = build(kind), prefix_for(kind, [5, 7, 2, 4])
    model.save(tmp_path)
    loaded = AMER.load(tmp_path)
    assert torch.equal(loaded.generate(prefix, M), model.generate(prefix, M))
    model.output_projection.weight.data.mul_(-1)
    model.save(tmp_path)  # over the old one, which goes
    assert torch.equal(AMER.load(tmp_path).generate(prefix, 1), model.generate(prefix, 1))
    assert len(list(tmp_path.iterdir())) == 2


def test_broken_checkpoints_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="manifest"):
        AMER.load(tmp_path)
    build("decoder").save(tmp_path)
    path = tmp_path / "manifest.json"
    manifest = json.loads(path.read_text())
    config = manifest["config"]
    foreign: list[tuple[dict[str, Any], str]] = [
        ({"config": config | {"warp": 9}}, "warp"),
        ({"config": config | {"dim": 13}}, "size mismatch"),
        ({"config": config | {"decoder": config["decoder"] | {"depth": 1}}}, r"decoder\.depth"),
        ({"config": {"dim": 12, "lm": {"model_type": "gpt2", "n_head": 0}}}, "not a sound"),
        ({"kind": "something else"}, "holds 'something else', expected 'amer-lite/model-1'"),
    ]
    for changes, message in foreign:
        changed = manifest | changes
        text = json.dumps(changed["config"], sort_keys=True).encode()
        changed["config_sha256"] = hashlib.sha256(text).hexdigest()
        path.write_text(json.dumps(changed))
        with pytest.raises(ValueError, match=message):
            AMER.load(tmp_path)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda a: a.rollout(GOOD, m=0), "m=0 must be a whole number"),
        (lambda a: a.rollout(GOOD, m=2.0), "m=2.0 must be a whole number"),
        (lambda a: a.generate(GOOD, True), "m=True must be a whole number"),
        (lambda a: a.rollout(GOOD, GOLDS.long()), "golds: expected float"),
        (lambda a: a.generate(Prefix(ARRAY, GOOD.mask), 2), "got ndarray"),
        (lambda a: ask_lm(torch.ones(B, 3).bool()), "values: expected torch.int64"),
        (
            lambda a: ask_lm(torch.full((B, 3, 32), 1e300, dtype=torch.float64)),
            "emits: NaN or infinite",
        ),
        (lambda a: GOOD.select([4]), "rows: 4 to 4 of 4 queries"),
        (lambda a: replace(a.config, dim=True), "dim\n.*neither an integer nor a float"),
        (lambda a: replace(a.config, normalize="no"), "normalize\n"),
        (
            lambda a: a.generate(GOOD, 2, batch_size=0),
            "batch_size=0 must be a whole number, at least 1",
        ),
        (lambda a: a.rollout(GOOD), "give m, or golds"),
        (lambda a: a.rollout(GOOD, m=2, feedback="gold"), "feedback 'gold' needs golds"),
        (lambda a: a.rollout(GOOD, GOLDS, feedback="best"), "feedback 'best'"),
        (lambda a: a.rollout(GOOD, GOLDS[..., :3]), r"golds: expected float \(4, n, 12\)"),
        (lambda a: a.rollout(GOOD, GOLDS / 0), "golds: NaN or infinite values in rows"),
        (lambda a: a.rollout(GOOD, GOLDS, GOLDS[..., 0] > 9), r"empty gold set in rows \[0, 1, 2"),
        (lambda a: a.rollout(GOOD, GOLDS, GOLDS[..., 0]), r"gold_mask: expected .* \(4, 5\)"),
        (lambda a: a.rollout(GOOD, GOLDS, feedback="scheduled", sampling=1.5), "got 1.5"),
        (lambda a: a.generate(Prefix(GOOD.values[:0], GOOD.mask[:0]), 2), r"mask: .* \(B, L\)"),
        (lambda a: a.generate(Prefix(GOOD.values, GOOD.mask.long()), 2), "mask: .*bool"),
        (lambda a: a.generate(Prefix(GOOD.values[:, :2], GOOD.mask), 2), r"values: .*\(4, 3, s\)"),
        (lambda a: a.generate(Prefix(GOOD.values, GOOD.mask & False), 2), r"token in rows \[0, 1"),
        (lambda a: a.generate(Prefix(GOOD.values * torch.nan, GOOD.mask), 2), "prefix: NaN"),
        (lambda a: a.generate(Prefix(GOOD.values[..., :5], GOOD.mask), 2), r"\(B, L, 20\)"),
        (lambda a: GOOD.select([True]), "rows: expected torch.int64"),
        (lambda a: AMERConfig(DIM), "either decoder or lm"),
        (lambda a: replace(a.config, dim=0), r"dim\n.*greater than 0.*input_value=0"),
        (lambda a: replace(a.config, pointer=True, dim=21), "pointer: .*dim=21"),
        (lambda a: replace(a.config, lora=LoRA("x")), "lora: adapters need an lm"),
        (lambda a: AMER(AMERConfig(DIM, lm={"hidden_size": 32})), "no model_type"),
        (lambda a: DecoderConfig(20, width=10), r"width 10 must be a multiple of 2 × heads \(6\)"),
        (lambda a: DecoderConfig(20, dropout=1.0), "dropout\n"),
        (lambda a: ask_lm(torch.ones(B, 3, STATE)), r"prefix.values: expected \(B, L, 32\)"),
        (lambda a: ask_lm(torch.full((B, 3), 50)), "ids 50 to 50, but .* knows 50 tokens"),
        (lambda a: ask_lm(torch.full((B, 3), -1)), "ids -1 to -1"),
    ],
)
def test_bad_input_is_named(call: Callable[[AMER], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(build("decoder"))
