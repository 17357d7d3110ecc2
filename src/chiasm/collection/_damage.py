"""What a collection's own files lack, said with the one command that makes it anew."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chiasm.errors import ChiasmError, Damaged

__all__ = ["away", "emptied", "made_anew", "whole"]


def away(folder: Path) -> str:
    """What is to be done where the folder of a collection is not there."""
    return f"the folder {folder} is not there: mount it, move it back, or update the index with its new place."


def emptied(place: Path) -> bool:
    """Whether a folder that vectors or words are kept in has no file any more."""
    return place.is_dir() and all(name.startswith(".") for name in os.listdir(place))


@contextmanager
def whole(home: Path) -> Iterator[None]:
    """Says of damage that the next update of a collection mends it."""
    try:
        yield
    except Damaged as error:
        raise ChiasmError(f"{error.what}: update {home}, and it is made anew.") from None


def made_anew(index: Callable[[], Any], place: Path, thoroughly: bool = False) -> bool:
    """Remove what an index was kept in where it is not whole; whether it was removed.

    Args:
        index: opens it. place: its folder. thoroughly: read all of it.
    """
    try:
        opened = index()
        if opened is not None:
            opened.keys()
            if thoroughly and hasattr(opened, "damaged"):
                opened.damaged()
    except Damaged:
        shutil.rmtree(place, ignore_errors=True)
        return True
    return False
