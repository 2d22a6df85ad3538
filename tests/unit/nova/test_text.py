"""Prompt embeddings: agreement with the reference, independence of the batch, cutting, and the cache on disk."""

import json
import logging

import pytest
import torch
from nova_checkpoints import RECORDED_CALLS
from safetensors.torch import load_file, save_file

from nova_eval.errors import PrerequisiteError, UsageError
from nova_eval.nova.parts import Parts
from nova_eval.nova.text import TextEncoder, pad_with_table

PROMPTS = ["a red circle above a blue square", "", "jellyfish 日本語 🎬", "a", "  two  blanks<|endoftext|>"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def reference():
    from transformers import PhiConfig, PhiForCausalLM

    config = PhiConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        vocab_size=300,
        partial_rotary_factor=0.4,
        max_position_embeddings=512,
    )
    before = torch.get_rng_state()
    torch.manual_seed(0)
    model = PhiForCausalLM(config).eval()
    torch.set_rng_state(before)
    for name, parameter in model.named_parameters():
        if name.endswith(("layernorm.bias", "layernorm.weight")):
            parameter.data += torch.linspace(-0.5, 0.5, 32)
    return model


@pytest.fixture
def checkpoint(tmp_path, reference):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    (tmp_path / "text_encoder").mkdir()
    (tmp_path / "tokenizer").mkdir()
    weights = {name: tensor.clone() for name, tensor in reference.state_dict().items()}
    save_file(weights, tmp_path / "text_encoder" / "model.safetensors")
    config = reference.config.to_dict() | {"architectures": ["PhiEncoderModel"], "torch_dtype": "float32"}
    (tmp_path / "text_encoder" / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(["a red circle above a blue square"] * 4, trainer)
    tokenizer.enable_padding(length=64)  # what somebody may have saved must not matter
    tokenizer.enable_truncation(3)
    tokenizer.save(str(tmp_path / "tokenizer" / "tokenizer.json"))
    return tmp_path


def load(checkpoint, **changes):
    return TextEncoder.load(
        Parts.within(checkpoint), **{"dtype": torch.float32, "device": "cpu", "max_length": 40} | changes
    )


class TestAgreesWithTheReference:
    @pytest.mark.parametrize(("name", "case"), RECORDED_CALLS)
    def test_recorded_embeddings(self, parity, name, case):
        folder = parity / "nova" / name
        recorded = load_file(folder / f"expected_{case}.safetensors")["prompt_embeds"]
        table = load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors")["text_embed.weight"]
        prompts = json.loads((parity / "nova" / "index.json").read_text())[name][case]["prompt"]
        prompts = [prompts] if isinstance(prompts, str) else prompts
        rows = load(folder, max_length=16).encode([*prompts, *[""] * len(prompts)])
        assert torch.allclose(pad_with_table(rows, table, 16), recorded, atol=1e-5, rtol=0)

    def test_tokens_are_those_of_the_transformers_tokenizer(self, parity):
        from transformers import AutoTokenizer

        folder = parity / "nova" / "nova-t2v-tiny"
        official = AutoTokenizer.from_pretrained(folder / "tokenizer")
        encoder = load(folder)
        for prompt in [*PROMPTS, "don't\tI'll\n", " ", "naïve", "A" * 200]:
            assert encoder.tokens(prompt) == official(prompt).input_ids

    def test_padding_of_the_reference_changes_nothing_but_rounding(self, checkpoint, reference):
        """The reference pads to ``max_length`` without a mask, and keeps the prompt's own rows."""
        encoder = load(checkpoint)
        for prompt, rows in zip(PROMPTS, encoder.encode(PROMPTS), strict=True):
            ids = encoder.tokens(prompt)
            padded = torch.tensor([ids + [0] * (40 - len(ids))])
            with torch.no_grad():
                hidden = reference.model(padded, use_cache=False).last_hidden_state[0]
            assert rows.shape == (len(ids), 32)
            assert torch.allclose(rows, hidden[: len(ids)], atol=2e-6)


class TestIndependence:
    def test_alone_equals_in_a_batch_bit_for_bit(self, checkpoint):
        together = load(checkpoint).encode(PROMPTS)
        for prompt, rows in zip(PROMPTS, together, strict=True):
            assert torch.equal(load(checkpoint).encode([prompt])[0], rows)

    def test_repeated_prompts_are_encoded_once(self, checkpoint, monkeypatch):
        encoder, calls = load(checkpoint), []
        run = encoder._run
        monkeypatch.setattr(encoder, "_run", lambda ids: calls.append(ids) or run(ids))
        rows = encoder.encode(["a", "b", "a"])
        assert len(calls) == 2
        assert torch.equal(rows[0], rows[2])

    def test_loading_leaves_the_global_generator_alone(self, checkpoint):
        before = torch.get_rng_state()
        load(checkpoint).encode(["a"])
        assert torch.equal(torch.get_rng_state(), before)

    def test_half_precision_stays_near(self, checkpoint):
        full = load(checkpoint).encode(PROMPTS[:1])[0]
        half = load(checkpoint, dtype=torch.bfloat16).encode(PROMPTS[:1])[0]
        assert half.dtype == torch.bfloat16
        assert (half.float() - full).abs().max() < 0.1


class TestLength:
    def test_long_prompts_are_cut_with_one_line(self, checkpoint, caplog):
        encoder = load(checkpoint, max_length=5)
        with caplog.at_level(logging.WARNING):
            rows = encoder.encode(["one two three four five six"] * 2)
            encoder.encode(["one two three four five six"])
        assert rows[0].shape == (5, 32)
        (record,) = caplog.records
        kept = len(encoder.tokens("one two three four five six"))
        assert f"5 of {kept} tokens kept" in record.getMessage()
        assert torch.allclose(rows[0], load(checkpoint).encode(["one two three four five six"])[0][:5], atol=2e-6)

    def test_the_empty_prompt_is_the_table(self, checkpoint):
        table = torch.arange(512 * 32.0).reshape(512, 32)
        assert load(checkpoint).encode([""])[0].shape == (0, 32)
        assert torch.equal(pad_with_table(load(checkpoint).encode([""]), table, 7)[0], table[:7])

    def test_rows_past_the_prompt_come_from_the_table(self):
        table, prompt = torch.arange(16.0).reshape(8, 2), torch.full((3, 2), -1.0)
        padded = pad_with_table([prompt, torch.full((9, 2), -2.0)], table, 5)
        assert torch.equal(padded[0], torch.cat([prompt, table[3:5]]))
        assert torch.equal(padded[1], torch.full((5, 2), -2.0))
        assert padded.dtype == table.dtype
        assert torch.equal(table, torch.arange(16.0).reshape(8, 2))
        with pytest.raises(UsageError, match="9 text tokens exceed the 8 rows"):
            pad_with_table([prompt], table, 9)


class TestCache:
    def test_a_cached_prompt_never_reads_the_weights(self, checkpoint, tmp_path):
        first = load(checkpoint, cache=tmp_path / "cache").encode(PROMPTS)
        again = load(checkpoint, cache=tmp_path / "cache")
        for rows, cached in zip(first, again.encode(PROMPTS), strict=True):
            assert torch.equal(rows, cached)
        assert again._network is None
        assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 4  # the empty prompt needs no file
        assert not list((tmp_path / "cache").rglob("*.tmp"))

    @pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "nonsense"])
    def test_damaged_entries_are_made_anew(self, checkpoint, tmp_path, damage):
        encoder = load(checkpoint, cache=tmp_path / "cache")
        rows = encoder.encode(["a red circle"])[0]
        (file,) = (tmp_path / "cache").rglob("*.safetensors")
        content = file.read_bytes()
        if damage == "foreign":
            save_file({"rows": torch.zeros(2, 32)}, file)
        else:
            flipped = content[:-3] + bytes([content[-3] ^ 0x40]) + content[-2:]
            file.write_bytes(
                {"truncated": content[:-9], "flipped": flipped, "empty": b"", "nonsense": b"\xff" * 64}[damage]
            )
        assert torch.equal(encoder.encode(["a red circle"])[0], rows)
        assert file.read_bytes() == content

    def test_entries_are_told_apart_by_everything_they_depend_on(self, checkpoint, tmp_path):
        cache = tmp_path / "cache"
        for changes in ({}, {"dtype": torch.float16}, {"max_length": 3}, {}):
            load(checkpoint, cache=cache, **changes).encode(["a red circle"])
        assert len(list(cache.rglob("*.safetensors"))) == 3
        weights = load_file(checkpoint / "text_encoder" / "model.safetensors")
        weights["model.final_layernorm.bias"] += 1
        save_file(weights, checkpoint / "text_encoder" / "model.safetensors")
        changed = load(checkpoint, cache=cache).encode(["a red circle"])[0]
        assert len(list(cache.rglob("*.safetensors"))) == 4
        assert torch.equal(changed, load(checkpoint).encode(["a red circle"])[0])

    def test_release_frees_the_network_and_it_comes_back(self, checkpoint):
        encoder = load(checkpoint)
        rows = encoder.encode(["a"])[0]
        encoder.release()
        assert encoder._network is None
        assert torch.equal(encoder.encode(["a"])[0], rows)


class TestErrors:
    def test_missing_parts(self, checkpoint, tmp_path):
        with pytest.raises(PrerequisiteError, match="no such file"):
            load(tmp_path / "nowhere")
        (checkpoint / "tokenizer" / "tokenizer.json").write_text("{}")
        with pytest.raises(PrerequisiteError, match="unreadable tokenizer"):
            load(checkpoint)

    def test_another_encoder(self, checkpoint):
        file = checkpoint / "text_encoder" / "config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"model_type": "t5"}))
        with pytest.raises(UsageError, match="unknown text encoder 't5'"):
            load(checkpoint)

    def test_weights_that_do_not_fit(self, checkpoint):
        file = checkpoint / "text_encoder" / "model.safetensors"
        weights = load_file(file)
        del weights["model.layers.0.mlp.fc1.bias"]
        save_file(weights, file)
        with pytest.raises(UsageError, match=r"1 missing \['layers\.0\.mlp\.fc1\.bias'\]"):
            load(checkpoint).encode(["a"])
