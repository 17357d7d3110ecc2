"""BERT and its kin from a folder of transformers or sentence-transformers files: any language, 768-d for BERT base.

The folder's own tokenizer and weights, in PyTorch, without a network connection. Many texts a call, of
like lengths, padded with masks: a text's numbers are equal in any company to 1e-4, and with
`batch_size=1` on a CPU to the bit.
Sources: Devlin et al., BERT, NAACL 2019; Reimers & Gurevych, Sentence-BERT, EMNLP 2019.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from chiasm.allowed import SIZE, TEXT, choice
from chiasm.device import place
from chiasm.encode._encoder import first_words
from chiasm.encode._hf import T5, Made
from chiasm.encode._hf_call import Opened, Read, Row
from chiasm.encode._hf_read import PROBES, accepted, longest, read_texts
from chiasm.encode._hf_torch import Trainable
from chiasm.encode._modules import kept, kind_of, prompt, read
from chiasm.encode._modules_torch import pooling, steps
from chiasm.errors import ChiasmError, unknown
from chiasm.media.images import MediaError
from chiasm.nn.hub import configuration, network, tokenizer
from chiasm.nn.hub_files import loaded, part

__all__ = ["HfText"]

requires = ("transformers", "torch")

_POOLS = ("auto", "mean", "cls", "pooler")


class HfText(Trainable):
    """A text's vector `(n, d)` float32 from the last states of a language model that you bring.

    Choose it for a language or a field that `e5_text` knows little of and somebody has trained a model for (Chinese,
    medicine, law), or to compare with published BERT features. A model trained for sentences (a sentence-transformers
    folder) is what retrieval wants: a bare BERT's states were trained to guess words. Of T5 the encoder is read. Slower
    than `e5_text`.

    Args:
        model: a folder with config.json, safetensors weights and a tokenizer, or a hub id
            ("google-bert/bert-base-chinese") whose files are in the local hub cache. On the command line
            `--encoder caption=hf_text:FOLDER`.
        pool: how token states become one vector. "auto": as the folder's modules.json says (pooling, dense layers,
            normalizing, prompt: sentence-transformers), without one "mean"; "mean": their mean, the start and end
            tokens among them; "cls": the first; "pooler": the pooled output that the model itself was trained with.
        prompt: which of the folder's prompts stands before every text, by name ("query", "passage", as its
            config_sentence_transformers.json has them); "": its default, with pool="auto".
        truncate_dim: only so many of the vector's first numbers, for models that were trained so; 0: as many as
            the folder's config_sentence_transformers.json says, else all.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: texts a call of the network; 0: 32 on a CPU, 64 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.
        pooled: False gives the last states of a text's words and parts of words, `(t_i, d)` without start and end, as
            `chiasm.tokens.Tokens`; `pool` and what follows it are then not asked. steps: then so many of them, the
            first ones, zeros behind a shorter text's end, as a head over time reads them; 0: as many as the text has.

    A text is read up to the model's limit (512 tokens for BERT), 20,000 characters and 8,192 tokens at most; a cut is
    noted on the item, never silent.

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfText("models/bert-base-chinese", pool="cls")
    HfText(model='models/bert-base-chinese', pool='cls')
    """

    modality = "text"
    pieces = 256

    later: ClassVar = {**Trainable.later, "steps": 0}

    allowed: ClassVar = {
        "model": TEXT,
        "pool": choice(*_POOLS),
        "prompt": TEXT,
        "truncate_dim": SIZE,
        "steps": SIZE,
    }

    def __init__(
        self,
        model: str = "",
        pool: str = "auto",
        prompt: str = "",
        truncate_dim: int = 0,
        device: str = "auto",
        precision: str = "float32",
        batch_size: int = 0,
        pooled: bool = True,
        steps: int = 0,
    ):
        self.model = model
        self.pool = pool
        self.prompt = prompt
        self.truncate_dim = truncate_dim
        self.device = device
        self.precision = precision
        self.batch_size = batch_size
        self.pooled = pooled
        self.steps = steps

    def _load(self, folder: Path) -> Opened:
        if self.pool not in _POOLS:
            raise unknown("pooling of hf_text", self.pool, _POOLS)
        modules = loaded(folder, "modules.json") or []
        if modules and kind_of(modules[0]) == "StaticEmbedding":
            raise ChiasmError(f"hf_text: {folder} holds static embeddings: bring them with static_text.")
        home = part(folder, modules[0]) if modules else folder
        config = configuration(home)
        halved = config.model_type in T5  # whose decoder is left out
        if (config.is_encoder_decoder and not halved) or hasattr(config, "vision_config"):
            raise ChiasmError(
                f"hf_text: wanted a model of texts alone, got {config.model_type!r} in {home}: one of images and "
                "texts is for hf_image_text; of an encoder and a decoder, save the encoder alone."
            )
        model, pooler = network(self._name, home, "AutoModelForTextEncoding" if halved else "AutoModel")
        opened = Opened(model, tokenizer(self._name, home))
        sentence = loaded(home, "sentence_bert_config.json") or {}
        opened.limit = longest(opened.reader, config, model, sentence.get("max_seq_length"))
        opened.lower = bool(sentence.get("do_lower_case"))
        if self.pool == "pooler" and not pooler:
            raise ChiasmError(f'hf_text: the weights in {home} hold no trained pooler: choose pool="mean" or "cls".')
        if self.pool == "auto" and modules:
            found = read(self._name, folder, modules, "Transformer", 'choose pool="mean" or "cls"')
            opened.pool, opened.steps = steps(found, place(self.device))
        elif self.pool != "pooler":
            opened.pool = pooling(["cls" if self.pool == "cls" else "mean"])
        if self.prompt or (self.pool == "auto" and modules):
            opened.prompt = prompt(self._name, folder, self.prompt)
        opened.kept = kept(self._name, folder, self.truncate_dim)
        return opened

    def _reads(self, opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
        return read_texts(opened, items)

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        out = opened.network(**accepted(opened.network, inputs))
        states = out.last_hidden_state
        vectors = opened.pool(states.float(), counts) if opened.pool else out.pooler_output.float()
        for step in opened.steps:
            vectors = step(vectors)
        return vectors[:, : opened.kept], states

    def _finished(self, opened: Opened, read: Read | MediaError, rows: list[Row] | None) -> Made | MediaError:
        made = super()._finished(opened, read, rows)
        if isinstance(made, MediaError) or not self.in_parts:
            return made
        tokens, cut = first_words(made[1], self.steps)
        return made[0], tokens, made[2] + cut

    def _probes(self) -> list[Any]:
        return PROBES
