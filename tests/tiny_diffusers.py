"""Real pipelines of diffusers, tiny and with random weights: they draw noise, but every part of them runs."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

SIDE = 64
"""Pixels of the pictures that they say they were made for."""


def save_text_to_image(folder: Path, **how: Any) -> Path:
    """Write a Stable Diffusion pipeline; `how` as its `save_pretrained` takes it."""
    from diffusers import StableDiffusionPipeline

    return _saved(StableDiffusionPipeline(**_parts(channels=4)), folder, **how)


def save_inpainting(folder: Path) -> Path:
    """Write an inpainting pipeline, whose network sees the picture and the mask beside the latents."""
    from diffusers import StableDiffusionInpaintPipeline

    return _saved(StableDiffusionInpaintPipeline(**_parts(channels=9)), folder)


def _saved(pipe: Any, folder: Path, **how: Any) -> Path:
    pipe.save_pretrained(folder, safe_serialization=True, **how)
    return folder


def _parts(channels: int) -> dict[str, Any]:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    letters = [letter + end for end in ("", "</w>") for letter in string.ascii_lowercase]
    vocabulary = {token: number for number, token in enumerate([*letters, "<|startoftext|>", "<|endoftext|>"])}
    first, last = vocabulary["<|startoftext|>"], vocabulary["<|endoftext|>"]
    config = CLIPTextConfig(
        vocab_size=len(vocabulary), hidden_size=16, intermediate_size=20, num_attention_heads=2, num_hidden_layers=1,
        bos_token_id=first, eos_token_id=last, pad_token_id=last,
    )  # fmt: skip
    torch.manual_seed(0)
    return {
        "unet": UNet2DConditionModel(
            sample_size=SIDE // 2, in_channels=channels, out_channels=4, layers_per_block=1, norm_num_groups=2,
            block_out_channels=(4, 8), cross_attention_dim=16, attention_head_dim=2,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        ),
        "vae": AutoencoderKL(
            block_out_channels=(4, 8), latent_channels=4, norm_num_groups=2,
            down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2,
        ),
        "text_encoder": CLIPTextModel(config),
        "tokenizer": CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=77),
        "scheduler": DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }  # fmt: skip
