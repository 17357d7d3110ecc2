"""Recipe: part <-> JSON. A saved part is a folder of recipe.json + one safetensors file, never pickle."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import moved, registry
from chiasm.errors import ChiasmError
from chiasm.files import lock, read_tensors, sha256, write_atomic, write_tensors
from chiasm.part import Part, learned_by

__all__ = ["FORMAT", "SKLEARN", "check_place", "describe", "digest_of", "load", "save"]

FORMAT = 2
"""Of what is written; everything from 1 on is read."""

SKLEARN = {
    "sklearn.feature_extraction.text:TfidfVectorizer",
    "sklearn.feature_extraction.text:TfidfTransformer",
    "sklearn.decomposition._truncated_svd:TruncatedSVD",
    "sklearn.decomposition._pca:PCA",
    "sklearn.linear_model._logistic:LogisticRegression",
    "sklearn.linear_model._ridge:Ridge",
    "sklearn.preprocessing._data:StandardScaler",
    "sklearn.pipeline:Pipeline",
}
"""The scikit-learn classes that may be nested in a saved part."""

_ARRAYS = re.compile(r"arrays-[0-9a-f]{16}\.safetensors")


def save(part: Part, path: str | Path, extra: dict[str, bytes] | None = None) -> Path:
    """Save a part (its parameters and what it learned) as the folder `path`, atomically; returns it.

    A reader sees the old part or the new one, whole. `extra` are small files put beside it (reports).
    Raises a ChiasmError when a value inside cannot be saved, by name, or `path` is not a model's folder.
    """
    if not isinstance(part, Part) and not hasattr(part, "get_params"):
        raise ChiasmError(f"wanted a part or a model to save, got {type(part).__name__}.")
    folder = Path(path)
    check_place(folder)
    arrays: dict[str, np.ndarray] = {}
    body = _pack(part, arrays, "")["$part"]
    with lock(folder):
        for name, content in (extra or {}).items():
            write_atomic(folder / name, [content])
        draft = folder / ".new-arrays"
        digest = write_tensors(draft, arrays, {"format": str(FORMAT)})
        file = f"arrays-{digest[:16]}.safetensors"
        draft.replace(folder / file)
        recipe = {"format": FORMAT, "arrays": file, "sha256": digest, "part": body}
        recipe["digest"] = _digest(recipe)
        text = json.dumps(recipe, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
        write_atomic(folder / "recipe.json", [text])  # the commit: until here the old part stands
        for old in folder.glob("arrays-*.safetensors"):
            if old.name != file:
                old.unlink()
    return folder


def check_place(folder: Path) -> None:
    """Raise a ChiasmError when no part can be saved at `folder`: to be told before the work, not after."""
    ours = any((folder / name).exists() for name in ("recipe.json", ".lock"))  # a save that died leaves only the lock
    if folder.is_dir() and any(folder.iterdir()) and not ours:
        raise ChiasmError(f"{folder} holds other files and no saved part: choose another name.")
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not place.is_dir():
        raise ChiasmError(f"wanted a folder to save to, got the file {place}: choose another name.")
    if not os.access(place, os.W_OK):
        raise ChiasmError(f"no permission to write in {place}: choose another place.")


def load(path: str | Path) -> Any:
    """The part saved at `path`, its checksums verified. No code from the file is run.

    Raises a ChiasmError when there is none, when it is damaged, or when it comes from a newer chiasm.
    """
    folder = Path(path)
    for attempt in range(5):
        recipe = _read(folder)
        if not _ARRAYS.fullmatch(str(recipe["arrays"])):
            raise ChiasmError(f"{folder}/recipe.json names {recipe['arrays']!r} as its arrays: do not trust it.")
        file = folder / recipe["arrays"]
        try:
            if sha256(file) != recipe["sha256"]:
                raise ChiasmError(f"{file} is damaged (its checksum differs): save the model again.")
            arrays, _ = read_tensors(file)
            break
        except FileNotFoundError:  # another process saved between our two reads: read its recipe
            if attempt == 4:
                raise ChiasmError(f"{folder} is incomplete ({file.name} is missing): save the model again.") from None
    try:
        return _unpack({"$part": recipe["part"]}, arrays)
    except ChiasmError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ChiasmError(f"{folder}/recipe.json does not describe a part ({error!r}): save the model again.") from None


def digest_of(path: str | Path) -> str:
    """A hash of what is saved at `path`: equal for equal parameters and learned arrays.

    Raises a ChiasmError when there is none, or its recipe is damaged.
    """
    _read(Path(path))
    return str(json.loads((Path(path) / "recipe.json").read_bytes())["digest"])


def describe(part: Part) -> dict[str, Any]:
    """The recipe of a part without what it learned: kind, name and parameters; for a score's table.

    Unlike `save` it names a class that no package has registered, and an object that is no part, by what they are.
    """
    packed = _pack(part, {}, "", described=True)["$part"]
    return {name: packed[name] for name in packed if name != "state"}


def _read(folder: Path) -> dict[str, Any]:
    try:
        recipe = json.loads((folder / "recipe.json").read_bytes().decode("utf-8", "surrogatepass"))
        stored = recipe.pop("digest")
        version = recipe["format"]
    except (FileNotFoundError, NotADirectoryError):
        raise ChiasmError(
            f"no saved model at {folder}: wanted a folder with a recipe.json (chiasm fit makes one)."
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ChiasmError(f"{folder}/recipe.json is damaged: save the model again.") from None
    if type(version) is not int or version < 1:
        raise ChiasmError(f"{folder}/recipe.json is damaged (format {version!r}): save the model again.")
    if version > FORMAT:
        raise ChiasmError(f"{folder} has format {version}; this chiasm reads up to {FORMAT}: upgrade chiasm.")
    if stored != _digest(recipe) or not {"arrays", "sha256", "part"} <= recipe.keys():
        raise ChiasmError(f"{folder}/recipe.json is damaged (its checksum differs): save the model again.")
    return dict(recipe)


def _digest(recipe: dict[str, Any]) -> str:
    text = json.dumps(recipe, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _identify(part: Any, described: bool) -> dict[str, str]:
    """How a recipe names a part's class: kind and name, or the class path of an allowed one; in a description, any."""
    target = f"{type(part).__module__}:{type(part).__qualname__}"
    if found := _registered(part):
        return found
    if described or _is_part(target):
        return {"class": target}
    raise ChiasmError(
        f"cannot save {target}: wanted a part of chiasm's own or of a package that registers parts by an entry point "
        "(chiasm.align and its like; see docs/contracts.md)."
    )


