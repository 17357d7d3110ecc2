"""The adapter: it brings in what the frozen layers drop, leaves noise alone, and never shows an item what it knows."""

import subprocess
import sys

import numpy as np
import pytest

import chiasm
from chiasm import recipe, registry
from chiasm.data.toy import shape_image
from chiasm.encode import Encoder
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.fuse import Early
from chiasm.known import Last
from chiasm.tasks import Classify
from chiasm.tokens import Tokens
from chiasm.tune import Adapter
from chiasm.tune._bar import passed
from chiasm.views import Column, Views

CELLS, READ, HIDDEN, WIDTH = 9, 6, 12, 8
MIX = np.random.default_rng(0).normal(size=(READ, HIDDEN)).astype(np.float32)
MIX[1:, 0], MIX[0, 1:], MIX[0, 0] = 0, 0, 2  # the first hidden number, it alone, is of the first number read
SUMS = np.random.default_rng(1).normal(size=(HIDDEN, WIDTH)).astype(np.float32)
SUMS[0] = 0  # and the frozen head drops it


class Grids(Encoder):
    """Records {"cells": (9, 6)} as their cells."""

    modality = "record"
    pooled = False

    def attempt(self, items):
        """As it is."""
        return Tokens.of([np.reshape(item["cells"], (CELLS, READ)) for item in items]), {}


class Network(Encoder):
    """A network of two layers on such records, whose head drops the first hidden number."""

    modality = "record"

    def attempt(self, items):
        """The mean over cells."""
        cells = np.stack([np.reshape(item["cells"], (CELLS, READ)) for item in items]).astype(np.float16)
        return np.clip(_run(cells.astype(np.float32))[1], 0, 6).mean(axis=1), {}

    def last(self):
        """Both layers."""
        return Last(Grids(), _run, WIDTH, MIX.size + SUMS.size)


def _run(cells, places=None):
    hidden = np.maximum((cells if places is None else cells[:, places]) @ MIX, 0)
    return hidden, hidden @ SUMS + 1


def planted(n=600, seed=0, noise=0.0):
    """Records whose cells' first number says the class, and classes of which a share is drawn anew."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    cells = rng.normal(size=(n, CELLS, READ))
    cells[..., 0] = rng.normal(size=(n, CELLS)) * 0.5 + 1.2 * (2 * y[:, None] - 1)
    y = np.where(rng.random(n) < noise, rng.permutation(y), y)
    return [{"cells": one.ravel().round(3).tolist()} for one in cells], np.where(y, "yes", "no").astype(object)


def right(encoder, items, y, new, truth):
    """Accuracy of `early` on an encoder's vectors of new items."""
    views = [Views({"a": Column("vector", encoder.encode(some))}) for some in (items, new)]
    return float((Early().fit(views[0], y).predict(views[1]) == truth).mean())


@pytest.fixture(scope="module")
def fitted():
    items, y = planted()
    return Adapter(Network()).fit(items, y), items, y


def test_it_brings_in_what_the_frozen_head_drops(fitted):
    adapter, items, y = fitted
    new, truth = planted(200, seed=1)
    assert adapter.chosen_["kept"]
    assert adapter.chosen_["after"] > adapter.chosen_["before"] + 0.05
    assert adapter.chosen_["losses"][-1] < adapter.chosen_["losses"][0]
    assert right(adapter, items, y, new, truth) > right(Network(), items, y, new, truth) + 0.2


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_random_labels_change_nothing(seed):
    items, y = planted(200)
    adapter = Adapter(Network(), seed=seed).fit(items, np.random.default_rng(seed).permutation(y))
    assert not adapter.chosen_["kept"]
    np.testing.assert_allclose(adapter.encode(items), Network().encode(items), atol=1e-6)


