"""What the encoders of a user's own Hugging Face files for audio and video share: a vector, and states over time.

Sound longer than a network's window is cut into the fewest equal parts that fit, so that none is a short remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.encode._hf import Hf, Opened, configuration, network, one_thread, tokenizer
from chiasm.encode._hf_read import accepted, longest, read_text
from chiasm.encode._timed import Steps, Timed, parts
from chiasm.errors import ChiasmError, unknown
from chiasm.media.clips import Decoded, Wants, decode
from chiasm.media.images import MediaError, Note

__all__ = ["HfTime", "HfTowers", "hear", "listener", "pictures", "probe", "unit", "watch"]

LONGEST = 30.0
"""Seconds of sound a call of the networks that read any length: their cost grows with its square."""
SHORTEST = 0.05
"""Seconds of sound that are read at all: a network's first window is 25 ms."""


class HfTime(Timed, Hf):
    """An encoder whose network is a folder of transformers files that reads sound or pictures in order.

    A file of this kind implements `_load` (folder -> Opened), `_wants` and `_made`, and has a parameter `model`.
    """

    kinds: tuple[str, ...]
    """The networks that it reads, as config.json calls them."""

    @property
    def wants(self) -> Wants:
        """What the folder's own processor reads."""
        return self._wants(self._open())

    def describe(self, decoded: Decoded) -> np.ndarray:
        """The network's own vector of a decoded clip; with `steps`, the mean states of so many parts `(T, d)`."""
        with one_thread():
            vector, steps = self._made(self._open(), decoded)
        return parts(steps, decoded.seconds, self.steps) if self.steps else vector

    def over_time(self, decoded: Decoded) -> Steps:
        """The network's last states over time, without those of padding; a MediaError where there is nothing."""
        with one_thread():
            return self._made(self._open(), decoded)[1]

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Decode and describe on all cores; what cannot be read is skipped."""
        self._open()
        with one_thread():
            return super().attempt(items)

    def _wants(self, opened: Opened) -> Wants:
        raise NotImplementedError

    def _made(self, opened: Opened, decoded: Decoded) -> tuple[np.ndarray, Steps]:
        """The vector `(d,)` of a decoded clip and the states over time."""
        raise NotImplementedError

    def _run(self, opened: Opened, item: Any) -> tuple[np.ndarray, np.ndarray, list[Note]]:
        decoded = item if isinstance(item, Decoded) else decode(item, self._wants(opened))
        vector, steps = self._made(opened, decoded)
        return vector, steps.values, decoded.notes

    def _network(self, folder: Path) -> Any:
        """The folder's network, of one of the kinds that are read here."""
        kind = configuration(folder).model_type
        if kind not in self.kinds:
            raise ChiasmError(
                f"{self._name}: wanted a model of {self.modality} ({', '.join(self.kinds)}), got {kind!r} in {folder}."
            )
        return network(self._name, folder)[0]


class HfTowers(HfTime):
    """An encoder of one of two towers: of what lasts, or of the texts that share its space; vectors of length 1."""

    modality: str  # type: ignore[misc]  # as HfImageText: a parameter says what it reads
    steps = 0

    def attempt(self, items: Sequence[Any]) -> tuple[np.ndarray, dict[int, list[Note]]]:
        """Encode on all cores; what cannot be read is skipped, a cut text is noted."""
        return Hf.attempt(self, items) if self.modality == "text" else super().attempt(items)

    def _towers(self, folder: Path, other: str, unread: tuple[str, ...]) -> Opened:
        """The folder without the tower that is not needed: `unread` of its parts, where texts are read."""
        if self.modality not in ("text", other):
            raise unknown(f"tower of {self._name}", self.modality, ("text", other))
        model = self._network(folder)
        for part in unread if self.modality == "text" else ("text_model",):
            setattr(model, part, None)
        if self.modality != "text":
            return Opened(model, None)
        reader = tokenizer(self._name, folder)
        return Opened(model, reader, limit=longest(reader, model.config.text_config, model.text_model))

    def _run(self, opened: Opened, item: Any) -> tuple[np.ndarray, np.ndarray, list[Note]]:
        import torch

        if self.modality != "text":
            return super()._run(opened, item)
        inputs, words, notes = read_text(opened, item)
        with torch.inference_mode():
            out = opened.network.get_text_features(**accepted(opened.network, inputs))
        return unit(out.pooler_output[0].numpy()), out.last_hidden_state[0][words].numpy(), notes


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector divided by its length."""
    scaled: np.ndarray = vector / np.linalg.norm(vector)
    return scaled


def listener(folder: Path) -> Any:
    """The folder's own reader of sound."""
    from transformers import AutoFeatureExtractor

    return AutoFeatureExtractor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def hear(opened: Opened, decoded: Decoded) -> tuple[np.ndarray, Steps]:
    """A sound's vector `(d,)`, the mean over its parts by their length, and the states over time.

    Raises a MediaError for less than `SHORTEST` seconds.
    """
    import torch

    sound, rate = decoded.sound, opened.reader.sampling_rate
    if len(sound) < SHORTEST * rate:
        raise MediaError("too_short", f"{len(sound) / rate:.3f} s of sound, wanted at least {SHORTEST} s")
    padded = _padded(opened)
    vector, values, edges = 0.0, [], [np.zeros(1)]
    for part in np.array_split(sound, ceil(len(sound) / (padded or LONGEST * rate))):
        with torch.inference_mode():
            own, states = _listen(opened, part)
        seconds = len(part) / rate
        span = _span(opened, (padded or len(part)) / rate, len(states))
        states = states[: ceil(seconds / span - 1e-6)]  # those behind the sound's end are padding
        vector = vector + (states.mean(0) if own is None else own).numpy() * np.float32(len(part) / len(sound))
        values.append(states.numpy())
        edges.append(edges[-1][-1] + np.append(np.arange(1, len(states)) * span, seconds))
    times = np.concatenate(edges)
    return np.asarray(vector), Steps(np.concatenate(values), times[:-1], times[1:])


