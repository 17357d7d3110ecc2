"""A user's own model files: the folder that a name means, and a checksum of what in it can change a number."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from chiasm.errors import ChiasmError
from chiasm.files import sha256

__all__ = ["checksum", "file_checksum", "find", "libraries", "loaded", "part"]

_READ = (".safetensors", ".json", ".txt", ".model", ".bpe", ".tiktoken", ".vocab")
"""The files of a folder that can change a number; documents and weights in other formats are not read."""


def find(name: str, model: str) -> Path:
    """The folder that `model` means: a folder, or the id of a model in the local hub cache. Nothing is fetched."""
    if not model:
        raise ChiasmError(
            f"{name}: wanted a folder with a model's files, got none: say {name}:FOLDER, in Python "
            f'{name.title().replace("_", "")}("FOLDER").'
        )
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, local_files_only=True))
    except (ImportError, OSError, ValueError):  # no hub cache, not there, no possible id
        lacks = f"{name}: wanted a folder with a model's files, got {str(model)!r}, which is no folder here"
        if str(model).startswith(("/", ".", "~")):
            raise ChiasmError(f"{lacks}: copy the files there, or name the folder that holds them.") from None
        raise ChiasmError(
            f"{lacks} and no model in the local hub cache, and nothing is fetched by itself: run `hf download {model}` "
            "where there is a network, or copy the files here and name their folder."
        ) from None


def libraries(name: str) -> None:
    """Raise a ChiasmError that says what to install unless torch and transformers can be imported."""
    try:
        import torch  # noqa: F401
        import transformers  # noqa: F401
    except ImportError as error:
        raise _lacking(name, error.name or "transformers") from None


def _lacking(name: str, module: str) -> ChiasmError:
    return ChiasmError(f"{name} needs {module}, which is not installed: pip install chiasm[hf].")


def checksum(name: str, folder: Path) -> str:
    """SHA-256 of everything in a folder that can change a number, with the version of transformers."""
    try:
        total = hashlib.sha256(version("transformers").encode())
    except PackageNotFoundError:
        raise _lacking(name, "transformers") from None
    places = [folder, *(part(folder, module) for module in loaded(folder, "modules.json") or [])]
    found = {path for place in places if place.is_dir() for path in place.iterdir() if path.suffix in _READ}
    for path in sorted(path for path in found if path.is_file()):
        total.update(f"{path.relative_to(folder)} {file_checksum(path)}\n".encode())
    return total.hexdigest()


def file_checksum(path: Path) -> str:
    """The SHA-256 of a file, read again only when its size or its time has changed."""
    facts = path.stat()
    return _file_checksum(path, facts.st_size, facts.st_mtime_ns, facts.st_ino)


@lru_cache(maxsize=1024)
def _file_checksum(path: Path, size: int, modified: int, inode: int) -> str:
    return sha256(path)


def loaded(folder: Path, name: str) -> Any:
    """A JSON file of a folder; None where there is none; a ChiasmError where it is none."""
    try:
        return json.loads((folder / name).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ChiasmError(f"{folder / name} is damaged ({error}): copy the model's files again.") from None


def part(folder: Path, module: Any) -> Path:
    """The folder of one entry of modules.json, which must lie inside the model's folder."""
    path = module.get("path") if isinstance(module, dict) else None
    if not isinstance(path, str) or ".." in Path(path).parts or Path(path).is_absolute():
        raise ChiasmError(f"{folder}/modules.json names the folder {path!r}, which is not inside: do not trust it.")
    return folder / path