def test_what_is_judged_by_is_the_fuser_that_is_named():
    items, y = planted(200)
    vectors = Network().encode(items)
    same = passed("early", y, np.arange(200), "classes", 0, vectors, vectors)
    assert (same.before, same.error, same.kept) == (same.after, 0, False)
    told = np.concatenate([vectors, (y == "yes")[:, None] * 9.0], axis=1)
    better = [
        passed(fuse, y, np.arange(200), "classes", 0, vectors, told) for fuse in ("early", Early(kernel="linear"))
    ]
    assert all(one.kept for one in better)
    assert better[0].before != better[1].before


def test_an_item_it_learned_from_has_the_vector_of_the_network_that_did_not_see_it(fitted):
    adapter, items, _ = fitted
    twin = {"cells": [items[0]["cells"][0] + 1e-5, *items[0]["cells"][1:]]}  # another item, with nearly its numbers
    mine, other = adapter.encode([items[0], twin])
    hidden, sums = _run(Grids().encode([items[0]]).batch([0])[0])
    k, r = adapter.added_["up"].shape[:2]
    each = [
        np.clip(hidden[0] @ adapter.added_["down"][:, i * r : (i + 1) * r] @ adapter.added_["up"][i] + sums[0], 0, 6)
        for i in range(k)
    ]
    means = np.stack([one.mean(axis=0) for one in each])
    fold = adapter.folds_[np.flatnonzero((adapter.digests_ == adapter.digests_[0]).all(axis=1))[0]]
    assert fold in range(k)
    assert np.abs(means - mine).max(axis=1).min() < 1e-5  # one network's
    np.testing.assert_allclose(other, means.mean(axis=0), atol=1e-3)
    assert len(set(adapter.folds_.tolist())) == k == 5


def test_what_is_fitted_on_top_knows_how_right_it_is():
    items, y = planted(noise=0.3)
    new, truth = planted(seed=5, noise=0.3)
    adapter = Adapter(Network()).fit(items, y)
    assert adapter.chosen_["kept"]
    learned, fresh = (Views({"a": Column("vector", adapter.encode(some))}) for some in (items, new))
    fuser = Early().fit(learned, y)
    out, known = fuser.crossed(learned), fuser.folds_.truth_
    crossed = float((out.argmax(axis=1) == known.argmax(axis=1)).mean())
    assert crossed == pytest.approx(float((fuser.predict(fresh) == truth).mean()), abs=0.05)


def test_equal_items_and_groups_are_in_one_fold():
    items, y = planted(120)
    items, y = items + items[:40], np.concatenate([y, y[:40]])
    groups = np.arange(160) // 4
    adapter = Adapter(Network()).fit(items, y, groups)
    assert len(adapter.digests_) == 120
    for digest in adapter.digests_[:5]:
        assert len(set(adapter.folds_[(adapter.digests_ == digest).all(axis=1)].tolist())) == 1


def test_a_task_hands_on_the_labels_of_training_rows_alone():
    pictures = [np.asarray(shape_image(("red", "blue")[i % 2], "circle", seed=i)) for i in range(24)]
    label = np.array(["red", "blue"] * 12, dtype=object)
    split = np.array(["train"] * 16 + ["test"] * 8, dtype=object)
    views = Views({"photo": Column("image", pictures)}, np.arange(24), {"label": label, "split": split})
    model = Classify({"photo": "adapter"}, fuse="early").fit(views)
    adapter = model.encoding_.encoders_["photo"]
    assert isinstance(adapter, Adapter)
    assert len(adapter.digests_) == 16
    assert model.predict({"photo": pictures[16:]}).shape == (8,)


@pytest.mark.parametrize("kind", ["tags", "numbers"])
def test_tags_and_numbers(kind):
    items, y = planted()
    labels = [["yes", "some"] if one == "yes" else ["some"] for one in y] if kind == "tags" else (y == "yes") * 7.0
    adapter = Adapter(Network(), kind=kind).fit(items, labels)
    assert adapter.encode(items[:3]).shape == (3, WIDTH)
    assert adapter.chosen_["kept"]


