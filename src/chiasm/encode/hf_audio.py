"""AST, CLAP, HuBERT, Wav2Vec2 and Whisper from a folder of transformers files: vectors of sounds and states over time.

The folder's own feature extractor and weights, in PyTorch, without a network connection. On a CPU one sound a call
and one thread a call: a sound gives the same bits in any company. On a GPU many.
Sources: Gong et al., AST, Interspeech 2021; Wu et al., CLAP, ICASSP 2023; Hsu et al., HuBERT, TASLP 2021;
Baevski et al., wav2vec 2.0, NeurIPS 2020; Radford et al., Whisper, ICML 2023.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chiasm.allowed import SIZE, TEXT
from chiasm.encode._hf_call import Opened, Read, Row
from chiasm.encode._hf_time import HfTime, heard, listen, listener, probe, sounds
from chiasm.encode._timed import Steps
from chiasm.known import Known
from chiasm.media.clips import Decoded, Wants

__all__ = ["HfAudio"]

requires = ("transformers", "torch")


class HfAudio(HfTime):
    """A sound's vector `(n, d)` float32 from a network that you bring.

    Choose it for stronger features than `mel_audio` and `spectrogram_audio`: AST or CLAP for sounds of every kind,
    HuBERT, Wav2Vec2 or Whisper for speech. To search sounds by words with a CLAP folder choose `hf_audio_text`.

    The vector is the network's own: the mean of AST's two class tokens; CLAP's vector in the space that it shares with
    texts, of length 1; of the others the mean of the last states over time (of Whisper's the encoder's). A sound longer
    than the network's window (10 s for AST and CLAP, 30 s for the others) is cut into the fewest equal parts that fit,
    and the vector is the mean of theirs. The padding of a shorter one is not in a mean over time.

    Args:
        model: a folder with config.json, preprocessor_config.json and safetensors weights, or a hub id
            ("openai/whisper-tiny") whose files are in the local hub cache. On the command line
            `--encoder sound=hf_audio:FOLDER`.
        steps: 0 gives the network's own vector; T the mean states of T equal parts side by side, `(n, T * d)`.
        device: "auto" (a GPU where torch sees one, else the CPU), "cpu" or "cuda".
        precision: "float32", "float16" or "bfloat16"; the latter two are for GPUs.
        batch_size: sounds a call of the network; 0: one on a CPU, 16 on a GPU. Neither it nor the device is in the
            fingerprint, as vectors are equal to 1e-4 in float32; the precision is.

    Sound is read at the rate that the folder names (16 kHz, CLAP 48). `over_time(decoded)` gives the last states over
    time, of AST and CLAP the mean over frequency: every 20 ms for HuBERT, Wav2Vec2 and Whisper, 0.1 s for AST, 0.3 s
    for CLAP. `tokens(items)` gives their values.
    A sound shorter than 0.05 s is skipped (`too_short`).

    Raises a ChiasmError when the folder is not whole, holds no safetensors weights or another kind of model.

    >>> HfAudio("models/ast")
    HfAudio(model='models/ast')
    """

    modality = "audio"
    kinds = ("audio-spectrogram-transformer", "clap", "hubert", "wav2vec2", "whisper")

    allowed: ClassVar = {"model": TEXT, "steps": SIZE}

    def __init__(
        self,
        model: str = "",
        steps: int = 0,
        device: str = "auto",
        precision: str = "float32",
        batch_size: int = 0,
    ):
        self.model = model
        self.steps = steps
        self.device = device
        self.precision = precision
        self.batch_size = batch_size

    def known(self) -> Known | None:
        """The names of the folder's classifier, where it is one and its last layers are linear in these vectors."""
        return found if isinstance(found := self._named(), Known) else None

    def nameless(self) -> str:
        """As `Encoder.nameless`."""
        return found if isinstance(found := self._named(), str) else ""

    def _named(self) -> Known | str:
        return "its vectors are of moments (steps)" if self.steps else self._classes(self._probes())

    def _load(self, folder: Path) -> Opened:
        model = self._network(folder)
        for unread in {"clap": ("text_model",), "whisper": ("decoder",)}.get(model.config.model_type, ()):
            setattr(model, unread, None)
        return Opened(model, listener(folder))

    def _wants(self, opened: Opened) -> Wants:
        return Wants(rate=opened.reader.sampling_rate)

    def _prepared(self, opened: Opened, decoded: Decoded) -> Read:
        return sounds(opened, decoded)

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        return listen(opened, inputs)

    def _whole(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
        return heard(opened, read, rows)

    def _probes(self) -> list[Any]:
        return [probe()]
