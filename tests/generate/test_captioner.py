"""The captioner: it writes what nobody wrote, sees what it captions, keeps wishes, answers without torch."""

import copy
import subprocess
import sys

import numpy as np
import pytest

import chiasm
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.generate import _beam, _language
from chiasm.generate._risk import Risk
from chiasm.stats.captions import words
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

pytest.importorskip("torch")
from chiasm.generate import captioner
from chiasm.generate.captioner import Captioner

NOUNS = ["bus", "dog", "cat", "boat"]
COLORS = ["red", "blue", "green", "gray"]


def rows(n=200, seed=0):
    """Colored things; that a cat is green was never said."""
    rng = np.random.default_rng(seed)
    noun, color = rng.integers(0, 4, n), rng.integers(0, 4, n)
    unseen = (noun == 2) & (color == 2)
    color = np.where(unseen, 3, color)
    x = np.concatenate([np.eye(4)[noun], np.eye(4)[color]], axis=1) + 0.05 * rng.normal(size=(n, 8))
    return x, [f"a {COLORS[c]} {NOUNS[a]} on the road" for a, c in zip(noun, color, strict=True)]


@pytest.fixture
def small(monkeypatch):
    """Nothing to choose among, to be quick."""
    monkeypatch.setattr(captioner, "BLOCKS", (2,))


@pytest.fixture(scope="module")
def fitted():
    x, texts = rows()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(captioner, "BLOCKS", (2,))
        return Captioner(beam=3).fit({"v": x}, texts), x, texts


def test_likelihoods_and_captions_follow_what_is_seen(fitted):
    part, x, texts = fitted
    told = part.generate({"v": x[:40]})
    assert np.mean([words(a) == words(b) for a, b in zip(told, texts, strict=False)]) > 0.8
    seeing = part.perplexity({"v": x}, texts)
    assert seeing < 0.6 * part.perplexity({"v": x[::-1].copy()}, texts)
    nothing = np.zeros((len(texts), 1), np.float32)
    blind = _language.Language(axes=0, epochs=8).learn(nothing, [[text] for text in texts])
    assert seeing < 0.8 * _language.perplexity(blind.likelihoods(nothing, texts)[0], texts)


def test_it_answers_the_same_from_disk_without_torch(fitted, tmp_path):
    part, x, _ = fitted
    chiasm.save(part, tmp_path / "m")
    np.save(tmp_path / "x.npy", x[:9])
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm\n"
        f"part = chiasm.load({str(tmp_path / 'm')!r})\n"
        f"print('\\n'.join(part.generate({{'v': np.load({str(tmp_path / 'x.npy')!r})}})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == part.generate({"v": x[:9]}).tolist()


def test_wishes_are_kept_or_their_failing_is_said(fitted):
    part, x, _ = fitted
    part = copy.deepcopy(part).set_params(forced=("blue",))
    assert all("blue" in words(text) for text in part.generate({"v": x[:5]}))
    part.set_params(forced=(), forbidden=("road",))
    assert not any("road" in words(text) for text in part.generate({"v": x[:5]}))
    part.set_params(forced=("zebra 斑马",), forbidden=())
    with pytest.warns(ChiasmWarning, match="no caption holds zebra"):
        part.generate({"v": x[:1]})


def test_wishes_set_after_fit_are_checked_before_anything_is_written(fitted):
    part, x, _ = fitted
    for wish, sentence in (
        ({"beam": 0}, "beam"),
        ({"forced": "dog"}, "forced"),
        ({"forced": [""]}, "forced: wanted words or phrases, got ''"),
        ({"forced": ["a red dog"], "forbidden": ["dog"]}, "'a red dog' forced, with a forbidden one in it"),
    ):
        with pytest.raises(ChiasmError, match=sentence):
            copy.deepcopy(part).set_params(**wish).generate({"v": x[:1]})


@pytest.mark.parametrize("first", ["a", "一"])
def test_captions_that_are_all_long_are_written_as_far_as_places_go(first):
    rng = np.random.default_rng(0)
    letters = [chr(ord(first) + i) for i in range(20)]
    texts = ["".join(rng.choice(letters, 200)) for _ in range(40)]
    made = _language.Language(axes=0, epochs=1).learn(np.zeros((40, 1), np.float32), [[text] for text in texts])
    following = made.following(np.zeros((1, 1), np.float32))
    (found,) = _beam.search(following, 1, made.pieces_, beam=2, longest=made.longest_)
    assert found
    assert max(one.pieces for one in found) <= made.longest_ + 1


def test_an_interrupt_gives_what_is_there(fitted, monkeypatch):
    part, x, _ = fitted
    whole, calls = part.generate({"v": x[:40]}), []
    inside = _language.Language.likelihoods

    def pressed(self, *args):
        calls.append(1)
        if len(calls) > 20:
            raise KeyboardInterrupt
        return inside(self, *args)

    monkeypatch.setattr(_language.Language, "likelihoods", pressed)
    with pytest.warns(ChiasmWarning, match="stopped after 20 of 40 rows"):
        told = part.generate({"v": x[:40]})
    assert told[:20].tolist() == whole[:20].tolist()
    assert told[20:].tolist() == [None] * 20
    calls.clear()
    with pytest.warns(ChiasmWarning, match="stopped after"), pytest.raises(KeyboardInterrupt):
        part.score({"v": x[:40]}, ["a word"] * 40)