def test_several_tasks_stand_on_one_frozen_encoder_read_once(monkeypatch, tmp_path):
    monkeypatch.setenv("CHIASM_CACHE", str(tmp_path))
    read = []
    below = Grids.attempt
    monkeypatch.setattr(Grids, "attempt", lambda self, items: read.append(len(items)) or below(self, items))
    items, y = planted(120, seed=9)
    other = np.array(["up" if item["cells"][1] > 0 else "down" for item in items], dtype=object)
    tasks = [Adapter(Network()).fit(items, y), Adapter(Network()).fit(items, other)]
    tasks.append(Adapter(Network(), kind="numbers").fit(items, [item["cells"][2] for item in items]))
    assert sum(read) == 120
    assert len({task.fingerprint for task in tasks}) == 3
    assert not any("encoder" in name for task in tasks for name in task.learned())


def test_rows_without_a_label_are_left_out():
    items, y = planted(100)
    y[:30] = None
    assert len(Adapter(Network()).fit(items, y).digests_) == 70


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"y": None}, "wanted labels"),
        ({"y": ["same"] * 100}, "two classes"),
        ({"y": ["a"] * 99}, "wanted 100 labels"),
        ({"encoder": "hashed_text"}, "last layers can be tuned"),
        ({"rank": 0}, "rank"),
        ({"y": ["a", "b"] + [None] * 98}, "wanted 8 items"),
    ],
)
def test_what_cannot_be_learned_from_is_said(change, told):
    items, y = planted(100)
    adapter = Adapter(change.get("encoder", Network()), rank=change.get("rank", 4))
    with pytest.raises(ChiasmError, match=told):
        adapter.fit(items, change.get("y", y))


def test_without_labels_the_table_is_named():
    pictures = [np.asarray(shape_image("red", "circle", seed=i)) for i in range(10)]
    with pytest.raises(ChiasmError, match="wanted labels"):
        Encoding({"photo": "adapter"}).fit(Views({"photo": Column("image", pictures)}))


def test_a_picture_that_cannot_be_read_is_left_out_and_noted():
    pictures = [np.asarray(shape_image(("red", "blue")[i % 2], "circle", seed=i)) for i in range(12)]
    adapter = Adapter().fit([*pictures, b"no picture"], ["red", "blue"] * 6 + ["red"])
    assert len(adapter.digests_) == 12
    assert sorted(adapter.attempt([pictures[0], b"no picture"])[1]) == [1]


def test_saved_it_answers_without_torch_and_the_encoders_arrays_are_not_saved(tmp_path):
    pictures = [
        np.asarray(shape_image(("red", "blue")[i % 2], ("circle", "star")[i % 3 % 2], seed=i)) for i in range(24)
    ]
    adapter = Adapter().fit(pictures, ["red", "blue"] * 12)
    k, last = 5, registry.make("encode", "effnet_image").last()
    rng = np.random.default_rng(0)  # as if the change had been kept
    adapter.added_ = {
        "down": rng.normal(size=(1152, k * 4)).astype(np.float32) / 30,
        "up": rng.normal(size=(k, 4, 1280)).astype(np.float32) / 30,
    }
    assert sum(one.size for one in adapter.added_.values()) < 0.02 * last.parameters
    recipe.save(adapter, tmp_path / "part")
    np.save(tmp_path / "pictures.npy", np.stack(pictures[:3]))
    np.save(tmp_path / "wanted.npy", adapter.encode(pictures[:3]))
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import numpy as np, chiasm\n"
        f"part = chiasm.load({str(tmp_path / 'part')!r})\n"
        f"found = part.encode(list(np.load({str(tmp_path / 'pictures.npy')!r})))\n"
        f"assert np.abs(found - np.load({str(tmp_path / 'wanted.npy')!r})).max() < 1e-5\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    assert isinstance(chiasm.load(tmp_path / "part"), Adapter)


def test_a_tuner_is_found_where_what_it_wraps_is_wanted():
    assert isinstance(registry.make("encode", "adapter:encoder=effnet2_image:rank=2"), Adapter)
    assert "adapter" not in registry.names("encode")
    with pytest.raises(ChiasmError):
        registry.make("fuse", "adapter")
