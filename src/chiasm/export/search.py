"""Search this folder: python reader.py QUERY [FROM [TO [K]]]; a QUERY is words, a picture's file or rows in a .npy."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.export.encoders import HERE, encode, run


def one(names: list[str], argument: str, views: Any) -> str:
    """The only one of some names."""
    return names[0] if len(names) == 1 else sys.exit(f"wanted {argument}, one of the views {', '.join(views)}.")


def search(query: Any, start: str | None = None, to: str | None = None, k: int = 5) -> list[dict[str, Any]]:
    """The k items of view `to` that are nearest to a query of view `start`."""
    views = json.loads((HERE / "model.json").read_text("utf-8"))["views"]
    if start is None:
        vectors = not isinstance(query, str) or query.endswith(".npy")
        kind = "vector" if vectors else "image" if Path(query).is_file() else "text"
        start = one([name for name in views if views[name]["modality"] == kind], "FROM", views)
    for name in {start, to} - {None, *views}:
        sys.exit(f"wanted a view, one of {', '.join(views)}; got {name}.")
    to = to or one([name for name in views if name != start], "TO", views)
    mapped = run(views[start]["map"], rows=encode(views[start], query))
    mapped, held = mapped / max(np.linalg.norm(mapped), 1e-30), np.load(HERE / views[to]["vectors"])
    if start == to:  # without the correction between views, and an item scores 1 with itself
        mapped, held = mapped[:, : views[to]["alike"]], held[:, : views[to]["alike"]]
        mapped = mapped / max(float(mapped[0] @ mapped[0]), 1e-30)
    scores = (mapped @ held.T)[0]
    items = json.loads((HERE / views[to]["items"]).read_text("utf-8"))
    return [{"score": float(scores[i]), **items[i]} for i in np.argsort(-scores, kind="stable")[:k]]


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    query, start, to, k = (*sys.argv[1:], *[None] * 4)[:4]
    for rank, hit in enumerate(search(query, start, to, int(k or 5)), 1):
        more = "" if hit["id"] == hit["item"] else "   " + " ".join(hit["id"].split())
        print(f"{rank:3d}  {hit['score']:.3f}  {' '.join(hit['item'].split())}{more}   ({hit['split']})")
