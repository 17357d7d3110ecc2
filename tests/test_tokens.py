"""Tokens: ragged columns of half precision, through the cache, without a whole copy."""

import numpy as np
import pytest

from chiasm.cache import Cache, Scratch
from chiasm.column import Column
from chiasm.encode._timed import Steps, Timed
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.fuse.temporal import Temporal
from chiasm.media import clips
from chiasm.stats.blocks import blocks
from chiasm.tokens import Tokens
from chiasm.views import Views


def ragged(seed=0, lengths=(3, 1, 4, 2), width=5):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(t, width)).astype(np.float16).astype(np.float32) for t in lengths]


def keys(count):
    return [b"%016d" % i for i in range(count)]


def test_a_batch_holds_each_items_tokens_and_masks_the_rest():
    items = ragged()
    values, mask = Tokens.of(items).batch([2, -1, 1])
    assert values.shape == (3, 4, 5)
    assert mask.sum(axis=1).tolist() == [4, 0, 1]
    np.testing.assert_array_equal(values[0], items[2])
    np.testing.assert_array_equal(values[2, :1], items[1])
    assert not values[~mask].any()


def test_a_column_batches_rows_and_absent_rows_are_masked():
    items = ragged()
    column = Column("audio", Tokens.of(items), np.array([3, -1, 0, 3]))
    values, mask = column.batch(np.array([0, 1, 3]))
    np.testing.assert_array_equal(values[0], values[2])
    assert mask.sum(axis=1).tolist() == [2, 0, 2]
    with pytest.raises(ChiasmError, match="wanted tokens, got vector"):
        Column("vector", np.eye(2)).batch(np.array([0]))


def test_items_of_one_length_lie_side_by_side_for_who_reads_vectors():
    items = ragged(lengths=(3, 3, 3))
    tokens = Tokens.of(items)
    assert (tokens.shape, tokens.steps, len(tokens)) == ((3, 15), 3, 3)
    np.testing.assert_array_equal(tokens[[2, 0]], np.stack([items[2].ravel(), items[0].ravel()]))
    np.testing.assert_array_equal(tokens[1], items[1].ravel())
    np.testing.assert_array_equal(np.asarray(tokens), np.stack([item.ravel() for item in items]))
    column = Column("audio", tokens)
    assert (column.width, column.steps) == (15, 3)
    assert blocks(Views({"a": column}))["a"].steps == 3


def test_items_of_different_lengths_are_refused_where_vectors_are_wanted():
    tokens = Tokens.of(ragged())
    assert tokens.steps == 0
    for ask in (lambda: tokens[[0]], lambda: np.asarray(tokens), lambda: Column("audio", tokens).width):
        with pytest.raises(ChiasmError, match="one vector an item"):
            ask()


def test_some_and_stack_copy_nothing():
    one, other = Tokens.of(ragged(1)), Tokens.of(ragged(2))
    both = Tokens.stack([one.some([3, 0]), other])
    assert both.lengths.tolist() == [2, 3, 3, 1, 4, 2]
    assert all(
        np.shares_memory(pack.values, part.packs[0].values) for pack, part in zip(both.packs, (one, other), strict=True)
    )
    np.testing.assert_array_equal(both.batch([0])[0][0], ragged(1)[3])
    with pytest.raises(ChiasmError, match="tokens of one width"):
        Tokens.stack([one, Tokens.of(ragged(width=4))])


def test_the_cache_keeps_tokens_as_they_are_and_maps_them(cache: Cache):
    items = ragged()
    cache.shelf("steps").add(keys(4)[:2], Tokens.of(items[:2]))
    cache.shelf("steps").add(keys(4)[2:], Tokens.of(items[2:]), {1: {"code": "cut", "message": "cut"}})
    shelf = cache.shelf("steps")
    stored = shelf.stored(keys(4)[::-1])
    assert isinstance(stored, Tokens)
    assert not any(pack.values.flags.owndata or pack.values.flags.writeable for pack in stored.packs)  # mapped
    for row, item in enumerate(items[::-1]):
        np.testing.assert_array_equal(stored.batch([row])[0][0], item)
    assert shelf.notes == {keys(4)[3]: {"code": "cut", "message": "cut"}}
    report = shelf.verify()
    assert (report["items"], report["damaged"]) == (4, [])


def test_merged_segments_hold_the_same_tokens_and_the_same_digest(cache: Cache):
    items = ragged(lengths=[1 + i % 4 for i in range(30)])
    for key, item in zip(keys(30), items, strict=True):
        cache.shelf("steps").add([key], Tokens.of([item]))
    before = cache.shelf("steps").verify()
    shelf = cache.shelf("steps")
    shelf.merge()
    assert len(shelf.segments) < 30
    assert shelf.verify()["digest"] == before["digest"]
    stored = shelf.stored(keys(30))
    for row, item in enumerate(items):
        np.testing.assert_array_equal(stored.batch([row])[0][0], item)


