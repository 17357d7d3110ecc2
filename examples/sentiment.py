"""Sentiment of posts from their words and their picture: what does the picture add?

`python examples/sentiment.py`: made-up posts, in which the words tell the mood two times in three, and so does the
color in the picture (yellow and green, or blue and red): both together are right more often. Your own table:
`python examples/sentiment.py posts.csv TEXT_COLUMN IMAGE_COLUMN LABEL_COLUMN` (with the default encoders).
"""

import sys

import numpy as np

import chiasm
from chiasm.data.toy import SHAPES, shape_image
from chiasm.splits import cut
from chiasm.tasks.classify import Classify

WORDS = {
    "positive": ["what a lovely day", "so happy with it", "great evening, thanks", "我太喜欢了"],
    "negative": ["what an awful day", "so sad about it", "never again, thanks", "真让人失望"],
    "plain": ["here we are", "this is the place", "on my way home", "今天的照片"],
}


def posts(n: int = 600, seed: int = 0) -> chiasm.Views:
    """Texts, small pictures and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(["positive", "negative"], n)
    texts, pictures = [], []
    for i, label in enumerate(labels):
        kind = label if rng.random() < 2 / 3 else "plain"
        texts.append(f"{rng.choice(WORDS[kind])} #{i}")
        mood = label if rng.random() < 2 / 3 else rng.choice(["positive", "negative"])
        color = rng.choice(["yellow", "green"] if mood == "positive" else ["blue", "red"])
        pictures.append(np.asarray(shape_image(color, rng.choice(SHAPES), seed=seed + i)))
    columns = {"words": chiasm.Column("text", texts), "picture": chiasm.Column("image", pictures)}
    return chiasm.Views(columns, facts={"label": labels.astype(object)})


def main() -> float:
    """Learn from two thirds of the rows, score the others; returns the accuracy of both views together."""
    if len(sys.argv) == 5:
        table, text, image, label = sys.argv[1:]
        views = chiasm.read(table, text=text, image=image, label=label)
        model = Classify()
    else:
        views = posts()
        model = Classify(encoders={"words": "tfidf_text", "picture": "pixel_image"})
    views.facts["split"] = cut(views, {"train": 2, "test": 1})
    model.fit(views)
    score = model.score(views[views.split == "test"], split="test")
    print(score)
    return float(score)


if __name__ == "__main__":
    main()
