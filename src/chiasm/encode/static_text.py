"""Static embeddings from a folder of model2vec or sentence-transformers files: a vector a token, and their mean.

The folder's tokenizer and one table, in numpy: no network runs, so it is hundreds of times as quick as one that does.
Sources: Tulkens & van Dongen, Model2Vec, 2024; Aarsen, static embeddings in sentence-transformers, 2025.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from chiasm.allowed import SIZE, TEXT
from chiasm.encode._encoder import Encoder
from chiasm.encode._modules import Normalize, kept, kind_of, prompt, read
from chiasm.encode._modules_numpy import Step, steps
from chiasm.encode._words import LONGEST, readable
from chiasm.errors import ChiasmError
from chiasm.files import read_tensors
from chiasm.media.images import Note
from chiasm.nn.hub_files import file_checksum, find, loaded, part

__all__ = ["StaticText"]

requires = ("tokenizers",)


class _Opened(NamedTuple):
    """What a folder became."""

    tokenizer: Any
    rows: np.ndarray
    """`(tokens, d)`: a vector a token."""
    steps: list[Step]
    prompt: str
    kept: int | None
    """How many of a vector's first numbers."""
    unknown: int | None
    checksum: str


class StaticText(Encoder):
    """A text's vector `(n, d)` float32: the mean of its tokens' vectors, whatever their order.

    Choose it for millions of texts, or where a text may take microseconds, and you have such a model's files ("potion"
    models, static-retrieval-mrl). Choose `e5_text` where words in context matter.

    Args:
        model: a folder with model.safetensors and tokenizer.json, and modules.json where it has any, or a hub id whose
            files are in the local hub cache. On the command line `--encoder caption=static_text:FOLDER`.
        prompt: which of the folder's prompts stands before every text, by name; "": its default.
        truncate_dim: only so many of the vector's first numbers, for models that were trained so; 0: as many as
            the folder's config_sentence_transformers.json says, else all.

    A text is read up to the tokenizer's own limit, where it has one, and 20,000 characters; a cut is noted on the item.

    Raises a ChiasmError when the folder is not whole, or holds another kind of model.

    >>> StaticText("models/potion-base-8M")
    StaticText(model='models/potion-base-8M')
    """

    modality = "text"

    allowed: ClassVar = {"model": TEXT, "prompt": TEXT, "truncate_dim": SIZE}

    def __init__(self, model: str = "", prompt: str = "", truncate_dim: int = 0):
        self.model = model
        self.prompt = prompt
        self.truncate_dim = truncate_dim

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Look up and average; what is no text is skipped."""
        opened = self._open()
        texts, notes = readable(items)
        texts = [opened.prompt + text[:LONGEST].replace("\0", " ") for text in texts]
        texts = [text.encode("utf-8", "replace").decode() for text in texts]
        made = []
        for i, found in enumerate(opened.tokenizer.encode_batch(texts, add_special_tokens=False)):
            told = notes.setdefault(i, [])
            if not any(note.skipped for note in told):
                told += _told(opened, found)
            vector = opened.rows[found.ids].mean(0) if found.ids else np.zeros(opened.rows.shape[1], np.float32)
            for step in opened.steps:
                vector = step(vector)
            made.append(vector[: opened.kept])
        width = len(made[0]) if made else 0
        told_of = {i: notes[i] for i in range(len(items)) if notes[i]}
        return np.array(made, np.float32).reshape(len(items), width), told_of

    def weights(self) -> str:
        """A checksum of the folder's table, tokenizer and settings."""
        opened: _Opened | None = vars(self).get("_opened")
        return opened.checksum if opened else _checksum(*self._places())

    def _places(self) -> tuple[Path, Path, list[Any]]:
        """The folder, the one of its table, and its modules."""
        folder = find(self._name, self.model)
        modules = loaded(folder, "modules.json") or []
        if not modules:
            return folder, folder, []
        if kind_of(modules[0]) != "StaticEmbedding":
            raise ChiasmError(
                f"static_text: wanted StaticEmbedding as the first module in {folder}/modules.json, got "
                f"{kind_of(modules[0])}: a network is for hf_text."
            )
        return folder, part(folder, modules[0]), modules

    def _open(self) -> _Opened:
        if vars(self).get("_opened") is None:
            from tokenizers import Tokenizer

            folder, place, modules = self._places()
            for name in ("tokenizer.json", "model.safetensors"):
                if not (place / name).is_file():
                    raise ChiasmError(f"static_text: wanted {name} in {place}, got none: copy the whole folder.")
            mark = _checksum(folder, place, modules)
            try:
                tokenizer = Tokenizer.from_file(str(place / "tokenizer.json"))
            except Exception as error:  # tokenizers raises plain Exceptions
                raise ChiasmError(f"static_text: {place}/tokenizer.json is no tokenizer ({error}).") from None
            tokenizer.no_padding()
            rows = _table(place / "model.safetensors", tokenizer.get_vocab_size())
            found = read(self._name, folder, modules, "StaticEmbedding")
            if not modules and (loaded(folder, "config.json") or {}).get("normalize"):  # model2vec's own layout
                found = [Normalize()]
            unknown = loaded(place, "tokenizer.json")["model"].get("unk_token")
            words = prompt(self._name, folder, self.prompt)
            number = None if unknown is None else tokenizer.token_to_id(unknown)
            first = kept(self._name, folder, self.truncate_dim)
            self._opened = _Opened(tokenizer, rows, steps(found), words, first, number, mark)
        return self._opened

    @property
    def _name(self) -> str:
        return "static_text"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_opened"}


def _told(opened: _Opened, found: Any) -> list[Note]:
    """What to say of a text's tokens: that it was cut, and that most are unknown."""
    told = []
    if found.overflowing:
        count = len(found.ids) + sum(len(rest.ids) for rest in found.overflowing)
        told.append(Note("cut", f"read the first {len(found.ids)} of {count} tokens"))
    lacking = found.ids.count(opened.unknown)
    if 2 * lacking > len(found.ids) or not found.ids:
        told.append(Note("unknown_words", f"{lacking} of {len(found.ids)} tokens are not in the vocabulary"))
    return told


def _table(file: Path, tokens: int) -> np.ndarray:
    """The vectors `(tokens, d)` float32, from the arrays of either library."""
    arrays = read_tensors(file)[0]
    rows = arrays.get("embedding.weight", arrays.get("embeddings"))
    if rows is None or rows.ndim != 2:
        raise ChiasmError(
            f"static_text: wanted the array embedding.weight or embeddings in {file}, got "
            f"{', '.join(arrays)[:80] or 'none'}: a network is for hf_text."
        )
    if (mapping := arrays.get("mapping")) is not None:  # a smaller table, and which row is which token's
        rows = rows[mapping]
    rows = np.array(rows, np.float32)
    if (weights := arrays.get("weights")) is not None:
        rows *= weights.astype(np.float32)[:, None]
    if len(rows) < tokens:
        raise ChiasmError(f"static_text: {file} has {len(rows)} vectors for {tokens} tokens: copy the folder again.")
    return rows


def _checksum(folder: Path, place: Path, modules: list[Any]) -> str:
    """SHA-256 of everything that can change a number."""
    total = hashlib.sha256()
    for one in sorted({folder, place, *(part(folder, module) for module in modules)}):
        for path in sorted(one.iterdir()) if one.is_dir() else []:
            if path.suffix in (".json", ".safetensors"):
                total.update(f"{path.relative_to(folder)} {file_checksum(path)}\n".encode())
    return total.hexdigest()
