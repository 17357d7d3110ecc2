"""What the encoders of a user's own ONNX files share: finding the file, its safety, one item a call, its output.

ONNX Runtime runs the file: on a GPU where that build of it has CUDA, else on the cores. No operator library is loaded,
no file outside the model's folder is read, and nothing here connects to a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from chiasm.encode._encoder import Encoder, each
from chiasm.errors import ChiasmError
from chiasm.media.images import Note
from chiasm.nn.hub_files import file_checksum, find, loaded, part

__all__ = ["Network", "Onnx", "Opened", "near", "settings"]

_TOWERS = {"text": "text_model", "image": "vision_model", "audio": "audio_model"}
"""By modality, what transformers.js and optimum call the half of a network of two."""
_READ = (
    *("tokenizer.json", "tokenizer_config.json", "config.json", "preprocessor_config.json"),
    *("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"),
)
"""The files beside a network, or one folder up, that can change a number."""
_KINDS = {
    **{"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64},
    **{"tensor(int64)": np.int64, "tensor(int32)": np.int32},
}
_ANSWERS = ("logits", "logits_per_image", "logits_per_text")
"""What a classifier says: scores of its classes."""


@dataclass
class Network:
    """An open file: its session, what it wants, and which of its outputs is read."""

    name: str
    """The encoder's."""
    file: Path
    session: Any
    output: str = ""

    @property
    def inputs(self) -> dict[str, Any]:
        """What the network must be given, by name: each with `.shape` and `.type`."""
        return {one.name: one for one in self.session.get_inputs()}

    @property
    def outputs(self) -> list[str]:
        """The names of all that it gives."""
        return [one.name for one in self.session.get_outputs()]

    def run(self, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """The chosen output `(d,)`, `(t, d)` or `(d, h, w)` float32 of one item, from its inputs by name."""
        feeds = {name: given[name].astype(_KINDS[one.type], copy=False) for name, one in self.inputs.items()}
        (out,) = self.session.run([self.output], feeds)
        return np.asarray(out[0], dtype=np.float32)

    def check(self, given: Sequence[str], wanted: str) -> None:
        """Raise a ChiasmError unless all inputs are among those that can be given, and of a type that can."""
        if lacking := [name for name in self.inputs if name not in given]:
            raise self.unfit(wanted, f"one that wants {', '.join(self.inputs)}", f"{', '.join(lacking)} is not known")
        for name, one in self.inputs.items():
            if one.type not in _KINDS:
                raise self.unfit(wanted, f"one whose {name} is {one.type}", "export it with numbers in float32")

    def unfit(self, wanted: str, got: str, do: str) -> ChiasmError:
        """The error of a network that the encoder cannot use."""
        return ChiasmError(f"{self.name}: wanted {wanted}, got {got} in {self.file}: {do}.")

    def choose(self, named: str, usual: Sequence[str]) -> None:
        """Choose the output: the one that the user named, else the first of the usual ones, else the only one."""
        if named:
            if named not in self.outputs:
                raise self.unfit(f"the output {named!r}", ", ".join(self.outputs), "name one of these")
            self.output = named
            return
        others = [name for name in self.outputs if name not in _ANSWERS]
        known = [name for name in usual if name in others] or (others if len(others) == 1 else [])
        if not known:
            got = ", ".join(self.outputs)
            if others:
                shapes = ", ".join(f"{one.name} {tuple(one.shape)}" for one in self.session.get_outputs())
                raise self.unfit(f"an output called {', '.join(usual)}", shapes, "choose one with output=NAME")
            do = f"export the network without its head, or take its classes' scores with output={self.outputs[0]}"
            raise self.unfit("the vector of an item", f"only a classifier's {got}", do)
        self.output = known[0]


@dataclass
class Opened:
    """What a file became: the network, how an item is read and encoded, the width, and a checksum."""

    network: Network
    run: Callable[[Any], tuple[np.ndarray, list[Note]]]
    """An item -> its vector and notes; a MediaError where it cannot be read."""
    own: Any = None
    """What else the encoder keeps of it."""
    width: int = 0
    checksum: str = ""


class Onnx(Encoder):
    """An encoder whose network is an ONNX file that the user names in `model`.

    A file of this kind implements `_load` (network -> Opened) and `_probe`. One item a call and one thread a call, as
    many calls at once as there are cores: no item is padded to the length of another, so an item gives the same numbers
    in any company.
    """

    model: str
    output: str
    batch = 64

    def attempt(self, items: Sequence[Any]) -> tuple[Any, dict[int, list[Note]]]:
        """Encode on all cores; unreadable items are noted as skipped, cut ones as cut."""
        opened = self._open()
        return each(opened.run, items, opened.width)

    def weights(self) -> str:
        """A checksum of the network, of the data files that it names, and of the settings beside it."""
        opened: Opened | None = vars(self).get("_opened")
        return opened.checksum if opened else _checksum(self._name, self._file())

    def _load(self, network: Network) -> Opened:
        raise NotImplementedError

    def _probe(self) -> Any:
        """An item that any such network can read: the first call shows that it works, and its width."""
        raise NotImplementedError

    def _open(self) -> Opened:
        if vars(self).get("_opened") is None:
            file = self._file()
            mark = _checksum(self._name, file)
            opened = self._load(Network(self._name, file, _session(self._name, file)))
            try:
                vector = opened.run(self._probe())[0]
            except ChiasmError:
                raise
            except Exception as error:  # ONNX Runtime's errors have no base of their own
                raise _unusable(self._name, file, error) from error
            if vector.ndim != 1:
                raise opened.network.unfit(
                    "a vector an item", f"{opened.network.output} of shape {vector.shape}", "choose another output=NAME"
                )
            opened.width, opened.checksum = len(vector), mark
            self._opened = opened
        return self._opened

    def _file(self) -> Path:
        return _find(self._name, self.model, self.modality)

    @property
    def _name(self) -> str:
        return type(self).__module__.rsplit(".", 1)[-1]

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k != "_opened"}