def test_a_flipped_bit_of_the_tokens_or_of_their_ends_is_found(cache: Cache):
    shelf = cache.shelf("steps")
    shelf.add(keys(4), Tokens.of(ragged()))
    (path,) = shelf.path.glob("*.seg")
    whole = path.read_bytes()
    for place in (len(whole) - 3, len(whole) - 90):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert cache.shelf("steps").verify()["damaged"] == [str(path)]


def test_a_scratch_shelf_holds_tokens_too():
    shelf = Scratch()
    shelf.add(keys(4), Tokens.of(ragged()))
    np.testing.assert_array_equal(shelf.stored(keys(4)[2:3]).batch([0])[0][0], ragged()[2])


class Ramp(Timed):
    """The first samples of a sound, one a token, times a factor."""

    modality = "audio"
    near = None
    wants = clips.Wants(rate=16000)

    def __init__(self, steps: int = 4, factor: float = 1.0):
        self.steps = steps
        self.factor = factor

    def over_time(self, decoded):
        times = np.arange(8) / 8 * decoded.seconds
        values = self.factor * np.arange(1.0, 9.0)[:, None]
        return Steps(values, times, times + decoded.seconds / 8)

    def weights(self):
        return "none"


@pytest.fixture
def sounds(tmp_path):
    from _films import tone, wav

    return [wav(tmp_path / f"{i}.wav", tone(0.5, 16000, start=float(i)), 16000) for i in range(3)]


def test_an_encoder_with_steps_gives_a_column_of_tokens(cache, sounds):
    views = Views({"sound": Column("audio", [*sounds, "missing.wav"])})
    encoded, report = Encoding({"sound": Ramp()}).fit(views).apply(views)
    column = encoded["sound"]
    assert (column.steps, column.width, column.items.dtype) == (4, 4, np.float32)
    np.testing.assert_allclose(column.batch(np.array([0]))[0][0, :, 0], [1.5, 3.5, 5.5, 7.5])
    assert encoded.present("sound").tolist() == [True, True, True, False]
    assert [note.code for _, _, note in report.skipped] == ["missing"]
    again = Encoding({"sound": Ramp()}).fit(views).apply(views)[1]
    assert (again.encoded, again.found) == ({"sound": 0}, {"sound": 3})


def test_what_half_precision_cannot_hold_is_skipped_and_named(cache, sounds):
    views = Views({"sound": Column("audio", sounds)})
    encoded, report = Encoding({"sound": Ramp(factor=1e5)}).fit(views).apply(views)
    assert not encoded.present("sound").any()
    assert [note.code for _, _, note in report.skipped] == ["not_finite"] * 3


def test_pooled_vectors_and_tokens_never_share_a_shelf():
    assert Ramp(steps=0).fingerprint != Ramp(steps=4).fingerprint
    assert Ramp(steps=4).fingerprint.endswith("-half")


def test_absent_items_have_no_tokens_and_single_tokens_can_be_asked_for():
    items = ragged(lengths=(3, 3, 3))
    some = Tokens.stack([Tokens.of(items[:1]), Tokens.of(items[1:])]).some([2, -1, 0])
    assert (some.steps, some.shape, some.lengths.tolist()) == (3, (3, 15), [3, 0, 3])
    np.testing.assert_array_equal(some[:], np.stack([items[2].ravel(), np.zeros(15), items[0].ravel()]))
    each = some.each()
    assert (each.steps, each.shape) == (1, (9, 5))
    np.testing.assert_array_equal(each[:], np.concatenate([items[2], np.zeros((3, 5)), items[0]]))


def test_temporal_reads_a_column_of_tokens_in_parts_and_answers_as_from_an_array(monkeypatch):
    rng, most = np.random.default_rng(0), [0]
    y = np.arange(600) % 2
    clips = np.round(rng.normal(size=(600, 20, 3)) + 0.3 * y[:, None, None], 2).astype(np.float16)
    laid = Tokens._laid

    def watched(self, rows, lengths, wide):
        most.append(len(rows) * wide)
        return laid(self, rows, lengths, wide)

    monkeypatch.setattr(Tokens, "_laid", watched)
    monkeypatch.setattr("chiasm.fuse.temporal._CHUNK", 512)
    monkeypatch.setattr("chiasm.fuse._axes._CHUNK", 512)
    monkeypatch.setattr("chiasm.fuse._kernel._CHUNK", 512)
    monkeypatch.setattr(Temporal, "_epochs", 2)
    column = Column("video", Tokens.of(list(clips)), np.where(np.arange(600) % 7, np.arange(600), -1))
    flat = Column("vector", clips.reshape(600, 60).astype(np.float32), column.index)
    read = Temporal(head="conv").fit(Views({"clip": column}), y).outputs(Views({"clip": column}))
    assert 0 < max(most) <= 512
    told = Temporal(head="conv", steps=20).fit(Views({"clip": flat}), y).outputs(Views({"clip": flat}))
    np.testing.assert_allclose(read, told, atol=1e-5)


def test_tokens_of_several_widths_are_refused_in_a_sentence():
    with pytest.raises(ChiasmError, match="wanted tokens of one width, got 2, 3"):
        Tokens.of([np.ones((1, 2)), np.ones((2, 3))])