def _registered(part: Any) -> dict[str, str]:
    """Kind and name of a part whose class is registered; nothing for others."""
    cls = type(part)
    same = []
    for kind in registry.KINDS:
        for entry in registry.entries(kind).values():
            if entry.target == f"{cls.__module__}:{cls.__qualname__}":
                return {"kind": kind, "name": entry.name}
            if entry.outside and entry.target.split(".")[0].partition(":")[0] == cls.__module__.split(".")[0]:
                same.append(entry)
    for entry in same:  # its entry point may name another file, which imports the class
        with contextlib.suppress(ChiasmError):
            if registry.get(entry.kind, entry.name) is cls:
                return {"kind": entry.kind, "name": entry.name}
    return {}


def _pack(value: Any, arrays: dict[str, np.ndarray], where: str, described: bool = False) -> Any:
    """A value as JSON; arrays go to `arrays` under their dotted place. `described`: without state, nothing refused."""

    def inside(one: Any, place: str) -> Any:
        return _pack(one, arrays, place, described)

    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return inside(value.item(), where)
    if isinstance(value, np.ndarray):
        return _pack_array(value, arrays, where)
    if isinstance(value, list):
        if value and all(isinstance(v, str) for v in value) and len(value) > 32:
            return {"$list": _pack_array(np.asarray(value, dtype=object), arrays, where)}
        return [inside(v, f"{where}.{i}") for i, v in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": [inside(v, f"{where}.{i}") for i, v in enumerate(value)]}
    if isinstance(value, dict) and all(isinstance(k, str) for k in value):
        return {"$dict": {k: inside(v, f"{where}.{k}") for k, v in value.items()}}
    if isinstance(value, type) and issubclass(value, np.generic):
        return {"$dtype": np.dtype(value).name}
    if isinstance(value, Part) or (hasattr(value, "get_params") and not type(value).__module__.startswith("sklearn.")):
        held = value.lasting() if isinstance(value, Part) and not described else value.get_params(deep=False)
        params = {k: inside(v, f"{where}{k}") for k, v in held.items()}
        state = {} if described else {k: inside(v, f"{where}{k}") for k, v in learned_by(value).items()}
        return {"$part": {**_identify(value, described), "params": params, "state": state}}
    target = f"{type(value).__module__}:{type(value).__qualname__}"
    if target in SKLEARN:
        params = value.get_params(deep=False)
        state = {} if described else {k: v for k, v in vars(value).items() if k not in params}
        packed = {"params": params, "state": state}
        return {"$sklearn": {"class": target, **{k: inside(v, f"{where}.{k}") for k, v in packed.items()}}}
    if described:
        return {"$object": target}
    raise ChiasmError(
        f"cannot save {where.strip('.') or 'the part'}: {target} is neither an array, a plain value, a part nor an "
        "allowed scikit-learn class."
    )


def _pack_array(value: np.ndarray, arrays: dict[str, np.ndarray], where: str) -> dict[str, str]:
    while not arrays.keys().isdisjoint((where, f"{where}:text")):  # {"a": {"b": ...}, "a.b": ...}
        where += "'"
    if value.dtype.kind in "UO":
        if not all(isinstance(v, str) for v in value.ravel()) or value.ndim != 1:
            raise ChiasmError(f"cannot save {where}: wanted numbers or a list of strings, got objects.")
        raw = [str(v).encode("utf-8", "surrogatepass") for v in value]
        arrays[f"{where}:text"] = np.frombuffer(b"".join(raw), dtype=np.uint8)
        arrays[f"{where}:ends"] = np.cumsum([len(r) for r in raw], dtype=np.int64)
        return {"$strings": where}
    if value.ndim > 1 and value.flags.f_contiguous and not value.flags.c_contiguous:
        return {"$turned": _pack_array(value.T, arrays, where)["$array"]}  # equal layout, so that products round alike
    if value.dtype.newbyteorder("=") != value.dtype:
        value = value.astype(value.dtype.newbyteorder("="))
    arrays[where] = value
    return {"$array": where}


def _unpack(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_unpack(v, arrays) for v in value]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    if tag == "$array":
        return arrays[inner]
    if tag == "$turned":
        return arrays[inner].T
    if tag == "$strings":
        raw, ends = arrays[f"{inner}:text"].tobytes(), arrays[f"{inner}:ends"].tolist()
        starts = [0, *ends][:-1]
        return np.array([raw[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)], object)
    if tag == "$list":
        return _unpack(inner, arrays).tolist()
    if tag == "$tuple":
        return tuple(_unpack(v, arrays) for v in inner)
    if tag == "$dict":
        return {k: _unpack(v, arrays) for k, v in inner.items()}
    if tag == "$dtype":
        return np.dtype(inner).type
    if tag == "$part":
        if "kind" in inner:
            if inner["name"] not in registry.entries(inner["kind"]):
                lost = f"no {inner['kind']} named {inner['name']!r} is here, and this model holds one"
                raise ChiasmError(f"{lost}: install the package that registers it.")
            cls = registry.get(inner["kind"], inner["name"])
        elif _is_part(target := moved.now(inner["class"])):
            cls = _import(target)
        else:
            raise ChiasmError(f"the recipe names the class {inner['class']!r}, which is not allowed.")
        part = cls(**{k: _unpack(v, arrays) for k, v in inner["params"].items()})
        for name, state in inner["state"].items():
            if not name.endswith("_") or name.startswith("_"):
                raise ChiasmError(f"the recipe sets {name!r}, which no fit would learn.")
            setattr(part, name, _unpack(state, arrays))
        return part
    if tag == "$sklearn":
        if inner["class"] not in SKLEARN:
            raise ChiasmError(f"the recipe names the class {inner['class']!r}, which is not allowed.")
        estimator = _import(inner["class"])(**_unpack(inner["params"], arrays))
        vars(estimator).update(_unpack(inner["state"], arrays))
        return estimator
    raise ChiasmError(f"the recipe has an unknown tag {tag!r}.")


def _is_part(target: str) -> bool:
    """Whether `module:Class` is a part that is defined there, in chiasm or in a package with registered parts.

    Only modules of these packages are imported, so a recipe can name no other code; `__main__` would run a program.
    """
    module, _, name = target.partition(":")
    top = module.split(".")[0]
    if top not in registry.packages() or "__main__" in module or not name.isidentifier():
        return False
    try:
        held = _import(target)
    except (ImportError, AttributeError):
        return False
    return isinstance(held, type) and issubclass(held, Part) and held.__module__ == module


def _import(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
