"""Full text: what is found is what a plain look through all texts finds, in English and Chinese, whatever is typed."""

import math
import re
import subprocess
import sys
import threading
import time
import unicodedata

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.index import APART, Words, quotes

ENGLISH = "red blue bus dog cat café night sea road Zoë straße a the on in Sunday".split()
CHINESE = "海边的狗红色公交车夜晚城市里有一只猫在跑"


def english(n, seed=0):
    rng = np.random.default_rng(seed)
    parts = (", ", " ", " - ", "\n", " ")
    return ["".join(rng.choice(ENGLISH) + rng.choice(parts) for _ in range(rng.integers(1, 9))) for _ in range(n)]


def chinese(n, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(CHINESE), size=rng.integers(1, 12))) for _ in range(n)]


def plain(text):
    """Lower case without accents; anything but letters and digits is a space."""
    text = unicodedata.normalize("NFD", text.casefold())
    return re.sub(r"[^\w]+", " ", "".join(c for c in text if not unicodedata.combining(c))).strip()


def filled(texts, path=None):
    return Words(path).add(list(range(len(texts))), texts)


def test_a_quoted_phrase_finds_what_a_regex_finds():
    texts = english(400)
    index = filled(texts)
    for phrase in english(60, seed=1):
        truth = {i for i, text in enumerate(texts) if re.search(rf"\b{plain(phrase)}\b", plain(text))}
        for query in (f'"{phrase}"', f"“{phrase.upper()}”", f"「{phrase}」"):
            assert set(index.search(query, 1000)[0].tolist()) == truth
        assert set(index.holding([phrase]).tolist()) == truth


def test_one_common_word_is_enough_without_quotes_and_a_part_of_one_is_not():
    texts = english(400)
    index = filled(texts)
    for query in english(40, seed=2):
        wanted = set(plain(query).split())
        truth = {i for i, text in enumerate(texts) if wanted & set(plain(text).split())}
        assert set(index.search(query, 1000)[0].tolist()) == truth
    assert not len(index.search("bu", 10)[0])
    assert index.search("bu", 10)[0].dtype == index.search("", 10)[0].dtype == np.int64


def test_chinese_is_found_as_like_finds_it():
    texts = chinese(500)
    index = filled(texts)
    for query in chinese(60, seed=3):
        truth = {i for i, text in enumerate(texts) if query in text}
        assert set(index.search(f'"{query}"', 1000)[0].tolist()) == truth
        pairs = [query[i : i + 2] for i in range(len(query) - 1)] or [query]
        truth = {i for i, text in enumerate(texts) if any(pair in text for pair in pairs)}
        assert set(index.search(query, 1000)[0].tolist()) == truth


def test_languages_mix_in_one_text_and_in_one_query():
    index = filled(
        [
            "新款iPhone手机壳",
            "iphone case",
            "手机",
            "ｉＰｈｏｎｅ 手机",
            "がくせい カメラ",
            "か\u3099くせい",
            "かくせい",
        ]
    )
    assert set(index.search("IPHONE", 9)[0].tolist()) == {0, 1, 3}
    assert set(index.search('"iphone手机"', 9)[0].tolist()) == {0, 3}
    assert set(index.search("机", 9)[0].tolist()) == {0, 2, 3}
    assert set(index.search("「がくせい」", 9)[0].tolist()) == {4, 5}
    assert index.search("カメラ", 9)[0].tolist() == [4]


def test_the_ranking_is_bm25_computed_by_hand():
    texts = english(300)
    index = filled(texts)
    docs = [plain(text).split() for text in texts]
    mean = np.mean([len(doc) for doc in docs])
    for query in ("cafe dog", "sunday", "Zoe's red bus"):
        words = plain(query).split()
        scores = np.zeros(len(docs))
        for word in words:
            n = sum(word in doc for doc in docs)
            weight = max(math.log((len(docs) - n + 0.5) / (n + 0.5)), 1e-6)
            for i, doc in enumerate(docs):
                often = doc.count(word)
                scores[i] += weight * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(doc) / mean))
        keys, found = index.search(query, 20)
        np.testing.assert_allclose(found, np.sort(scores)[::-1][:20], rtol=1e-6)
        np.testing.assert_allclose(found, scores[keys], rtol=1e-6)
        assert (np.diff(found) <= 0).all()


TYPED = [
    "AND", "OR", "NOT", "red AND", "NEAR(red bus)", "NEAR", "*", "re*", "tokens:red", "rowid:1", "^red", "-red", "+",
    "(", ")", "((((", '"', '""', '"""', '"red', 'red"', '"red" "', "'", "';DROP TABLE rows;--", "{a b}: red", "\\",
    "\0", "", " ", "\n", "!!!", "。，！", "“”", "「", "」「", "\ud800", "\ue000", APART, "%", "_", "🚌", "\u0301" * 9,
]  # fmt: skip


@pytest.mark.parametrize("query", TYPED, ids=ascii)
def test_nothing_that_is_typed_is_syntax(query):
    index = filled(["red bus", "and or not near tokens", "狗"])
    typed = set(re.findall("[a-z]+", query.lower()))
    truth = [row for row, words in enumerate(("red bus", "and or not near tokens")) if typed & set(words.split())]
    assert sorted(index.search(query, 9)[0].tolist()) == truth