@pytest.mark.parametrize("where", ["two blocks", "three blocks", "judging", "learning from all"])
def test_an_interrupt_while_it_learns_keeps_the_best_so_far(where, monkeypatch):
    x, texts = rows(60)
    scored, calls = _language.Language._likelihoods, []
    last = {"two blocks": 7, "three blocks": 22, "judging": 40, "learning from all": None}[where]

    def pressed(self, *args):
        calls.append(self)
        if len(calls) == last:
            raise KeyboardInterrupt
        return scored(self, *args)

    def again(self, *args):
        if vars(self).get("weights_") is None and fits.append(self) is None and len(fits) == 2 and last is None:
            raise KeyboardInterrupt
        return fitted_risk(self, *args)

    fits, fitted_risk = [], Risk.fit
    monkeypatch.setattr(_language.Language, "_likelihoods", pressed)
    monkeypatch.setattr(Risk, "fit", again)
    with pytest.warns(ChiasmWarning, match=r"stopped: what was learned from \d+ of 60 things in \d+ epochs is kept"):
        part = Captioner(beam=2).fit({"v": x}, texts)
    monkeypatch.undo()
    assert 1 <= part.chosen_["epochs"] <= 16
    assert part.chosen_["blocks"] in captioner.BLOCKS
    assert len(part.references_) < 60
    assert part.perplexity({"v": x}, texts) < part.perplexity({"v": x[::-1].copy()}, texts)
    assert all(part.generate({"v": x[:5]}))


def test_an_interrupt_before_anything_is_learned_ends_it(monkeypatch):
    x, texts = rows(40)
    monkeypatch.setattr(_language.Language, "_likelihoods", lambda *given: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        Captioner().fit({"v": x}, texts)


def test_few_and_odd_captions_are_learned_from(small):
    x, _ = rows(12)
    texts = ["dog", "🐶", "一只狗在草地上", "a", "Ωmega 狗 🐶", None, "", "b c", "dog dog dog", "x" * 400, "d", "e"]
    part = Captioner(beam=2).fit({"v": x}, texts)
    assert all(isinstance(text, str) and text for text in part.generate({"v": x}))


def test_one_word_is_no_list_of_words():
    with pytest.raises(ChiasmError, match="wanted forced to be a list, each entry a text, got 'dog'"):
        Captioner(forced="dog").fit({"v": np.eye(4)}, ["a b"] * 4)


def test_a_beam_of_nothing_is_refused():
    with pytest.raises(ChiasmError, match="wanted beam to be a whole number of at least 1 and at most 50, got 0"):
        Captioner(beam=0).fit({"v": np.eye(4)}, ["a b"] * 4)


@pytest.mark.slow
def test_the_patch_that_shows_a_thing_is_looked_at_for_its_word_and_missed_without_it(small):
    rng = np.random.default_rng(0)
    n, where = 240, rng.integers(0, 9, 240)
    noun = rng.integers(0, 4, n)
    patches = 0.3 * rng.normal(size=(n, 9, 6))
    patches[np.arange(n), where] += 3 * np.eye(4, 6)[noun]
    texts = [f"there is a {NOUNS[a]}" for a in noun]
    held = {"v": Column("image", Tokens.of(list(patches)))}
    part = Captioner(beam=2, axes=2).fit(Views(held), texts)
    told = part.attention(Views({"v": held["v"][:40]}), texts[:40])
    assert [word for word, _ in told[0]] == words(texts[0])
    assert all(weights.sum() == pytest.approx(1, abs=1e-4) for one in told for _, weights in one)
    most = np.array([one[-1][1].argmax() for one in told])
    assert np.mean(most == where[:40]) > 0.6

    def without(place):
        covered = patches[:40].copy()
        covered[np.arange(40), place] = patches.mean(axis=(0, 1))
        return part.perplexity({"v": Column("image", Tokens.of(list(covered)))}, texts[:40])

    assert without(most) > 1.2 * without((most + 4) % 9)


def test_the_likelihood_of_a_text_is_that_of_its_words_and_its_end(fitted):
    part, x, texts = fitted
    told = part.likelihoods({"v": x[:3]}, texts[:3])
    assert [[word for word, _ in one] for one in told] == [words(text) for text in texts[:3]]
    seen = part.language_.following(part._asked({"v": x[:3]}, texts[:3])[0])
    ids = part.language_.pieces_.ids(texts[:3], 40)
    for row, (one, mine) in enumerate(zip(told, ids, strict=True)):
        so_far = mine[: (mine > 0).sum() - 1]
        each = [seen(so_far[None, :n], np.array([row]))[0, piece] for n, piece in enumerate(so_far[1:], 1)]
        assert sum(value for _, value in one) == pytest.approx(sum(each), abs=1e-4)
    with pytest.raises(ChiasmError, match="wanted 3 texts, one a row, got 1"):
        part.likelihoods({"v": x[:3]}, texts[:1])


def test_attention_wants_patches(fitted):
    part, x, texts = fitted
    with pytest.raises(ChiasmError, match="wanted a view of patches, got none at fit"):
        part.attention({"v": x[:1]}, texts[:1])
