"""Small checkpoints in the official form, built where they are needed."""

import json

import torch

from nova_eval.nova import checkpoint
from nova_eval.nova.config import TransformerConfig
from nova_eval.nova.schedule import DDPM
from nova_eval.nova.vae import build_vae, save_vae

VIDEO = TransformerConfig(
    arch=("vit_d2w64", "vit_d4w64", "mlp_d2w64"),
    image_size=(32, 64),
    text_token_dim=32,
    text_token_len=8,
    video_base_size=(3, 1, 2),
    video_mixer_rank=4,
)
IMAGE = TransformerConfig(
    arch=("vit_d2w64", "vit_d4w64", "mlp_d2w64"),
    image_size=(32, 32),
    text_token_dim=32,
    text_token_len=8,
)
RECORDED_CALLS = [
    ("nova-t2i-tiny", "t2i"),
    ("nova-t2i-tiny", "t2i_nocfg"),
    ("nova-t2v-tiny", "t2v"),
    ("nova-t2v-tiny", "t2i"),
    ("nova-t2v-tiny", "i2v"),
    ("nova-t2v-tiny", "long"),
]
"""Checkpoint and call of the reference pipeline's recordings."""
_VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": [32, 32, 32, 32],
    "layers_per_block": 1,
    "norm_num_groups": 32,
    "scaling_factor": 0.18215,
}
VIDEO_VAE = _VAE | {
    "_class_name": "AutoencoderKLOpenSora",
    "down_block_types": ["DownEncoderBlock2D"] * 2 + ["DownEncoderBlock3D"] * 2,
    "up_block_types": ["UpDecoderBlock3D"] * 4,
}
IMAGE_VAE = _VAE | {
    "_class_name": "AutoencoderKL",
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}


def write_checkpoint(folder, config, vae):
    schedule = DDPM(beta_schedule="squaredcos_cap_v2")
    model = checkpoint.build(config, seed=1)
    with torch.no_grad():  # weights large enough for the network to matter
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and "token" not in name:
                parameter.mul_(0.7 / (0.02 * parameter[0].numel() ** 0.5))
    checkpoint.save_transformer(model, folder / "transformer")
    checkpoint.save_schedule(schedule, folder / "scheduler")
    save_vae(build_vae(vae, seed=2), folder / "vae")
    write_text_encoder(folder)
    checkpoint.save_index(folder, vae["_class_name"], schedule)
    return folder


def write_text_encoder(folder, width=32, heads=2):
    from safetensors.torch import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PhiConfig, PhiModel

    for part in ("text_encoder", "tokenizer"):
        (folder / part).mkdir(parents=True)
    config = PhiConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=1,
        num_attention_heads=heads,
        vocab_size=257,
        partial_rotary_factor=0.5,
        max_position_embeddings=64,
    )
    weights = {
        f"model.{name}": torch.randn(tensor.shape, generator=torch.Generator().manual_seed(i)) * 0.1
        for i, (name, tensor) in enumerate(PhiModel(config).state_dict().items())
    }
    save_file(weights, folder / "text_encoder" / "model.safetensors")
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config.to_dict()))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<|endoftext|>": 0} | {letter: i + 1 for i, letter in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.save(str(folder / "tokenizer" / "tokenizer.json"))
