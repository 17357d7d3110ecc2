"""scikit-learn as an encoder: phrases, weighed and reduced. `python examples/parts/sklearn_encoder.py`.

A pipeline of scikit-learn's allowed classes (`chiasm.recipe.SKLEARN`) is saved with the model, without pickle.
"""

import numpy as np

from chiasm.contracts import Encoder, Note, check_part, readable

requires = ("sklearn",)  # a listing says so where it is missing; the imports below wait until they are needed

WORD = r"[^\W\u4e00-\u9fff]+|[\u4e00-\u9fff]"
"""A run of letters, or one Chinese character: 红色 car is three."""


class PhraseText(Encoder):
    """Latent semantic vectors `(n, d)` of words and pairs of words, learned from the training texts.

    Args:
        dimensions: the most directions that are kept. longest: of a phrase, in words.

    Learned: `pipeline_`, a TfidfVectorizer and a TruncatedSVD.
    """

    modality = "text"

    def __init__(self, dimensions: int = 64, longest: int = 2):
        self.dimensions = dimensions
        self.longest = longest

    def fit(self, items):
        """Learn phrases and directions from the training texts, and from no others."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_pipeline

        texts = [text for text in readable(items)[0] if text]
        words = TfidfVectorizer(ngram_range=(1, self.longest), token_pattern=WORD)
        phrases = words.fit_transform(texts).shape[1]
        size = max(1, min(self.dimensions, len(texts) - 1, phrases - 1))
        self.pipeline_ = make_pipeline(words, TruncatedSVD(size, random_state=0)).fit(texts)
        return self

    def attempt(self, items):
        """Vectors of the texts; those without a visible character are noted as skipped."""
        self.check_fitted()
        texts, notes = readable(items)
        values = np.asarray(self.pipeline_.transform(texts), dtype=np.float32)
        for place in np.flatnonzero(~values.any(axis=1)).tolist():
            notes.setdefault(place, [Note("unknown_words", "no word of it stood in a training text")])
        return values, notes


if __name__ == "__main__":
    print(check_part(PhraseText()))
