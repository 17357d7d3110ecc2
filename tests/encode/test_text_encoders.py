"""Text encoders against known answers: scikit-learn, slow loops, exact factors, planted company, other processes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import chiasm
from chiasm import registry
from chiasm.data.cells import plain
from chiasm.encode import _words
from chiasm.encode.bow_text import BowText
from chiasm.encode.hashed_text import HashedText
from chiasm.encode.minilm_text import MinilmText, _file
from chiasm.encode.wordvec_text import WordvecText, company, ppmi
from chiasm.errors import ChiasmError
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, as_views

ENGLISH = "a the two red blue small old man woman dog bus rides walks near on under bridge street 24 wave café".split()
CHINESE = "红色 蓝色 汽车 公交车 男人 女人 骑 走过 大桥 街道 在 旁边 的 一辆 两位 2024".split()

LACKING = registry.entries("encode")["minilm_text"].missing
minilm = pytest.mark.skipif(bool(LACKING), reason=f"minilm_text needs {', '.join(LACKING)}")


def sentences(n: int, vocabulary: list[str] = ENGLISH, space: str = " ", length: int = 9, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    odds = 1 / np.arange(1, len(vocabulary) + 1)
    return [space.join(rng.choice(vocabulary, size=length, p=odds / odds.sum())) for _ in range(n)]


def chinese(n: int, seed: int = 0) -> list[str]:
    return sentences(n, CHINESE, "", seed=seed)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("A man's RED bus, No. 24!", "a man s red bus no 24"),
        ("snake_case C++ don't", "snake case c don t"),
        ("Ｆｕｌｌ １２ ﬁne Straße", "full 12 fine strasse"),
        ("cafe\u0301 naïve", "café naïve"),
        ("红色汽车", "红 红色 色 色汽 汽 汽车 车"),
        ("3辆bus来了", "3 辆 bus 来 来了 了"),
        ("东京タワー", "东 东京 京 京タ タ タワ ワ ワー ー"),
        ("한국어 привет हिन्दी", "한국어 привет हिन्दी"),
        ("狗👍🏽!", "狗 👍 🏽"),
        ("…，。 _ ", ""),
    ],
)
def test_words_are_runs_of_letters_and_in_chinese_characters_and_pairs(text: str, known: str) -> None:
    assert _words.words(text) == known.split()


def test_a_bag_of_words_equals_scikit_learns_on_english() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = sentences(200)
    theirs = TfidfVectorizer(token_pattern=r"[^\W_]+", use_idf=False, sublinear_tf=True).fit(texts)
    encoder = BowText().fit(texts)
    assert sorted(encoder.words_) == theirs.get_feature_names_out().tolist()
    held_out = sentences(50, [*ENGLISH, "unheard", "zebra"], seed=1)
    known = theirs.transform(held_out).toarray()[:, [theirs.vocabulary_[word] for word in encoder.words_]]
    np.testing.assert_allclose(encoder.encode(held_out), known, atol=1e-6)


def test_a_bag_of_words_keeps_the_commonest_and_its_columns_have_their_names() -> None:
    texts = ["红 红 红 b b a a a a", "c 红", "d"]
    encoder = BowText(most=3).fit(texts)
    assert encoder.words_ == ["a", "红", "b"]
    found = encoder.encode(["红 a a a b zebra"])[0]
    known = np.array([1 + math.log(3), 1, 1])
    np.testing.assert_allclose(found, known / np.linalg.norm(known), rtol=1e-6)
    assert BowText(most=99).fit(texts).encode(["d"]).shape == (1, 5)


def test_a_bag_of_chinese_words_equals_counting_by_hand() -> None:
    encoder = BowText().fit(["红色的车", "车"])
    found = dict(zip(encoder.words_, encoder.encode(["红车红车"])[0], strict=True))
    seen = {"红": 2, "车": 2, "红色": 0, "色": 0, "色的": 0, "的": 0, "的车": 0}  # 红车 and 车红 are not in training
    size = math.hypot(1 + math.log(2), 1 + math.log(2))
    assert found == pytest.approx({word: (1 + math.log(n)) / size if n else 0 for word, n in seen.items()}, abs=1e-6)


def slow_company(texts: list[str], window: int) -> Counter[tuple[str, str]]:
    together: Counter[tuple[str, str]] = Counter()
    for text in texts:
        row = _words.words(text)
        for i, one in enumerate(row):
            for j, other in enumerate(row):
                if 0 < abs(i - j) <= window:
                    together[one, other] += 1
    return together


@pytest.mark.parametrize("texts", [sentences(60), chinese(60), ["a", "b b", "", "c a"]], ids=["en", "zh", "short"])
@pytest.mark.parametrize("window", [1, 4, 30])
def test_company_and_ppmi_equal_slow_loops(texts: list[str], window: int) -> None:
    words = list(_words.commonest(texts, 1000))
    slow = slow_company(texts, window)
    fast = company(texts, words, window, chunk=7)
    np.testing.assert_array_equal(fast.toarray(), [[slow[a, b] for b in words] for a in words])
    of_word = {a: sum(slow[a, b] for b in words) for a in words}
    total = sum(of_word.values())
    smooth = {a: n**0.75 for a, n in of_word.items()}

    def cell(a: str, b: str) -> float:
        if not slow[a, b]:
            return 0.0
        return max(0.0, math.log((slow[a, b] / total) / (of_word[a] / total * smooth[b] / sum(smooth.values()))))

    np.testing.assert_allclose(ppmi(fast).toarray(), [[cell(a, b) for b in words] for a in words], atol=1e-12)


def test_words_beyond_the_most_are_no_company_and_no_gap() -> None:
    assert company(["a x b", "b x x a"], ["a", "b"], 1).toarray().tolist() == [[0, 2], [2, 0]]


@pytest.mark.parametrize("texts", [sentences(200), chinese(200)], ids=["en", "zh"])
def test_word_vectors_are_u_times_the_root_of_s(texts: list[str]) -> None:
    encoder = WordvecText(dimensions=1000).fit(texts)
    information = ppmi(company(texts, encoder.words_, 10)).toarray()
    u, s, _ = np.linalg.svd(information + 0.5 * np.eye(len(information)))
    np.testing.assert_allclose(encoder.vectors_ @ encoder.vectors_.T, u * s @ u.T, atol=2e-3 * s[0])
    few = WordvecText(dimensions=5).fit(texts)
    np.testing.assert_allclose(few.vectors_ @ few.vectors_.T, u[:, :5] * s[:5] @ u[:, :5].T, atol=0.02 * s[0])


def test_a_text_is_the_weighted_mean_of_its_word_vectors() -> None:
    texts = sentences(100)
    encoder = WordvecText(dimensions=8).fit(texts)
    count = Counter(word for text in texts for word in _words.words(text))
    place = {word: i for i, word in enumerate(encoder.words_)}
    text = "the dog unheard near the bus"
    known = np.zeros(8)
    for word in text.split():
        if word in place:
            known += encoder.vectors_[place[word]] * 1e-3 / (1e-3 + count[word] / count.total())
    np.testing.assert_allclose(encoder.encode([text])[0], known / np.linalg.norm(known), atol=1e-5)


COMPANY = {
    "english": (
        " ",
        ("couch", "sofa", "ferry"),
        ("a cat sleeps on the {}", "the {} stands beside a lamp", "they sit on a soft {}", "a {} with two cushions"),
        ("the {} crosses a wide river", "people board the {} at noon", "a {} leaves the harbor", "waves hit the {}"),
    ),
    "chinese": (
        "",
        ("犬", "狗", "船"),
        ("一只{}在草地上奔跑", "孩子抱着小{}", "{}在门口看家", "主人牵着{}散步"),
        ("一艘{}驶出港口", "{}在江上航行", "游客登上{}", "海浪拍打着{}"),
    ),
}


@pytest.mark.parametrize("language", COMPANY)
def test_words_of_equal_company_are_nearer_than_others_though_they_never_meet(language: str) -> None:
    space, (one, twin, other), home, away = COMPANY[language]
    rng = np.random.default_rng(0)
    noise = [space.join(rng.choice(ENGLISH if space else CHINESE, 5)) for _ in range(100)]
    texts = [t.format(w) for t in home for w in (one, twin)] * 2 + [t.format(other) for t in away] * 4 + noise
    a, b, c = WordvecText(dimensions=10).fit(texts).encode([one, twin, other])
    assert a @ b > 0.9
    assert a @ c < 0.2
    x, y, z = BowText().fit(texts).encode([one, twin, other])
    assert x @ y == x @ z == 0  # what counting alone cannot know


def test_one_word_texts_keep_apart_what_keeps_no_company() -> None:
    found = WordvecText().fit(["猫", "狗", "cat", "dog"] * 5).encode(["猫", "狗", "cat", "dog"])
    np.testing.assert_allclose(found @ found.T, np.eye(4), atol=1e-6)


@pytest.mark.parametrize("n", [2, 50, 400])
@pytest.mark.parametrize("make", [sentences, chinese])
def test_word_vectors_work_for_few_texts_and_for_many(n: int, make: Any) -> None:
    texts = make(n)
    found = WordvecText().fit(texts).encode(texts)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert found.shape[1] <= len(_words.commonest(texts, 10**6))


def grams(text: str) -> dict[str, float]:
    """Damped counts of n-grams up to 4, the slow way."""
    seen: Counter[str] = Counter()
    for word in text.lower().split():
        padded = f" {word} "
        for start in range(len(padded)):
            for stop in range(start + 1, min(start + 4, len(padded)) + 1):
                if padded[start:stop] != " ":
                    seen[padded[start:stop]] += 1
    return {gram: 1 + math.log(n) for gram, n in seen.items()}


@pytest.mark.parametrize("text", ["A red, red bus 24", "一辆红色汽车 在大桥旁边", "x", "👍👍"])
def test_hashed_vectors_equal_a_slow_loop(text: str) -> None:
    known = np.zeros(100)
    for gram, weight in grams(text).items():
        code = zlib.crc32(gram.encode())
        known[(code // 2) % 100] += -weight if code % 2 else weight
    np.testing.assert_allclose(HashedText(dimensions=100).encode([text])[0], known / np.linalg.norm(known), atol=1e-6)


@pytest.mark.parametrize("make", [sentences, chinese])
def test_hashing_keeps_inner_products_without_bias(make: Any) -> None:
    texts = make(300)
    held = [grams(text) for text in texts]
    size = [math.sqrt(sum(w * w for w in one.values())) for one in held]
    vectors = HashedText().encode(texts)
    errors = []
    for i in range(150):
        exact = sum(w * held[i + 150].get(g, 0) for g, w in held[i].items()) / (size[i] * size[i + 150])
        errors.append(vectors[i] @ vectors[i + 150] - exact)
    assert abs(np.mean(errors)) < 0.01
    assert np.std(errors) < 1.5 / math.sqrt(2048)


FRESH = """
import hashlib, sys
from chiasm.encode.bow_text import BowText
from chiasm.encode.hashed_text import HashedText
texts = ["红色汽车 在大桥旁边", "a small red bus", "b c d e f g"]
print(hashlib.sha256(HashedText().encode(texts).tobytes()).hexdigest(), "sklearn" in sys.modules)
print(BowText().fit(texts).words_)
"""


def test_numbers_are_the_same_in_every_process_whatever_its_hash_seed() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", FRESH],
            capture_output=True,
            encoding="utf-8",
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONUTF8": "1"},
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert "False" in said[0]  # scikit-learn was not imported


LEARNING = {"bow_text": BowText, "wordvec_text": WordvecText}


@pytest.mark.parametrize("name", LEARNING)
def test_a_text_without_a_known_word_is_the_zero_vector(name: str) -> None:
    encoder = LEARNING[name]().fit(sentences(30))
    assert not encoder.encode(["鱷魚"]).any()


@pytest.mark.parametrize("name", LEARNING)
def test_training_texts_without_words_are_refused(name: str) -> None:
    with pytest.raises(ChiasmError, match=f"{name}: wanted training texts with words, got 3 items"):
        LEARNING[name]().fit(["…", " ", "!!"])


@pytest.mark.parametrize("name", ["bow_text", "wordvec_text", "hashed_text", pytest.param("minilm_text", marks=minilm)])
def test_strange_texts_are_encoded_cut_or_skipped_with_a_note(name: str) -> None:
    encoder = registry.get("encode", name)().fit([*sentences(30), "a\0b \udcff 👍"])
    strange = ["bus \udcff", "a\0b", "the bus " * 9_000, "", " \u3000\n", "\0", None, 17]
    values, notes = encoder.attempt(strange)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()
    assert {i: [(n.code, n.skipped) for n in found] for i, found in notes.items()} == {
        2: [("cut", False)],
        3: [("empty", True)],
        4: [("empty", True)],
        5: [("empty", True)],
        6: [("not_text", True)],
        7: [("not_text", True)],
    }
    np.testing.assert_allclose(np.linalg.norm(values[:3], axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["bow_text", "wordvec_text", "hashed_text", pytest.param("minilm_text", marks=minilm)])
def test_a_saved_encoder_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    encoder = registry.get("encode", name)().fit(sentences(80) + chinese(80))
    queries = sentences(9, seed=3) + chinese(9, seed=3)
    known = encoder.encode(queries)
    loaded = chiasm.load(chiasm.save(encoder, tmp_path / "m"))
    assert loaded.fingerprint == encoder.fingerprint
    np.testing.assert_array_equal(loaded.encode(queries), known)


@pytest.mark.parametrize("name", ["bow_text", "wordvec_text", "hashed_text"])
def test_a_saved_task_answers_texts_as_before(name: str, tmp_path: Path, cache: Any) -> None:
    texts = [f"{text} {i}" for i, text in enumerate(sentences(60) + chinese(60))]
    vectors = np.random.default_rng(0).normal(size=(120, 6)).astype(np.float32)
    model = Retrieve(encoders={"text": name}).fit(as_views({"t": Column.from_cells("text", texts), "v": vectors}))
    known = model.hits({"t": ["red bus", "红色汽车"]}, to="v", k=5)
    assert chiasm.load(chiasm.save(model, tmp_path / "m")).hits({"t": ["red bus", "红色汽车"]}, to="v", k=5) == known


PARAPHRASES = {
    "a man is riding a horse on the beach": "someone rides a horse along the sea shore",
    "two kids play soccer in the park": "children are kicking a football on the grass",
    "a plate with pasta and tomatoes": "an Italian meal of noodles with red sauce",
    "a train stops at the station": "a locomotive waits beside the platform",
}


@minilm
def test_minilm_puts_each_paraphrase_nearest_to_its_sentence() -> None:
    one, other = (MinilmText().encode(list(half)) for half in (PARAPHRASES.keys(), PARAPHRASES.values()))
    assert (one @ other.T).argmax(axis=1).tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)


@minilm
def test_minilm_equals_the_masked_mean_of_a_padded_batch() -> None:
    encoder = MinilmText()
    texts = [*sentences(7), "a", "the dog " * 40]
    known = encoder.encode(texts)
    tokenizer, session = encoder._open()
    tokenizer.enable_padding()
    found = tokenizer.encode_batch(texts)
    mask = np.array([one.attention_mask for one in found], dtype=np.int64)
    inputs = {"input_ids": np.array([one.ids for one in found], dtype=np.int64), "attention_mask": mask}
    hidden = session.run(None, {**inputs, "token_type_ids": np.zeros_like(mask)})[0]
    mean = (hidden * mask[..., None]).sum(axis=1)
    np.testing.assert_allclose(known, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-5)


@minilm
def test_minilm_notes_what_it_cut_and_what_it_does_not_know() -> None:
    long = "the small bus " * 100  # 254 tokens fit: 84 x 3 + 2
    values, notes = MinilmText().attempt(["a dog", long, "一辆红色汽车驶过大桥旁边的街道"])
    assert {i: [n.code for n in found] for i, found in notes.items()} == {1: ["cut"], 2: ["unknown_words"]}
    assert notes[1][0].message == f"read the first {84 * 14 + 9} of {len(long)} characters"
    np.testing.assert_array_equal(values[1], MinilmText().encode([long[: 84 * 14 + 9]])[0])


def test_a_missing_or_other_file_of_minilm_is_told_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ChiasmError, match=r"needs the file m\.onnx of no_such_module: pip install no-such-package==1"):
        _file("no_such_module", "m.onnx", "", "no-such-package==1")
    package = tmp_path / "planted_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise AssertionError('imported')")
    (package / "m.onnx").write_bytes(b"other")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ChiasmError, match=r"m\.onnx is not the file that was tested: pip install .* x==1"):
        _file("planted_package", "m.onnx", "0" * 64, "x==1")
    known = "d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"  # SHA-256 of b"other"
    assert _file("planted_package", "m.onnx", known, "x==1") == package / "m.onnx"


UNSEEN = ["\u200b", "\ufeff", "\u00ad", "\u200d\u200c", "\u2060 ", "\u3164", "\u2800", "\x01\0", "\U000e0061"]


@pytest.mark.parametrize("name", ["e5_text", "bow_text", "hashed_text", "wordvec_text", "tfidf_text", "minilm_text"])
def test_a_text_of_characters_that_show_nothing_is_no_text(name: str) -> None:
    if lacking := registry.entries("encode")[name].missing:
        pytest.skip(f"{name} needs {', '.join(lacking)}")
    encoder = registry.make("encode", name).fit([*sentences(20), *chinese(20)])
    notes = encoder.attempt([*UNSEEN, "a red bus", "红色\u200b汽车", "\ufeffbus"])[1]
    assert [i for i, told in notes.items() if told[0].code == "empty"] == list(range(len(UNSEEN)))
    with pytest.raises(ChiasmError, match="without a visible character"):
        encoder.encode(["\u200b"])


def test_a_field_of_characters_that_show_nothing_is_empty() -> None:
    encoder = registry.make("encode", "tabular_record")
    records = [{"sex": "f", "age": 1.0}, {"sex": "m", "age": 2.0}, {"sex": "f", "age": 3.0}]
    encoder.fit(records)
    empty, filled = encoder.encode([{"sex": None, "age": 1.0}, {"sex": "\u3164\u200b", "age": 1.0}])
    np.testing.assert_array_equal(empty, filled)
    assert plain("\u2800 ") == ""


def test_the_words_of_a_text_are_its_known_words_in_order_and_weighted_their_mean_is_the_texts_vector() -> None:
    pooled = WordvecText(8).fit(sentences(60))
    parts = WordvecText(8, pooled=False).fit(sentences(60))
    texts = sentences(5, seed=4)
    for text, vector, tokens in zip(texts, pooled.encode(texts), parts.tokens(texts), strict=True):
        known = [parts.words_.index(word) for word in text.split() if word in parts.words_]
        np.testing.assert_array_equal(tokens, parts.vectors_[known])
        total = parts.rarity_[known] @ tokens
        np.testing.assert_allclose(vector, total / np.linalg.norm(total), atol=1e-5)


@pytest.mark.parametrize("name", ["wordvec_text", pytest.param("minilm_text", marks=minilm)])
def test_so_many_words_are_the_first_ones_and_zeros_behind_a_shorter_texts_end(name: str) -> None:
    texts = ["the red bus", "the red bus stops here", "鱷魚"][: 3 if name == "wordvec_text" else 2]
    whole = registry.get("encode", name)(pooled=False).fit(sentences(60) + texts[:2])
    steps = registry.get("encode", name)(pooled=False, steps=4).fit(sentences(60) + texts[:2])
    assert whole.fingerprint != steps.fingerprint
    _, notes = steps.attempt(texts)
    found = steps.encode(texts[:2])
    assert found.steps == 4
    short, long = (np.asarray(found)[i].reshape(4, -1) for i in (0, 1))
    words = [row.astype(np.float16) for row in whole.tokens(texts[:2])]
    np.testing.assert_array_equal(short[:3], words[0])
    assert not short[3].any()
    np.testing.assert_array_equal(long, words[1][:4])
    assert [(i, note.code) for i, (note,) in notes.items()][:2] == [(1, "cut"), (2, "no_tokens")][: len(texts) - 1]
