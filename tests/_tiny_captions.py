"""Tiny networks that caption pictures, in folders as transformers writes them: one taught, others random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from _tiny import SIZE, home
from chiasm.data.toy import COLORS, SHAPES, shape_image

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", *COLORS, *SHAPES, "on", "white", "ground", "in", "the", "snow"]
SIDE = 32
STEPS = 120


def tiny(kind: str = "taught", seed: int = 0) -> Path:
    """The folder of a captioner: "taught" (names colors), "random", "blip" and "git" of random weights."""
    import torch
    import transformers as t

    folder = home() / f"captions-{kind}-{seed}"
    if folder.exists():
        return folder
    t.utils.logging.disable_progress_bar()
    folder.mkdir()
    torch.manual_seed(seed)
    model, reader = _made(kind)
    _tokenizer(folder)
    if kind == "taught":
        _teach(model, reader)
    model.eval().save_pretrained(folder)
    reader.save_pretrained(folder)
    return folder


def _made(kind: str) -> tuple[Any, Any]:
    import transformers as t

    text = {"vocab_size": len(WORDS), "max_position_embeddings": 64, "pad_token_id": 0, **SIZE}
    seen = {"image_size": SIDE, "patch_size": 8, **SIZE}
    ids = {"bos_token_id": 2, "eos_token_id": 3}
    square = {"height": SIDE, "width": SIDE}
    if kind == "blip":
        config = t.BlipConfig(
            text_config={**text, **ids, "sep_token_id": 3, "encoder_hidden_size": 16}, vision_config=seen
        )
        return t.BlipForConditionalGeneration(config), t.BlipImageProcessorPil(size=square)
    if kind == "git":
        config = t.GitConfig(vision_config=seen, **text, **ids)
        return t.GitForCausalLM(config), t.CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=square)
    words = t.BertConfig(is_decoder=True, add_cross_attention=True, **text, **ids)
    config = t.VisionEncoderDecoderConfig.from_encoder_decoder_configs(t.ViTConfig(**seen), words)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 2, 0, 3
    model = t.VisionEncoderDecoderModel(config)
    model.generation_config = t.GenerationConfig(decoder_start_token_id=2, pad_token_id=0, eos_token_id=3)
    return model, t.ViTImageProcessorPil(size=square)


def _teach(model: Any, reader: Any) -> None:
    """Colored shapes and what is said of them."""
    import torch

    rng = np.random.default_rng(0)
    kinds = [(color, shape) for color in COLORS for shape in SHAPES] * 12
    pictures = [shape_image(c, s, seed=1000 + i) for i, (c, s) in enumerate(kinds)]
    pixels = reader(images=pictures, return_tensors="pt")["pixel_values"]
    place = {word: i for i, word in enumerate(WORDS)}
    told = torch.tensor([[*(place[w] for w in ("a", c, s, "on", "a", "white", "ground")), 3] for c, s in kinds])
    work = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        some = torch.from_numpy(rng.choice(len(kinds), 48, replace=False))
        loss = model(pixel_values=pixels[some], labels=told[some]).loss
        work.zero_grad()
        loss.backward()
        work.step()


def _tokenizer(folder: Path) -> None:
    from transformers import BertTokenizer

    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
