"""Ask this folder: python reader.py VIEW=ITEM ...; an ITEM is words, a picture's file or rows in a .npy."""

import json
import sys
from typing import Any

from chiasm.export.encoders import HERE, encode, run


def answer(row: dict[str, Any]) -> dict[str, Any]:
    """The answer to one thing, from its items by view; of some sets of views, which model.json lists, one may lack."""
    model = json.loads((HERE / "model.json").read_text("utf-8"))
    held = [name for name in model["views"] if name in row]
    maps = [one for one in model["maps"] if one["views"] == held]
    if len(held) < len(row) or not maps:
        sys.exit(f"wanted {', or '.join(' '.join(one['views']) for one in model['maps'])}; got {' '.join(row)}.")
    inputs = {model["views"][name]["input"]: encode(model["views"][name], row[name]) for name in held}
    said = run(maps[0]["file"], **inputs)[0].tolist()
    if model["kind"] == "numbers":
        return {"answer": said[0], "plus_minus_90": maps[0]["plus_minus_90"]}
    each = dict(zip(model["names"], said, strict=True))
    best = sorted(each, key=each.__getitem__, reverse=True)
    if model["kind"] == "classes":
        return {"answer": best[0], "confidence": each[best[0]], "probabilities": each}
    return {"answer": [tag for tag in best if each[tag] >= model["thresholds"][tag]], "probabilities": each}


if __name__ == "__main__":
    given = dict(argument.partition("=")[::2] for argument in sys.argv[1:])
    print(json.dumps(answer(given), ensure_ascii=False, indent=1))
