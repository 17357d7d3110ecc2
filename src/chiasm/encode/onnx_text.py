"""A language model from an ONNX file, with its tokenizer.json: any language, no torch, no transformers.

The tokenizer by the package tokenizers, the network by ONNX Runtime, without a network connection. One text a call and
one thread a call: nothing is padded, so a text gives the same numbers in any company.
Source: Reimers & Gurevych, Sentence-BERT, EMNLP 2019.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import SIZE, TEXT, choice
from chiasm.encode._hf_read import MOST, USUAL
from chiasm.encode._modules import Module, Pooling, kept, prompt, read
from chiasm.encode._modules_numpy import steps
from chiasm.encode._onnx import Network, Onnx, Opened, near, settings
from chiasm.encode._words import LONGEST, readable
from chiasm.errors import ChiasmError, unknown
from chiasm.media.images import MediaError, Note
from chiasm.nn.hub_files import loaded

__all__ = ["OnnxText"]

requires = ("onnxruntime", "onnx", "tokenizers")

_GIVEN = ("input_ids", "attention_mask", "token_type_ids", "position_ids")
_POOLS = ("auto", "mean", "cls")
_BEHIND_PADDING = (
    *("camembert", "clap_text_model", "data2vec-text", "ibert", "longformer", "mpnet", "roberta"),
    *("roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
)
"""Networks that count their positions from behind the padding's."""


class OnnxText(Onnx):
    """A text's vector `(n, d)` float32 from an ONNX network that you bring.

    Choose it for a model that exists as ONNX (transformers.js, optimum, the folder onnx of sentence-transformers),
    where torch is not wanted, or where ONNX Runtime was built for your device. Choose `hf_text` for safetensors
    weights.

    The vector is the first of the outputs `sentence_embedding`, `text_embeds` (of length 1: the space shared with
    images), `last_hidden_state` with `pool`; else the only one.

    Args:
        model: an ONNX file, or a folder that holds model.onnx or text_model.onnx, in itself or in its folder onnx, or a
            hub id whose files are in the local hub cache. tokenizer.json lies beside it or one folder up. On the
            command line `--encoder caption=onnx_text:FOLDER`.
        output: the name of the output to take.
        pool: how token states become one vector. "auto": as modules.json says (pooling, dense layers, normalizing,
            prompt: sentence-transformers), without one "mean"; "mean": their mean, the start and end tokens among
            them; "cls": the first. Without modules.json a model's card says which it was trained with.
        prompt: which of the folder's prompts stands before every text, by name; "": its default.
        truncate_dim: only so many of the vector's first numbers, for models that were trained so; 0: as many as
            the folder's config_sentence_transformers.json says, else all.

    A text is read up to the model's limit, 20,000 characters and 8,192 tokens at most; a cut is noted on the item.

    Raises a ChiasmError for a file that is no ONNX, a network of other things than texts, one that has only a
    classifier's answers, and a folder without its tokenizer.

    >>> OnnxText("models/bge-small-zh", pool="cls")
    OnnxText(model='models/bge-small-zh', pool='cls')
    """

    modality = "text"

    allowed: ClassVar = {"model": TEXT, "output": TEXT, "pool": choice(*_POOLS), "prompt": TEXT, "truncate_dim": SIZE}

    def __init__(self, model: str = "", output: str = "", pool: str = "auto", prompt: str = "", truncate_dim: int = 0):
        self.model = model
        self.output = output
        self.pool = pool
        self.prompt = prompt
        self.truncate_dim = truncate_dim

    def _load(self, network: Network) -> Opened:
        if self.pool not in _POOLS:
            raise unknown("pooling of onnx_text", self.pool, _POOLS)
        wanted = f"a network of texts alone ({', '.join(_GIVEN[:3])})"
        if "input_ids" not in network.inputs:
            do = "one of images is for onnx_image, of sounds for onnx_audio"
            raise network.unfit(wanted, f"one that wants {', '.join(network.inputs)}", do)
        network.check(_GIVEN, wanted)
        config = settings(network.file, "config.json")
        of_two = "text_config" in config
        network.choose(self.output, _usual(self.pool, of_two))
        ids = network.inputs["input_ids"].shape
        tokens = _Tokens.of(network, config, int(ids[1]) if len(ids) == 2 and isinstance(ids[1], int) else 0)
        found: list[Module] = [Pooling(("cls" if self.pool == "cls" else "mean",))]
        modules = near(network.file, "modules.json")
        if self.pool == "auto" and modules:
            listed = loaded(modules.parent, modules.name) or []
            found = read(self._name, modules.parent, listed, "Transformer", 'choose pool="mean" or "cls"')
        said = (near(network.file, "config_sentence_transformers.json") or network.file).parent
        if self.prompt or (self.pool == "auto" and modules):
            tokens.prompt = prompt(self._name, said, self.prompt)
        made, first = steps(found), kept(self._name, said, self.truncate_dim)

        def run(item: Any) -> tuple[np.ndarray, list[Note]]:
            inputs, notes = tokens.read(item)
            out = network.run(inputs)
            if out.ndim == 2:
                out = out[inputs["attention_mask"][0] == 1]
                for step in made:
                    out = step(out)
            elif of_two or network.output == "text_embeds":
                out = out / np.linalg.norm(out)
            return out[:first], notes

        return Opened(network, run)

    def _probe(self) -> str:
        return "a"


