"""A network of waveforms (wav2vec 2.0, HuBERT, WavLM) from an ONNX file: states over time, no torch, no transformers.

The network by ONNX Runtime, without a network connection. One sound a call and one thread a call: a sound gives the
same numbers in any company.
Sources: Baevski et al., wav2vec 2.0, NeurIPS 2020; Hsu et al., HuBERT, TASLP 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import ClassVar

import numpy as np

from chiasm.allowed import SIZE, TEXT
from chiasm.encode._hf_time import LONGEST, SHORTEST, probe
from chiasm.encode._onnx import Network, Onnx, Opened, near, settings
from chiasm.encode._timed import Steps, Timed, parts
from chiasm.media.clips import Decoded, Wants
from chiasm.media.images import MediaError

__all__ = ["OnnxAudio"]

requires = ("onnxruntime", "onnx")

_USUAL = ("pooler_output", "last_hidden_state")
_MASK = "attention_mask"


class OnnxAudio(Timed, Onnx):
    """A sound's vector `(n, d)` float32 from an ONNX network of waveforms that you bring.

    Choose it for a network that exists as ONNX (transformers.js, optimum, `torch.onnx.export`), where torch is not
    wanted, or where ONNX Runtime was built for your device. Choose `hf_audio` for networks of spectrograms (AST, CLAP,
    Whisper), and for safetensors weights.

    The vector is the first of the outputs `pooler_output`, `last_hidden_state` (its mean over time); else the only one.
    A sound longer than 30 s is cut into the fewest equal parts that fit, and the vector is the mean of theirs.

    Args:
        model: an ONNX file, or a folder that holds model.onnx or audio_model.onnx, in itself or in its folder onnx, or
            a hub id whose files are in the local hub cache. preprocessor_config.json lies beside it or one folder up.
            On the command line `--encoder sound=onnx_audio:FOLDER`.
        steps: 0 gives one vector; T the mean states of T equal parts side by side, `(n, T * d)`.
        output: the name of the output to take.

    Sound is read at the rate that the folder names. A sound shorter than 0.05 s is skipped (`too_short`).

    Raises a ChiasmError for a file that is no ONNX, a network of other things than waveforms, one that has only a
    classifier's answers, and a folder without its settings.

    >>> OnnxAudio("models/wav2vec2")
    OnnxAudio(model='models/wav2vec2')
    """

    modality = "audio"
    batch = 32

    allowed: ClassVar = {"model": TEXT, "steps": SIZE, "output": TEXT}

    def __init__(self, model: str = "", steps: int = 0, output: str = ""):
        self.model = model
        self.steps = steps
        self.output = output

    @property
    def wants(self) -> Wants:
        """Sound at the rate that the folder names."""
        return Wants(rate=self._open().own.rate)

    def describe(self, decoded: Decoded) -> np.ndarray:
        """The network's vector `(d,)` of a decoded clip; with `steps`, the mean states of so many parts `(T, d)`."""
        vector, steps = self._open().own.hear(decoded)
        return parts(steps, decoded.seconds, self.steps) if self.steps else vector

    def over_time(self, decoded: Decoded) -> Steps:
        """The network's states over time; a MediaError where there is nothing."""
        return self._open().own.hear(decoded)[1]

    def _load(self, network: Network) -> Opened:
        wanted = "a network of waveforms alone"
        waves = [name for name, one in network.inputs.items() if len(one.shape) == 2 and "float" in one.type]
        if len(waves) != 1:
            do = "one of spectrograms is for hf_audio with its safetensors files, of texts for onnx_text"
            raise network.unfit(wanted, f"one that wants {', '.join(network.inputs)}", do)
        network.check([waves[0], _MASK], wanted)
        network.choose(self.output, _USUAL)
        place = near(network.file, "preprocessor_config.json")
        said = settings(network.file, place.name) if place else {}
        rate = said.get("sampling_rate")
        if not isinstance(rate, int) or not 4000 <= rate <= 384_000:
            raise network.unfit(
                "preprocessor_config.json with a sampling_rate beside it or one folder up", repr(rate), "copy it there"
            )
        own = _Listener(network, waves[0], rate, bool(said.get("do_normalize", True)))
        return Opened(network, lambda decoded: (own.hear(decoded)[0], []), own=own)

    def _probe(self) -> Decoded:
        return probe()


@dataclass
class _Listener:
    """How a network hears: its input of waveforms, their rate, and whether each is brought to one loudness first."""

    network: Network
    wave: str
    rate: int
    normalized: bool

    def hear(self, decoded: Decoded) -> tuple[np.ndarray, Steps]:
        """A sound's vector `(d,)`, the mean over its parts by their length, and the states over time.

        Raises a MediaError for less than `SHORTEST` seconds.
        """
        sound = decoded.sound
        if len(sound) < SHORTEST * self.rate:
            raise MediaError("too_short", f"{len(sound) / self.rate:.3f} s of sound, wanted at least {SHORTEST} s")
        vector, values, edges = np.float32(0), [], [np.zeros(1)]
        for part in np.array_split(sound, ceil(len(sound) / (LONGEST * self.rate))):
            out = self._listen(part)
            states = np.atleast_2d(out)
            vector = vector + states.mean(0) * np.float32(len(part) / len(sound))
            values.append(states)
            edges.append(edges[-1][-1] + np.linspace(0, len(part) / self.rate, len(states) + 1)[1:])
        times = np.concatenate(edges)
        return np.asarray(vector), Steps(np.concatenate(values), times[:-1], times[1:])

    def _listen(self, part: np.ndarray) -> np.ndarray:
        """One call: a vector `(d,)` or states `(t, d)`."""
        if self.normalized:
            part = (part - part.mean()) / np.sqrt(part.var() + 1e-7)
        return self.network.run({self.wave: part[None], _MASK: np.ones((1, len(part)), np.int64)})
