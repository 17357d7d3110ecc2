"""A user's own folder of transformers files, opened: network, image processor, tokenizer.

Nothing here connects to a network or runs code from a folder, and weights are read from safetensors files only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chiasm.errors import ChiasmError

__all__ = ["configuration", "in_words", "network", "one_thread", "processor", "quiet", "tokenizer"]

_FOR_TRAINING = ("masked_spec_embed",)
"""Arrays that a network uses in training alone; files of trained recognizers of speech often lack them."""
_OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.onnx", "*.gguf")


@contextmanager
def in_words(name: str, folder: Path) -> Iterator[None]:
    """Whatever the libraries raise about a folder's files becomes one sentence."""
    try:
        yield
    except ChiasmError:
        raise
    except Exception as error:  # transformers has no error of its own for a folder that it cannot use
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise ChiasmError(
            f"{name}: {folder} cannot be used ({said}): wanted the whole folder as save_pretrained writes it, of a "
            f"model that {name} reads."
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """transformers without its progress bars and reports: what they say is checked here."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def one_thread() -> Iterator[None]:
    """torch on one thread a call: several wait for one another on a busy machine, and change the last bits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def configuration(folder: Path) -> Any:
    """The folder's configuration."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def network(name: str, folder: Path, kind: str = "AutoModel") -> tuple[Any, bool]:
    """The folder's network, in single precision and ready to run, and whether its pooling layer was trained.

    Args:
        kind: the class of transformers that opens it; "AutoModelForTextEncoding" opens the encoder alone, of a network
            that has a decoder too.

    Raises a ChiasmError for weights that are not safetensors, and for weights that do not fill the network: what is
    missing would be drawn at random.
    """
    import torch
    import transformers

    if not any(folder.glob("*.safetensors")):
        others = sorted(path.name for pattern in _OTHER_WEIGHTS for path in folder.glob(pattern))
        raise ChiasmError(
            f"{name}: wanted safetensors weights in {folder}, got {', '.join(others) or 'none'}: other formats can run "
            "code; where you trust them, open them in transformers once and write them with save_pretrained."
        )
    model, report = getattr(transformers, kind).from_pretrained(
        folder,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = sorted(key for key in report["missing_keys"] if key not in _FOR_TRAINING)
    if lacking := [key for key in missing if not key.startswith("pooler.")]:
        raise ChiasmError(
            f"{name}: the weights in {folder} lack {len(lacking)} of the network's arrays ({lacking[0]}, ...): copy "
            "the whole model."
        )
    return model.eval().requires_grad_(False), not missing


def tokenizer(name: str, folder: Path) -> Any:
    """The folder's tokenizer; a ChiasmError where it has no vocabulary: transformers makes up an empty one."""
    from transformers import AutoTokenizer

    made = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    files = set(made.vocab_files_names.values())  # none where the bytes themselves are the vocabulary
    if files and not any((folder / file).is_file() for file in files) and not any(folder.glob("*.model")):
        raise ChiasmError(
            f"{name}: wanted a tokenizer's vocabulary in {folder} ({' or '.join(sorted(files))}), got none: copy the "
            "tokenizer's files too."
        )
    return made


def processor(folder: Path) -> Any:
    """The folder's image processor, by Pillow: the same numbers whether torchvision is there or not."""
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False, backend="pil")
