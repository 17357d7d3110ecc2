"""web_news_zh (Chinese text <-> picture), given split: R@10 and class mAP both ways; e5_text against tfidf_text.

`python benchmarks/web_news_zh.py`. Both are fitted by cca with default settings on the same rows (validation cut from
the training rows). Paired 95 % intervals, resampled by id.
"""

from __future__ import annotations

import numpy as np
from _shared import finish, pack

import chiasm
from chiasm.score import interval
from chiasm.tasks.retrieve import Retrieve
from chiasm.trust import paired


def main() -> None:
    views = chiasm.read(
        pack("web_news_zh") / "data.parquet", text="text", image="image", id="id", split="split", label="label"
    )
    test = views[views.split == "test"]
    result, ranks = {}, {}
    for name in ("e5_text", "tfidf_text"):
        model = Retrieve(encoders={"text": name}).fit(views)
        score = model.score(test, split="test")
        print(name, model.aligner_.chosen_)
        print(score, flush=True)
        result[name] = {"leaks": score.table["leaks"], "directions": score.table["directions"]}
        result[name]["clean"] = score.table.get("clean")
        ranks[name] = {(r["from"], r["id"]): r["rank"] for r in model.per_query}
    both = sorted(set(ranks["e5_text"]) & set(ranks["tfidf_text"]))
    for direction in ("text", "image"):
        keys = [key for key in both if key[0] == direction]
        hit = {name: np.array([ranks[name][key] <= 10 for key in keys]) for name in ranks}
        ids = np.array([key[1] for key in keys])
        result[f"R@10 from {direction}: e5_text - tfidf_text"] = interval(
            *paired(hit["e5_text"], hit["tfidf_text"], ids)
        )
    finish(result)


if __name__ == "__main__":
    main()
