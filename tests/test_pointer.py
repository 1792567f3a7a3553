"""The pointer: it starts as the encoder, looks where training tells it to, and remembers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from amer_lite import AMER, AMERConfig, DecoderConfig, Prefix, TrainConfig, TrainData, fit
from amer_lite.model.pointer import Pointer

DECODER = DecoderConfig(8, width=24, layers=1, heads=3)


def prefix() -> Prefix:
    generator = torch.Generator().manual_seed(0)
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0]]).bool()
    return Prefix(torch.randn(3, 3, 8, generator=generator), mask)


def test_untrained_every_vector_is_the_mean_of_the_token_states() -> None:
    torch.manual_seed(0)
    model, queries = AMER(AMERConfig(8, decoder=DECODER, pointer=True)).eval(), prefix()
    states = queries.values.masked_fill(~queries.mask[..., None], 0)
    mean = F.normalize(states.sum(1), dim=-1)  # normalised, so the count does not matter
    torch.testing.assert_close(model.generate(queries, 3), mean[:, None].expand(-1, 3, -1))
    even = queries.mask / queries.mask.sum(1, keepdim=True)
    torch.testing.assert_close(model.attention(queries, 3), even[:, None].expand(-1, 3, -1))


def test_basis_compresses_the_states() -> None:
    model, queries = AMER(AMERConfig(2, decoder=DECODER, pointer=True)).eval(), prefix()
    assert model.pointer is not None
    basis = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))[0][:2]
    model.pointer.basis.copy_(basis)
    expected = F.normalize(queries.values.masked_fill(~queries.mask[..., None], 0).sum(1) @ basis.T)
    torch.testing.assert_close(model.generate(queries, 1)[:, 0], expected)


def test_what_was_looked_at_is_avoided() -> None:
    torch.manual_seed(0)
    pointer, states = Pointer(24, 8, 8), torch.randn(2, 4, 8)
    mask, seen = torch.ones(2, 4, dtype=torch.bool), torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]])
    place, attention = pointer(torch.randn(2, 24), states, mask, seen)
    weights = torch.tensor([-5.0, 0, 0, 0]).softmax(0)
    torch.testing.assert_close(attention, torch.stack([weights, torch.full((4,), 0.25)]))
    torch.testing.assert_close(place[0], F.normalize(weights @ states[0], dim=0))


def test_it_learns_to_name_the_parts_of_a_query_it_has_never_seen(tmp_path: Path) -> None:
    """Golds are the query's own tokens; a decoder without a pointer has to learn the identity."""
    generator = torch.Generator().manual_seed(0)
    documents = F.normalize(torch.randn(900, 16, generator=generator), dim=-1)
    rows = torch.rand(1500, 800, generator=generator).argsort(1)[:, :2]
    unseen = 800 + torch.rand(50, 100, generator=generator).argsort(1)[:, :2]

    def states(chosen: torch.Tensor) -> Prefix:
        return Prefix(documents[chosen], torch.ones(chosen.shape, dtype=torch.bool))

    data = TrainData(states(rows), rows.tolist(), documents)

    def found(model: AMER) -> float:
        nearest = (model.generate(states(unseen), 2) @ documents.T).argmax(-1).sort(1).values
        return float((nearest == unseen.sort(1).values).all(1).float().mean())

    decoder = DecoderConfig(16, width=24, layers=1, heads=3)
    config = TrainConfig(steps=120, m=2, batch_size=48, learning_rate=6e-3, evaluate_every=60)
    scores = {}
    for pointer in (True, False):
        torch.manual_seed(0)
        model = AMER(AMERConfig(16, decoder=decoder, pointer=pointer))
        fit(model, data, config, found, progress=False)
        scores[pointer] = found(model)
        if pointer:
            look = model.eval().attention(states(unseen), 2)
            assert (look.argmax(-1).sort(1).values == torch.arange(2)).all(1).float().mean() > 0.9
            model.save(tmp_path)
            assert found(AMER.load(tmp_path)) == scores[True]
    assert scores[True] > 0.9 > 0.6 > scores[False]  # when this was written: 0.98 and 0.34


def test_only_a_pointer_in_evaluation_shows_its_attention() -> None:
    model = AMER(AMERConfig(8, decoder=DECODER))
    with pytest.raises(ValueError, match="pointer=True"):
        model.eval().attention(prefix(), 2)
    with pytest.raises(ValueError, match=r"model\.eval\(\)"):
        AMER(AMERConfig(8, decoder=DECODER, pointer=True)).attention(prefix(), 2)
