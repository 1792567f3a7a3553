"""Which language models can be used: those that do on a few tokens what the loop rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from amer_lite import AMER, AMERConfig, Prefix
from amer_lite.model.language_model import LanguageModel
from tests import slow_model
from tests.test_model import DIM, LLAMA, B, L, M, assert_near, build, golds_for, prefix_for

FAMILIES: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4},  # takes no positions
    "mpt": {"d_model": 32, "n_layers": 2, "n_heads": 4},
    "llama4_text": LLAMA | {"head_dim": 8, "num_local_experts": 2, "intermediate_size_mlp": 64},
    "opt": LLAMA | {"ffn_dim": 64, "word_embed_proj_dim": 32},
    "roformer": LLAMA | {"is_decoder": True},  # with frozen positions of its own
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2, "state_size": 8},
    "rwkv": {"hidden_size": 32, "num_hidden_layers": 2, "attention_hidden_size": 32},
    "recurrent_gemma": LLAMA | {"lru_width": 32, "block_types": ["recurrent", "attention"]},
    "bart": {"d_model": 32, "decoder_layers": 2, "encoder_layers": 2},
    "bert": LLAMA | {"is_decoder": False},
    "roberta": LLAMA | {"is_decoder": True, "pad_token_id": 1},
    "t5": {"d_model": 32},
    "qwen3_next": LLAMA
    | {
        "head_dim": 8,
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "layer_types": ["linear_attention", "full_attention"],
        "linear_num_value_heads": 4,
    }
    | {"linear_num_value_heads": 4, "linear_num_key_heads": 2}
    | {"linear_key_head_dim": 8, "linear_value_head_dim": 8},
    "gpt2": {"n_embd": 32, "n_head": 0},
    "nothing": {},
}
REFUSED = {
    "mamba": "it keeps no cache",
    "rwkv": "it keeps no cache",
    "recurrent_gemma": "it keeps no cache",
    "bart": "looks ahead, or counts padding",
    "bert": "keeps no cache",
    "roberta": "more to a token than its embedding",
    "t5": "Unrecognized configuration class",
    "qwen3_next": "needed for gradient computation",
    "gpt2": "'gpt2': ZeroDivisionError",
    "nothing": "Unrecognized model identifier",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_works_or_is_refused_with_the_reason(family: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = AMERConfig(DIM, lm={"model_type": family, "vocab_size": 50} | FAMILIES[family])
    if family in REFUSED:
        with pytest.raises(ValueError, match=REFUSED[family]):
            AMER(config)
        return
    model, padded = AMER(config).eval(), prefix_for("lm", [5, 7, 2, 4])
    assert isinstance(model.backbone, LanguageModel)
    nn.init.normal_(model.input_projection.weight)
    together = model.generate(padded, M)
    for i in range(B):
        alone = padded.select([i])
        assert_near(slow_model.rollout(model, alone, M)[0].detach(), together[i])
    model.save(tmp_path)
    assert torch.equal(AMER.load(tmp_path).generate(padded, M), together)


def test_a_token_that_is_more_than_its_embedding_is_refused() -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = LLAMA | {"head_dim": 8, "hidden_size_per_layer_input": 8, "intermediate_size": [64, 64]}
    sizes |= {"vocab_size_per_layer_input": 50, "laurel_rank": 4, "num_kv_shared_layers": 0}
    sizes |= {"activation_sparsity_pattern": [0.0, 0.0], "layer_types": ["full_attention"] * 2}
    config = AutoConfig.for_model("gemma3n_text", **sizes, pad_token_id=0)
    lm = AutoModelForCausalLM.from_config(config)
    for parameter in lm.parameters():
        nn.init.normal_(parameter, std=0.1)
    with pytest.raises(ValueError, match=r"Gemma3nTextModel .*more to a token than its embedding"):
        AMER.from_lm(lm, DIM)
    with pytest.raises(ValueError, match=r"expected a model as .*, got <class 'str'>"):
        AMER.from_lm("gpt2", DIM)


def test_what_is_beyond_the_positions_of_a_language_model_is_refused() -> None:
    model = build("gpt2")  # of 64 positions; the last vector is not read again
    assert model.generate(prefix_for("gpt2", [3, 62]), 3).shape == (2, 3, DIM)
    for call in (model.generate, lambda prefix, m: model.rollout(prefix, m=m)):
        with pytest.raises(ValueError, match=r"63 tokens and m=3 vectors, but .* has 64 positions"):
            call(prefix_for("gpt2", [3, 63]), 3)


def test_from_lm_keeps_the_weights_and_their_dtype(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    lm = AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **LLAMA)).eval()
    model, prefix = AMER.from_lm(lm, DIM).eval(), prefix_for("llama", [L] * B)
    hidden = lm.model(input_ids=prefix.values).last_hidden_state[:, -1]
    expected = nn.functional.normalize(model.output_projection(hidden), dim=-1)
    assert_near(model.rollout(prefix, m=1)[:, 0], expected)
    embedded = Prefix(lm.get_input_embeddings()(prefix.values), prefix.mask)
    assert_near(model.generate(embedded, 2), model.generate(prefix, 2))
    model = AMER.from_lm(lm.bfloat16(), DIM)
    generated = model.generate(prefix, M)
    for vectors in (generated, model.rollout(prefix, golds_for(), feedback="gold")):
        assert vectors.dtype == torch.float32
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(B, M))
    model.save(tmp_path)
    loaded = AMER.load(tmp_path)
    assert {value.dtype for value in loaded.parameters()} == {torch.bfloat16}
    assert torch.equal(loaded.generate(prefix, M), generated)


def test_without_a_kv_cache_several_vectors_are_refused_not_wrong() -> None:
    model, prefix = build("llama"), prefix_for("llama", [L] * B)
    expected = model.rollout(prefix, golds_for(), feedback="gold")
    assert isinstance(model.backbone, LanguageModel)
    body = model.backbone.body  # with checkpointing, transformers switches its cache off
    name = "activation_checkpointing_enable"
    getattr(body, name if hasattr(body, name) else "gradient_checkpointing_enable")()
    model.train()
    with pytest.raises(ValueError, match="keeps no KV cache"):
        model.rollout(prefix, m=2)
    assert_near(model.rollout(prefix, golds_for(), feedback="gold"), expected)  # needs no cache