def _padded(opened: Opened) -> int:
    """The samples of the window that the network pads every sound to; 0: it reads any length as it is."""
    reader, kind = opened.reader, opened.network.config.model_type
    if kind == "audio-spectrogram-transformer":  # windows of 25 ms, each 10 ms after the last
        return int(reader.sampling_rate * (0.01 * (reader.max_length - 1) + 0.025))
    if kind == "clap":
        return int(reader.nb_max_samples)
    return int(reader.n_samples) if kind == "whisper" else 0


def _span(opened: Opened, window: float, count: int) -> float:
    """Seconds from one state to the next, of `count` in a window."""
    config = opened.network.config
    return float(config.time_stride * 0.01) if hasattr(config, "time_stride") else window / count


def _listen(opened: Opened, sound: np.ndarray) -> tuple[Any, Any]:
    """One call: the network's own vector, where it makes one, and the states over its window `(t, d)`."""
    network, config = opened.network, opened.network.config
    options: dict[str, Any] = {"sampling_rate": opened.reader.sampling_rate, "return_tensors": "pt"}
    if config.model_type == "clap":  # by default four pictures are made, which only networks with fusion read
        options["truncation"] = "fusion" if config.audio_config.enable_fusion else "rand_trunc"
        out = network.get_audio_features(**opened.reader(sound, **options))
        return out.pooler_output[0], out.last_hidden_state[0].mean(1).T
    inputs = opened.reader(sound, **options)
    if config.model_type == "whisper":
        return None, network.encoder(inputs["input_features"]).last_hidden_state[0]
    out = network(inputs["input_values"])
    if config.model_type != "audio-spectrogram-transformer":
        return None, out.last_hidden_state[0]
    bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    return out.pooler_output[0], out.last_hidden_state[0, 2:].unflatten(0, (bands, -1)).mean(0)


def pictures(opened: Opened) -> Wants:
    """The pictures that the network reads: so many, of the size that its processor crops them from."""
    config, size = opened.network.config, opened.reader.size
    frames = getattr(config, "vision_config", config).num_frames
    return Wants(pictures=frames, size=size.get("shortest_edge") or size["height"])


def watch(opened: Opened, decoded: Decoded) -> tuple[np.ndarray, Steps]:
    """A clip's vector `(d,)` from its pictures, and the states over time.

    Of a clip with fewer pictures than the network reads, some are read twice.
    """
    import torch

    network, config, count = opened.network, opened.network.config, pictures(opened).pictures
    if not len(decoded.pictures):
        raise MediaError("no_picture", "no picture in it")
    chosen = [decoded.pictures[(2 * i + 1) * len(decoded.pictures) // (2 * count)] for i in range(count)]
    with torch.inference_mode():
        pixels = opened.reader(chosen, return_tensors="pt")["pixel_values"]
        pixels = pixels.reshape(1, *pixels.shape[-4:])
        if config.model_type == "xclip":
            out = network.get_video_features(pixels)
            states = network.visual_projection(network.vision_model.post_layernorm(out.last_hidden_state[:, 0]))
            vector = out.pooler_output[0]
        else:
            patches = network(pixels).last_hidden_state[0]
            states = patches.unflatten(0, (count // config.tubelet_size, -1)).mean(1)
            vector = states.mean(0)
    times = np.linspace(0, decoded.seconds, len(states) + 1)
    return vector.numpy(), Steps(states.numpy(), times[:-1], times[1:])


def probe() -> Decoded:
    """A second or more of noise and a black picture, which any network can read."""
    sound = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    return Decoded(1.0, np.zeros((1, 64, 64, 3), np.uint8), np.full(1, 0.5), sound=sound)
