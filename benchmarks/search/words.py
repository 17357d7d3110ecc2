"""Full text at size, and what captions cost a search: time.

`python -m benchmarks.search.words`: all packs' distinct texts (about 91,000) into `chiasm.index.Words`, and queries:
sentences (captions of coco2k), two words of one in quotes, six characters of Chinese news; SQLite's LIKE with the two
words over the same texts beside. Then a search among as many vectors of 384 numbers, that stand for pictures, alone and
together with a caption (a vector at a cosine of about .7 to it) for every second one, through the lists of a
collection. Medians, in one process.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import Any

import numpy as np

from benchmarks._sets import table, texts
from benchmarks._trials import Figure, arguments, finish
from chiasm.collection._fused import Fused
from chiasm.collection._gallery import Gallery
from chiasm.encoding import Encoding
from chiasm.index import Words
from chiasm.index.exact import Exact
from chiasm.views import normalize

FIGURES = [
    Figure("build", ("build",), "91,000 texts into the words of an index", "s", ".1f"),
    *(
        Figure(name, (name,), f"91,000 texts: {told}, median", "ms", ".1f")
        for name, told in (
            ("sentence", "words of a sentence of another picture"),
            ("phrase", "two words in quotes"),
            ("chinese", "six Chinese characters"),
            ("like", "LIKE '%two words%' over all, beside"),
            ("picture", "a search by the vectors of pictures alone"),
            ("fused", "a search by pictures and captions together"),
        )
    ),
]


def median(function: Any, queries: Any) -> float:
    taken = []
    for query in queries:
        started = time.perf_counter()
        function(query)
        taken.append(1000 * (time.perf_counter() - started))
    return float(np.median(taken))


def run() -> dict[str, Any]:
    views = texts()
    held = list(views["text"].items)
    started = time.perf_counter()
    words = Words().add(list(range(len(held))), held)
    result: dict[str, Any] = {"n": len(held), "build": time.perf_counter() - started}
    rng = np.random.default_rng(0)
    coco, news = table("coco2k")["caption"], table("web_news_zh")["text"]
    sentences = [coco[i] for i in rng.integers(len(coco), size=60)]
    pairs = [" ".join(text.strip(".").split()[1:3]) for text in sentences]
    chinese = [text[at : at + 6] for text in (news[i] for i in rng.integers(len(news), size=60)) for at in (3,)]
    result["sentence"] = median(lambda q: words.search(q, 10), sentences)
    result["phrase"] = median(lambda q: words.search(f'"{q}"', 10), pairs)
    result["chinese"] = median(lambda q: words.search(q, 10), chinese)
    lower = [text.lower() for text in held]
    words._db.execute("CREATE TABLE plain (text TEXT)")
    words._db.executemany("INSERT INTO plain VALUES (?)", ((text,) for text in lower))
    like = "SELECT rowid FROM plain WHERE text LIKE ?"
    result["like"] = median(lambda q: words._db.execute(like, (f"%{q}%",)).fetchall(), pairs[:20])
    encoded = Encoding().fit_transform(views)["text"]
    vectors = normalize(np.asarray(encoded.items[np.arange(len(encoded.items))]))
    keys = np.arange(len(vectors))
    apart = rng.normal(size=vectors.shape).astype(np.float32) / np.sqrt(vectors.shape[1], dtype=np.float32)
    captions = normalize(vectors + apart)
    shown, said = Exact().add(keys, vectors), Exact().add(keys[::2], captions[::2])
    queries = vectors[rng.integers(len(vectors), size=80)] + 0.02 * rng.normal(size=(80, vectors.shape[1])).astype(
        np.float32
    )
    queries = normalize(queries)
    samples = {"": vectors[:1000], "caption": captions[:1000], "beside": vectors[:1000]}
    beside = Gallery(None, shown, None)  # type: ignore[arg-type]  # files are not looked at here
    shown.search(queries[:20], 5)
    said.search(queries[:20], 5)

    def together(query: np.ndarray) -> Any:
        gallery = Fused(beside, {"caption": said}, samples, query[None], [None])
        return list(islice(gallery._ranked(query, 0, {}), 10))

    result["picture"] = median(lambda q: shown.search(q, 10), queries)
    result["fused"] = median(together, queries)
    return result


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish(run(), FIGURES, args)


if __name__ == "__main__":
    main()