@pytest.mark.parametrize("text", ["x" * 100_000, "red " * 25_000, '"' * 100_000, "狗" * 100_000, "e\u0301" * 50_000,
                                  "\u0301" * 100_000, '"red bus" ' * 10_000, " ".join(map(str, range(20_000))),
                                  '"' + "red " * 25_000 + '"'], ids=lambda t: ascii(t[:6]))  # fmt: skip
def test_a_very_long_query_or_text_takes_a_moment(text):
    index = filled(["red bus", "狗狗", "e"])
    started = time.perf_counter()
    index.search(text)
    index.update([1], [text])
    assert time.perf_counter() - started < 5
    assert len(index) == 3
    assert not index.damaged()


def test_quotes_do_not_reach_from_one_part_of_a_text_into_the_next():
    index = filled([f"a red{APART}bus", "a red bus"])
    assert index.search('"red bus"', 9)[0].tolist() == [1]
    assert len(index.search("red bus", 9)[0]) == 2


def test_quotes_are_taken_out_of_a_query():
    assert quotes('"red bus" at “夜晚” 「x」') == ("red bus at 夜晚 x", ["red bus", "夜晚", "x"])
    assert quotes('5" tall') == ('5" tall', [])
    assert quotes('"" "!?" a') == (" !? a", [])


def test_words_weigh_the_same_whatever_is_allowed():
    texts = english(200)
    index = filled(texts)
    keys, scores = index.search("red bus at night", 200)
    some = set(range(0, 200, 7))
    within, others = index.search("red bus at night", 200, within=some)
    kept = [i for i, key in enumerate(keys.tolist()) if key in some]
    assert within.tolist() == keys[kept].tolist()
    np.testing.assert_array_equal(others, scores[kept])
    assert not len(index.search("red", 5, within=[])[0])


@pytest.mark.parametrize("folder", [False, True], ids=["in memory", "in a folder"])
def test_keys_are_added_changed_and_removed_like_vectors(folder, tmp_path):
    index = Words(tmp_path / "w" if folder else None).add(["a", "b", "c"], ["red bus", "blue bus", "狗"])
    index.update(["b", "d"], ["green car", "bus"])
    assert index.keys().tolist() == ["a", "c", "b", "d"]
    assert set(index.search("bus", 9)[0].tolist()) == {"a", "d"}
    assert index.delete(["a", "no such"]) == 1
    assert index.search("red", 9)[0].tolist() == []
    assert len(index) == 3
    for keys, texts, said in (
        (["d"], ["x"], "keys that are new"), (["e", "e"], ["x", "y"], "twice"), ([1], ["x"], "keys like 'b', got 1"),
        (["e", "f"], ["x", None], "wanted texts, got None"), (["e"], ["x", "y"], "one text a key"),
    ):  # fmt: skip
        with pytest.raises(ChiasmError, match=said):
            index.add(keys, texts)
    assert index.keys().tolist() == ["c", "b", "d"]
    for k in (0, -1, 2.5, True):
        with pytest.raises(ChiasmError, match="k of at least 1"):
            index.search("bus", k)
    if folder:
        assert Words(tmp_path / "w").search("狗")[0].tolist() == ["c"]


KILLED = """
import os, sys, threading, time
from chiasm.index import Words
index = Words(sys.argv[1])
threading.Thread(target=lambda: (time.sleep(float(sys.argv[2])), os.kill(os.getpid(), 9)), daemon=True).start()
turn = 0
while True:
    turn += 1
    index.update(list(range(40)), [f"turn {turn}x all of it"] * 40)
    print(turn, flush=True)
"""


def test_a_kill_leaves_all_of_a_call_or_nothing(tmp_path):
    for turn in range(4):
        call = [sys.executable, "-c", KILLED, str(tmp_path / "w"), str(0.5 + 0.13 * turn)]
        done = subprocess.run(call, capture_output=True, text=True)
        assert done.returncode == -9, done.stderr
        acknowledged = int(done.stdout.split()[-1]) if done.stdout.split() else 0
        index = Words(tmp_path / "w")
        whole = [n for n in (acknowledged, acknowledged + 1) if len(index.holding([f"turn {n}x"])) == 40]
        assert len(whole) == 1
        assert len(index) == 40
        assert not index.damaged()


def test_who_reads_meanwhile_sees_a_call_or_nothing_of_it(tmp_path):
    index = Words(tmp_path / "w").add(list(range(30)), ["word zero"] * 30)
    stop, seen = threading.Event(), []

    def read():
        other = Words(tmp_path / "w")
        while not stop.is_set():
            seen.append(len(other.search("word", 100)[0]))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(20):
        index.update(list(range(30)), [f"word {turn}"] * 30)
    stop.set()
    reader.join()
    assert set(seen) == {30}


def test_damage_is_found_and_other_folders_are_refused(tmp_path):
    index = filled(["red bus", "blue bus"], tmp_path / "w")
    index._db.execute("UPDATE rows SET sum = sum + 1 WHERE key = 1")
    assert index.damaged() == [1]
    index._db.close()
    (tmp_path / "w" / "words.sqlite").write_bytes(b"nonsense" * 999)
    with pytest.raises(ChiasmError, match="damaged"):
        Words(tmp_path / "w")
    (tmp_path / "file").write_text("x")
    with pytest.raises(ChiasmError, match="wanted a folder"):
        Words(tmp_path / "file")
