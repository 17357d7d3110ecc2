"""What the encoders of a user's own Hugging Face files share: opening the folder, one item a call, one-sentence errors.

Nothing here connects to a network or runs code from a folder, and weights are read from safetensors files only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from chiasm import scale
from chiasm.encode._encoder import Encoder, each
from chiasm.encode._hf_files import checksum, find, libraries
from chiasm.errors import ChiasmError
from chiasm.media.images import MediaError, Note

__all__ = ["T5", "Hf", "Opened", "configuration", "network", "one_thread", "processor", "tokenizer"]

_FOR_TRAINING = ("masked_spec_embed",)
"""Arrays that a network uses in training alone; files of trained recognizers of speech often lack them."""
_OTHER_WEIGHTS = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.h5", "*.msgpack", "*.onnx", "*.gguf")
T5 = ("t5", "mt5", "umt5")
"""Networks of an encoder and a decoder, of which the encoder alone is used for texts."""


@dataclass
class Opened:
    """What a folder became: everything that one call needs."""

    network: Any
    reader: Any
    """The folder's own tokenizer or image processor."""
    limit: int = 0
    """The most tokens that the network reads of a text."""
    prompt: str = ""
    """What stands before every text."""
    lower: bool = False
    """Whether every text is put in small letters first."""
    steps: Sequence[Callable[[Any], Any]] = ()
    """What makes a text's token states one vector; none: the network's own pooled output."""
    pooled: bool = True
    """Whether the network's own pooled output was trained."""
    one_at_a_time: Any = field(default_factory=Lock)
    """Held while a tokenizer works, which keeps how to cut and pad as a state of its own, and for large images."""
    width: int = 0
    checksum: str = ""


class Hf(Encoder):
    """An encoder whose network is a folder of transformers files that the user names in `model`.

    A file of this kind implements `_load` (folder -> Opened) and `_run` (an item -> vector, token states, notes).
    One item a call and one thread a call, as many calls at once as there are cores: no text is padded to the length of
    another, so an item gives the same bits in any company and on any number of cores.
    """

    model: str

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Encode on all cores; unreadable items are noted as skipped, cut ones as cut."""
        opened = self._open()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            vector, _, notes = self._run(opened, item)
            return vector, notes

        with one_thread():
            return each(one, items, opened.width)

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The network's last states of each item's parts (words, patches): n float32 arrays `(t_i, d)`.

        Raises a ChiasmError that names the first item that cannot be read.
        """
        opened = self._open()

        def one(item: Any) -> np.ndarray:
            try:
                return self._run(opened, item)[1]
            except MediaError as error:
                raise ChiasmError(f"cannot encode {self.modality} {str(item)[:200]!r}: {error}.") from None

        with one_thread():
            return list(scale.threads(one, items))

    def weights(self) -> str:
        """A checksum of the folder's weights and settings, and the version of transformers, which reads them."""
        opened: Opened | None = vars(self).get("_opened")
        return opened.checksum if opened else checksum(self._name, self._folder())

    def _load(self, folder: Path) -> Opened:
        raise NotImplementedError

    def _run(self, opened: Opened, item: Any) -> tuple[np.ndarray, np.ndarray, list[Note]]:
        """The vector `(d,)` and the token states `(t, d')` of an item; a MediaError where it cannot be read."""
        raise NotImplementedError

    def _probe(self) -> Any:
        """An item that any such network can read: the first call shows that it works, and its width."""
        raise NotImplementedError

    def _open(self) -> Opened:
        if vars(self).get("_opened") is None:
            folder = self._folder()
            libraries(self._name)
            mark = checksum(self._name, folder)
            with _sentence(self._name, folder), _quiet():
                opened = self._load(folder)
                with one_thread():
                    opened.width = len(self._run(opened, self._probe())[0])
            opened.checksum = mark
            self._opened = opened
        return self._opened

    def _folder(self) -> Path:
        return find(self._name, self.model)

    @property
    def _name(self) -> str:
        return type(self).__module__.rsplit(".", 1)[-1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_opened"}


@contextmanager
def _sentence(name: str, folder: Path) -> Iterator[None]:
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
def _quiet() -> Iterator[None]:
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


def network(name: str, folder: Path, *, encoder: bool = False) -> tuple[Any, bool]:
    """The folder's network, in single precision and ready to run, and whether its pooling layer was trained.

    Args:
        encoder: open the encoder alone, of a network that has a decoder too.

    Raises a ChiasmError for weights that are not safetensors, and for weights that do not fill the network: what is
    missing would be drawn at random.
    """
    import torch
    from transformers import AutoModel, AutoModelForTextEncoding

    if not any(folder.glob("*.safetensors")):
        others = sorted(path.name for pattern in _OTHER_WEIGHTS for path in folder.glob(pattern))
        raise ChiasmError(
            f"{name}: wanted safetensors weights in {folder}, got {', '.join(others) or 'none'}: other formats can run "
            "code; where you trust them, open them in transformers once and write them with save_pretrained."
        )
    model, report = (AutoModelForTextEncoding if encoder else AutoModel).from_pretrained(
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