def _usual(pool: str, of_two: bool) -> tuple[str, ...]:
    """The outputs in the order in which they are wanted."""
    states = ("last_hidden_state", "token_embeddings")
    if pool != "auto":
        return states
    pooled = ("sentence_embedding", "text_embeds")
    return (*pooled, "pooler_output", *states) if of_two else (*pooled, *states, "pooler_output")


@dataclass
class _Tokens:
    """How a folder's texts are read: its tokenizer, the limit of its network, and what it does to every text."""

    reader: Any
    limit: int
    padding: int | None
    """What texts are padded with to the limit, where the network reads one length alone."""
    unknown: int | None
    lower: bool
    prompt: str = ""

    @classmethod
    def of(cls, network: Network, config: dict[str, Any], length: int) -> _Tokens:
        """Those of a network's folder; `length`: the one that its file is made for, 0 where it reads any."""
        from tokenizers import Tokenizer

        place = near(network.file, "tokenizer.json")
        if place is None:
            do = "open the tokenizer in transformers once and write it with save_pretrained"
            raise network.unfit("tokenizer.json beside it or one folder up", "none", do)
        try:
            reader = Tokenizer.from_file(str(place))
        except Exception as error:  # tokenizers raises plain Exceptions
            why = " ".join(str(error).split())[:120]
            raise ChiasmError(f"onnx_text: {place} is no tokenizer ({why}): copy the model's files again.") from None
        said = settings(network.file, "tokenizer_config.json")
        sentence = settings(network.file, "sentence_bert_config.json")
        config = config.get("text_config") or config
        padded = length or str(config.get("model_type", "")).startswith("siglip")  # it reads the last position
        limit = length or _longest(said, config, sentence.get("max_seq_length"))
        padding = _id(reader, said, "pad_token")
        made = cls(reader, limit, None, _id(reader, said, "unk_token"), bool(sentence.get("do_lower_case")))
        if padded:
            made.padding = padding if padding is not None else int(config.get("pad_token_id") or 0)
        reader.no_padding()
        reader.enable_truncation(limit)
        return made

    def read(self, item: Any) -> tuple[dict[str, np.ndarray], list[Note]]:
        """A text as a network's inputs `(1, t)`, and notes; a MediaError for what is no text."""
        (text,), told = readable([item])
        notes = told.get(0, [])
        if notes and notes[0].skipped:
            raise MediaError(notes[0].code, notes[0].message)
        text = self.prompt + text[:LONGEST].replace("\0", " ").encode("utf-8", "replace").decode()
        found = self.reader.encode(text.lower() if self.lower else text)
        ids, kinds = np.array([found.ids], np.int64), np.array([found.type_ids], np.int64)
        if found.overflowing:
            rest = sum(one.special_tokens_mask.count(0) for one in found.overflowing)
            notes = [*notes, Note("cut", f"read the first {ids.size} of {ids.size + rest} tokens")]
        body = ids[0, np.array(found.special_tokens_mask) == 0]
        lacking = 0 if self.unknown is None else int((body == self.unknown).sum())
        if 2 * lacking > len(body):
            notes = [*notes, Note("unknown_words", f"{lacking} of {len(body)} tokens are not in the vocabulary")]
        mask = np.ones_like(ids)
        if self.padding is not None:
            after = ((0, 0), (0, self.limit - ids.size))
            ids, kinds, mask = (
                np.pad(ids, after, constant_values=self.padding),
                np.pad(kinds, after),
                np.pad(mask, after),
            )
        places = np.arange(ids.size)[None]
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds, "position_ids": places}, notes


def _longest(said: dict[str, Any], config: dict[str, Any], told: Any) -> int:
    """The most tokens that a network reads: the least of what its tokenizer, its positions and its folder say."""
    positions = config.get("max_position_embeddings")
    if positions and config.get("model_type") in _BEHIND_PADDING:
        positions -= (1 if config.get("pad_token_id") is None else config["pad_token_id"]) + 1
    known = [int(n) for n in (said.get("model_max_length"), positions, told) if n and n < 10**6]  # "none" is 10**30
    return min([*known, MOST]) if known else USUAL


def _id(reader: Any, said: dict[str, Any], key: str) -> int | None:
    """The number of a token that the tokenizer's settings name."""
    token = said.get(key)
    token = token.get("content") if isinstance(token, dict) else token
    return None if token is None else reader.token_to_id(token)
