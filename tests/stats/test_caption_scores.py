"""Caption metrics: equal to what the COCO evaluation's own code gives, and to closed forms.

The frozen numbers come from pycocoevalcap 1.2 (its scorers in Python, given these tokens; its tokenizer needs Java).
"""

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.stats.captions import bleu, bleu_counts, cider, frequencies, rouge, words
from chiasm.stats.ngrams import Ngrams

REFERENCES = [
    ["a man riding a wave on a surfboard", "a surfer on a large wave"],
    ["a man rides a big wave"],
    ["two dogs play with a red ball in the park"],
    ["a bus"],
    ["a red double decker bus on a city street", "a bus drives down the street"],
    ["一 只 狗 在 草 地 上 跑"],
    ["a plate of food with broccoli and rice rice rice"],
]
CANDIDATES = [
    "a man riding a wave on top of a surfboard",
    "a man on a wave",
    "two dogs in the park",
    "a red bus",
    "a red bus driving down a street",
    "一 只 狗 在 雪 地 里 跑",
    "a plate of rice rice rice rice and food",
]
CIDER = [
    3.349306196824534, 1.395815612495059, 2.6526882386767103, 1.7499216330395884, 1.3433171515093634,
    4.279761904761906, 3.6611129588925446,
]  # fmt: skip
ROUGE = [
    0.9070631970260222, 0.7155425219941348, 0.6288659793814433, 0.8299319727891156, 0.6853932584269663, 0.75,
    0.6256410256410255,
]  # fmt: skip
BLEU = 0.33191562282255577


def test_cider_rouge_and_bleu_equal_the_reference_implementations():
    known = frequencies(REFERENCES)
    assert cider(CANDIDATES, REFERENCES, known) == pytest.approx(CIDER, abs=1e-12)
    assert rouge(CANDIDATES, REFERENCES) == pytest.approx(ROUGE, abs=1e-12)
    assert bleu(bleu_counts(CANDIDATES, REFERENCES)) == pytest.approx(BLEU, abs=1e-12)


def test_they_equal_the_package_where_it_is_installed():
    scorer = pytest.importorskip("pycocoevalcap.cider.cider_scorer").CiderScorer(n=4, sigma=6.0)
    for one, others in zip(CANDIDATES, REFERENCES, strict=True):
        scorer += (one, others)
    _, each = scorer.compute_score()
    assert cider(CANDIDATES, REFERENCES, frequencies(REFERENCES)) == pytest.approx(each.tolist(), abs=1e-12)


def test_a_caption_like_its_reference_has_the_highest_score_and_one_without_a_common_word_none():
    known = frequencies(REFERENCES)
    same = [mine[0] for mine in REFERENCES if len(mine) == 1 and len(mine[0].split()) > 3]
    assert cider(same, [[one] for one in same], known) == pytest.approx(np.full(len(same), 10.0))
    assert cider(["zebra"], [["two dogs"]], known).tolist() == [0.0]
    assert rouge([""], [["two dogs"]]).tolist() == [0.0]


def test_one_thing_alone_scores_nothing_by_its_own_document_frequencies():
    assert cider(["a red bus"], [["a red bus"]], frequencies([["a red bus"]])).tolist() == [0.0]


def test_ngrams_are_cider_where_no_reference_repeats_a_word():
    space, plain = Ngrams(REFERENCES), [2, 3, 5]
    ours = space.alike(space.of([REFERENCES[i][0] for i in plain]), space.of([CANDIDATES[i] for i in plain]))
    assert np.diag(ours) == pytest.approx([CIDER[i] for i in plain])
    again = space.alike(space.of(["a bus"]), space.of(["bus bus bus", "a bus on bus"]))[0]
    assert again == pytest.approx(cider(["bus bus bus", "a bus on bus"], [["a bus"]] * 2, space.known))


def test_chinese_is_cut_into_characters_and_emoji_are_words():
    assert words("一只狗, A Dog’s 🐶!") == ["一", "只", "狗", "a", "dog", "s", "🐶"]
    assert words("Ｔｗｏ dogs") == ["two", "dogs"]


def test_what_cannot_be_scored_is_refused():
    with pytest.raises(ChiasmError, match="row 2: wanted a reference with a word in it"):
        cider(["a", "b"], [["a"], ["…"]], frequencies([["a"]]))
    with pytest.raises(ChiasmError, match="wanted 2 lists of references"):
        rouge(["a", "b"], [["a"]])
