"""What the encoders of a user's own Hugging Face files for audio and video share: a vector, and states over time.

Sound longer than a network's window is cut into the fewest equal parts that fit, so that none is a short remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.encode._hf import Hf, Made
from chiasm.encode._hf_call import Opened, Read, Row
from chiasm.encode._hf_read import PROBES, accepted, longest, read_texts
from chiasm.encode._timed import Steps, Timed, finite, parts
from chiasm.errors import ChiasmError, unknown
from chiasm.media.clips import Decoded, Wants, decode_many, runs
from chiasm.media.images import MediaError, Note
from chiasm.nn.hub import configuration, network, one_thread, tokenizer

__all__ = [
    "HfTime",
    "HfTowers",
    "heard",
    "listen",
    "listener",
    "pictures",
    "probe",
    "see",
    "seen",
    "sounds",
    "unit",
    "watched",
]

LONGEST = 30.0
"""Seconds of sound a call of the networks that read any length: their cost grows with its square."""
SHORTEST = 0.05
"""Seconds of sound that are read at all: a network's first window is 25 ms."""


class HfTime(Timed, Hf):
    """An encoder whose network is a folder of transformers files that reads sound or pictures in order.

    A file of this kind implements `_load` (folder -> Opened), `_wants`, `_prepared` (decoded -> inputs), `_call` and
    `_whole`, and has the parameters of `Hf`. Networks that read sound of any length get sounds of one length a call.
    """

    many = 16
    few = 1
    at_least = 32
    batch = Hf.batch
    on_states = True

    kinds: tuple[str, ...]
    """The networks that it reads, as config.json calls them."""

    @property
    def wants(self) -> Wants:
        """What the folder's own processor reads."""
        return self._wants(self._open())

    def describe(self, decoded: Decoded) -> np.ndarray:
        """The network's own vector of a decoded clip; with `steps`, the mean states of so many parts `(T, d)`."""
        return self._one(decoded)[0]

    def over_time(self, decoded: Decoded) -> Steps:
        """The network's last states over time, without those of padding; a MediaError where there is nothing."""
        steps: Steps = self._one(decoded)[1]
        return steps

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Decode on all cores, describe there or on a GPU; what cannot be read is skipped."""
        vectors: dict[int, np.ndarray] = {}
        notes: dict[int, list[Note]] = {}
        for position, made in self._each(self._open(), items, states=True):
            try:
                if isinstance(made, MediaError):
                    raise made
                vectors[position] = finite(np.asarray(made[0], np.float32))
                if made[2]:
                    notes[position] = made[2]
            except MediaError as error:
                notes[position] = [error.note]
        return self.pack([vectors.get(i) for i in range(len(items))]), dict(sorted(notes.items()))

    def _wants(self, opened: Opened) -> Wants:
        raise NotImplementedError

    def _prepared(self, opened: Opened, decoded: Decoded) -> Read:
        """A decoded clip as inputs of the network; a MediaError where there is nothing to describe."""
        raise NotImplementedError

    def _whole(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
        """The vector `(d,)` of a clip and the states over time."""
        raise NotImplementedError

    def _reads(self, opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
        raw = [item for item in items if not isinstance(item, Decoded)]
        decoded = iter(decode_many(raw, self._wants(opened)))
        found: list[Read | MediaError] = []
        for item in items:
            one = item if isinstance(item, Decoded) else next(decoded)
            try:
                if isinstance(one, MediaError):
                    raise one
                found.append(self._prepared(opened, one))
            except MediaError as error:
                found.append(error)
        return found

    def _made(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Any]:
        vector, steps = self._whole(opened, read, rows)
        return (parts(steps, read.kept["seconds"], self.steps) if self.steps else vector), steps

    def _parts(self, made: Made) -> np.ndarray:
        """The network's last states over time, or of a text's words."""
        states: np.ndarray = made[1].values if isinstance(made[1], Steps) else made[1]
        return states

    def _groups(self, items: Sequence[Any], most: int) -> list[list[int]]:
        return runs(items)  # near moments of one file in one pass

    def _one(self, decoded: Decoded) -> Made:
        opened = self._open()
        with one_thread():
            return self._run(opened, decoded)

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
    pieces = 256  # of texts

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Encode on all cores or on a GPU; what cannot be read is skipped, a cut text is noted."""
        return Hf.attempt(self, items) if self.modality == "text" or self.in_parts else super().attempt(items)

    def speaker(self) -> HfTowers | None:
        """The tower of texts, of sounds or videos."""
        return self.clone(modality="text") if self.modality != "text" and not self.in_parts else None

    @property
    def in_parts(self) -> bool:
        """Whether an item is several vectors, one a word or a step."""
        return not self.pooled

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

    def _reads(self, opened: Opened, items: Sequence[Any]) -> list[Read | MediaError]:
        return read_texts(opened, items) if self.modality == "text" else super()._reads(opened, items)

    def _call(self, opened: Opened, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
        if self.modality != "text":
            return self._perceived(opened, inputs)
        out = opened.network.get_text_features(**accepted(opened.network, inputs))
        return out.pooler_output, out.last_hidden_state

    def _perceived(self, opened: Opened, inputs: dict[str, Any]) -> tuple[Any, Any]:
        """What the other tower says, see `Call`."""
        raise NotImplementedError

    def _made(self, opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Any]:
        made = Hf._made if self.modality == "text" else HfTime._made
        vector, states = made(self, opened, read, rows)
        return unit(vector), states

    def _groups(self, items: Sequence[Any], most: int) -> list[list[int]]:
        return Hf._groups(self, items, most) if self.modality == "text" else super()._groups(items, most)

    def _probes(self) -> list[Any]:
        return PROBES if self.modality == "text" else [probe()]


def unit(vector: np.ndarray) -> np.ndarray:
    """A vector divided by its length."""
    scaled: np.ndarray = vector / np.linalg.norm(vector)
    return scaled


def listener(folder: Path) -> Any:
    """The folder's own reader of sound."""
    from transformers import AutoFeatureExtractor

    return AutoFeatureExtractor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def sounds(opened: Opened, decoded: Decoded) -> Read:
    """A sound as inputs, a window each. Raises a MediaError for less than `SHORTEST` seconds."""
    sound, rate = decoded.sound, opened.reader.sampling_rate
    if len(sound) < SHORTEST * rate:
        raise MediaError("too_short", f"{len(sound) / rate:.3f} s of sound, wanted at least {SHORTEST} s")
    held = np.array_split(sound, ceil(len(sound) / (_padded(opened) or LONGEST * rate)))
    kept = {"seconds": decoded.seconds, "lengths": [len(part) for part in held]}
    return Read([_window(opened, part) for part in held], decoded.notes, kept)


def heard(opened: Opened, read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
    """A sound's vector `(d,)`, the mean over its parts by their length, and the states over time."""
    import torch

    lengths, rate, padded = read.kept["lengths"], opened.reader.sampling_rate, _padded(opened)
    vector: Any = 0.0
    values, edges = [], [np.zeros(1)]
    for length, (own, states) in zip(lengths, rows, strict=True):
        seconds = length / rate
        span = _span(opened, (padded or length) / rate, len(states))
        states = states[: ceil(seconds / span - 1e-6)]  # those behind the sound's end are padding
        mine = torch.from_numpy(states).mean(0).numpy() if own is None else own
        vector = vector + mine * np.float32(length / sum(lengths))
        values.append(states)
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


def _window(opened: Opened, sound: np.ndarray) -> dict[str, Any]:
    config = opened.network.config
    options: dict[str, Any] = {"sampling_rate": opened.reader.sampling_rate, "return_tensors": "pt"}
    if config.model_type == "clap":  # by default four pictures are made, which only networks with fusion read
        options["truncation"] = "fusion" if config.audio_config.enable_fusion else "rand_trunc"
        return dict(opened.reader(sound, **options))
    name = "input_features" if config.model_type == "whisper" else "input_values"
    return {name: opened.reader(sound, **options)[name]}


def listen(opened: Opened, inputs: dict[str, Any]) -> tuple[Any, Any]:
    """The network's own vectors `(n, d)` of windows, where it makes some, and the states over them `(n, t, d)`."""
    network, config = opened.network, opened.network.config
    if config.model_type == "clap":
        out = network.get_audio_features(**inputs)
        return out.pooler_output, out.last_hidden_state.mean(2).transpose(1, 2)
    if config.model_type == "whisper":
        return None, network.encoder(inputs["input_features"]).last_hidden_state
    out = network(inputs["input_values"])
    if config.model_type != "audio-spectrogram-transformer":
        return None, out.last_hidden_state
    bands = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    return out.pooler_output, out.last_hidden_state[:, 2:].unflatten(1, (bands, -1)).mean(1)


def pictures(opened: Opened) -> Wants:
    """The pictures that the network reads: so many, of the size that its processor crops them from."""
    config, size = opened.network.config, opened.reader.size
    frames = getattr(config, "vision_config", config).num_frames
    return Wants(pictures=frames, size=size.get("shortest_edge") or size["height"])


def watched(opened: Opened, decoded: Decoded) -> Read:
    """A clip's pictures as inputs: of one with fewer than the network reads, some twice."""
    count = pictures(opened).pictures
    if not len(decoded.pictures):
        raise MediaError("no_picture", "no picture in it")
    chosen = [decoded.pictures[(2 * i + 1) * len(decoded.pictures) // (2 * count)] for i in range(count)]
    pixels = opened.reader(chosen, return_tensors="pt")["pixel_values"]
    return Read([{"pixels": pixels.reshape(1, *pixels.shape[-4:])}], decoded.notes, {"seconds": decoded.seconds})


def see(opened: Opened, inputs: dict[str, Any]) -> tuple[Any, Any]:
    """The vectors of clips `(n, d)`, and the states over time `(n, t, d)`."""
    network, config, pixels = opened.network, opened.network.config, inputs["pixels"]
    if config.model_type == "xclip":
        out = network.get_video_features(pixels)
        states = network.visual_projection(network.vision_model.post_layernorm(out.last_hidden_state[:, 0]))
        return out.pooler_output, states.unflatten(0, (len(pixels), -1))
    patches = network(pixels).last_hidden_state
    states = patches.unflatten(1, (pictures(opened).pictures // config.tubelet_size, -1)).float().mean(2)
    return states.mean(1), states


def seen(read: Read, rows: list[Row]) -> tuple[np.ndarray, Steps]:
    """A clip's vector `(d,)` and the states over time."""
    ((vector, states),) = rows
    assert vector is not None
    times = np.linspace(0, read.kept["seconds"], len(states) + 1)
    return vector, Steps(states, times[:-1], times[1:])


def probe() -> Decoded:
    """A second or more of noise and a black picture, which any network can read."""
    sound = np.random.default_rng(0).normal(0, 0.1, 48000).astype(np.float32)
    return Decoded(1.0, np.zeros((1, 64, 64, 3), np.uint8), np.full(1, 0.5), sound=sound)