def near(file: Path, name: str) -> Path | None:
    """The file of that name beside a network, or one folder up."""
    places = (file.parent / name, file.parent.absolute().parent / name)
    return next((place for place in places if place.is_file()), None)


def settings(file: Path, name: str) -> dict[str, Any]:
    """A JSON file beside a network, or one folder up; empty where there is none."""
    place = near(file, name)
    held = loaded(place.parent, name) if place else {}
    return held if isinstance(held, dict) else {}


def _find(name: str, model: str, modality: str) -> Path:
    """The network that `model` means: a file, or that of the modality in a folder or in its folder onnx."""
    if model and (file := Path(model).expanduser()).is_file():
        return file
    folder = find(name, model)
    held = [path for place in (folder, folder / "onnx") for path in sorted(place.glob("*.onnx"))]
    for stem in (_TOWERS[modality], "model"):
        if known := [path for path in held if path.stem == stem]:
            return known[0]
    if len(held) == 1:
        return held[0]
    got = ", ".join(str(path.relative_to(folder)) for path in held) or "none"
    raise ChiasmError(f"{name}: wanted one ONNX file in {folder} or its folder onnx, got {got}: name the file itself.")


def _session(name: str, file: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    there = onnxruntime.get_available_providers()
    providers = [one for one in ("CUDAExecutionProvider", "CPUExecutionProvider") if one in there]
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=providers)
    except Exception as error:
        raise _unusable(name, file, error) from error


def _unusable(name: str, file: Path, error: Exception) -> ChiasmError:
    said = " ".join(str(error).split()).removeprefix("[ONNXRuntimeError] : ")[:240]
    return ChiasmError(
        f"{name}: {file} cannot be used ({said}): wanted a whole ONNX network that takes one item at a time, of ONNX's "
        "own operators."
    )


def _checksum(name: str, file: Path) -> str:
    """SHA-256 of everything that can change a number."""
    total = hashlib.sha256()
    found = [(f"data {one}", file.parent / one) for one in _data_files(name, file)]
    found += [(one, place) for one in _READ if (place := near(file, one))]
    if place := near(file, "modules.json"):
        for module in loaded(place.parent, "modules.json") or []:
            inner = part(place.parent, module)
            if inner != place.parent and inner.is_dir():
                held = [one for one in sorted(inner.iterdir()) if one.suffix in (".json", ".safetensors")]
                found += [(f"{inner.name}/{one.name}", one) for one in held]
    for label, path in [("network", file), *found]:
        total.update(f"{label} {file_checksum(path)}\n".encode())
    return total.hexdigest()


def _data_files(name: str, file: Path) -> list[str]:
    facts = file.stat()
    found, fault = _named_data(file, facts.st_size, facts.st_mtime_ns, facts.st_ino)
    for place in found:
        if not (file.parent / place).is_file():
            fault = f"lacks its data file {place}: copy it beside the network"
    if fault:
        raise ChiasmError(f"{name}: {file} {fault}.")
    return found


@lru_cache(maxsize=256)
def _named_data(file: Path, size: int, modified: int, inode: int) -> tuple[list[str], str]:
    """The files beside a network in which it keeps its arrays; and what is wrong with it, where something is."""
    import onnx

    try:
        model = onnx.load(str(file), load_external_data=False)
    except Exception as error:
        return [], f"is no ONNX file ({' '.join(str(error).split())[:80]}): wanted a network exported to ONNX"
    places = {e.value for array in _arrays(model) for e in array.external_data if e.key == "location"}
    for place in sorted(places):
        path = PurePosixPath(place)
        if path.is_absolute() or ".." in path.parts or "\\" in place:
            return [], f"names the data file {place!r}, which is not in its folder: do not trust it"
    return sorted(places), ""


def _arrays(message: Any) -> Iterator[Any]:
    """Every array of a network that lies in a file of its own, in its functions and in graphs within graphs too."""
    for held, value in message.ListFields():
        if held.message_type is None:
            continue
        for one in value if isinstance(value, Sequence) or hasattr(value, "__len__") else [value]:
            if held.message_type.name == "TensorProto":
                if one.external_data:
                    yield one
            else:
                yield from _arrays(one)
