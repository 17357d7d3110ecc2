"""Tiny networks of sound and video on disk, of random weights, in the layouts that users bring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import _tiny

MODELS = {"hf_audio": "wav2vec2", "hf_audio_text": "clap", "hf_video": "videomae", "hf_video_text": "xclip"}
"""By encoder, the tiny model that it is tested with where any will do."""


def tiny(kind: str, seed: int = 0) -> Path:
    """The folder of a tiny model: ast, clap, clap_fused, hubert, wav2vec2, whisper, videomae or xclip."""
    import torch

    folder = _tiny.home() / f"{kind}-{seed}"
    if folder.exists():
        return folder
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(seed)
    model, reader, text = _made(kind)
    for name, values in model.named_parameters():
        if "norm" not in name.lower() and values.dim() > 1:
            torch.nn.init.normal_(values, std=0.2)
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    if text:
        _tiny._tokenizer(folder)
    return folder


def _made(kind: str) -> tuple[Any, Any, bool]:
    """A network, what reads its sound or its pictures, and whether it reads texts."""
    import transformers as t

    text = {"vocab_size": len(_tiny.WORDS), "max_position_embeddings": 16, "pad_token_id": 0, **_tiny.SIZE}
    waves = {"conv_dim": [16] * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2, **_tiny.SIZE}
    if kind == "ast":
        config = t.ASTConfig(max_length=128, num_mel_bins=32, **_tiny.SIZE)
        return t.ASTModel(config), t.ASTFeatureExtractor(num_mel_bins=32, max_length=128), False
    if kind.startswith("clap"):
        fused = kind == "clap_fused"
        sound = {"spec_size": 128, "num_mel_bins": 32, "window_size": 4, "patch_embeds_hidden_size": 8}
        sound |= {"depths": [1, 1], "num_attention_heads": [1, 2], "hidden_size": 16, "enable_fusion": fused}
        sound |= {"fusion_num_hidden_layers": 1}
        config = t.ClapConfig(
            audio_config=sound,
            text_config={**text, "max_position_embeddings": 18, "pad_token_id": 1},
            projection_dim=10,
        )
        return t.ClapModel(config), t.ClapFeatureExtractor(feature_size=32, max_length_s=1, sampling_rate=24000), True
    if kind == "hubert":
        return t.HubertModel(t.HubertConfig(**waves)), t.Wav2Vec2FeatureExtractor(), False
    if kind == "wav2vec2":
        return t.Wav2Vec2Model(t.Wav2Vec2Config(**waves)), t.Wav2Vec2FeatureExtractor(), False
    if kind == "whisper":
        config = t.WhisperConfig(
            vocab_size=20, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
            decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_source_positions=100,
            num_mel_bins=20, pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1,
            suppress_tokens=None, begin_suppress_tokens=None,
        )  # fmt: skip
        return t.WhisperModel(config), t.WhisperFeatureExtractor(feature_size=20, chunk_length=2), False
    crop = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    picture = {"image_size": 32, "patch_size": 8, **_tiny.SIZE}
    if kind == "videomae":
        config = t.VideoMAEConfig(num_frames=8, **picture)
        return t.VideoMAEModel(config), t.VideoMAEImageProcessorPil(**crop), False
    if kind == "xclip":
        seen = {"num_frames": 4, "mit_hidden_size": 10, "mit_intermediate_size": 20, "mit_num_attention_heads": 2}
        text |= {"bos_token_id": 2, "eos_token_id": 3}
        options = {"projection_dim": 10, "prompt_num_attention_heads": 2}
        config = t.XCLIPConfig(text_config=text, vision_config={**picture, **seen}, **options)
        return t.XCLIPModel(config), t.VideoMAEImageProcessorPil(**crop), True
    raise ValueError(kind)
