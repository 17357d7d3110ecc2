"""The adapter on networks of a user's own folder: the change is the one that merging it into the weights would be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import _tiny
import chiasm
from chiasm import recipe, registry
from chiasm.data.toy import shape_image
from chiasm.errors import ChiasmError
from chiasm.nn.blocks import ArrayOps
from chiasm.tune import Adapter

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

PICTURES = [np.asarray(shape_image(color, "circle", seed=i)) for i, color in enumerate(("red", "blue", "green"))]
TEXTS = ["a red circle", "a blue square on the white ground", "一只蓝色的圆"]
KINDS = [
    ("hf_text", "bert", {}),
    ("hf_text", "bert", {"pool": "cls"}),
    ("hf_text", "bert", {"pool": "pooler"}),
    ("hf_image", "vit", {}),
    ("hf_image", "dinov2", {}),
]


def encoder(name, kind, **given):
    return registry.get("encode", name)(str(_tiny.tiny(kind)), **given)


def seen(last, items):
    """What the last layers make of items, and the share of each token."""
    cells, inside = last.below.encode(items).batch(range(len(items)))
    return *last.run(cells), (inside / inside.sum(1, keepdims=True))[..., None].astype(np.float32)


@pytest.mark.parametrize(("name", "kind", "given"), KINDS)
def test_the_last_layers_apart_give_the_encoders_vectors(name, kind, given):
    one, items = encoder(name, kind, **given), TEXTS if name == "hf_text" else PICTURES
    last = one.last()
    _, sums, shares = seen(last, items)
    np.testing.assert_allclose(last.vector(last.tail, sums, shares, ArrayOps()), one.encode(items), atol=2e-3)
    assert last.parameters == sum(held.numel() for held in one.module().parameters())


@pytest.mark.parametrize(("name", "kind", "given"), KINDS[:4])
def test_a_change_is_that_of_the_weights_and_torch_says_as_numpy(name, kind, given):
    from chiasm.nn.blocks import TensorOps

    one, items = encoder(name, kind, **given), TEXTS if name == "hf_text" else PICTURES
    last, module, prepared = one.last(), one.module(), one.prepare(items)
    layer = module.network.encoder.layer[-1].output.dense if kind == "bert" else module.network.layers[-1].mlp.fc2
    rng = np.random.default_rng(0)
    low = rng.normal(size=(layer.in_features, 2)) @ rng.normal(size=(2, layer.out_features)) / 10
    with torch.no_grad():
        layer.weight += torch.from_numpy(low.T.astype(np.float32))
        wanted = module(prepared).numpy()
    kept, h = last.below.made(items)[0], layer.in_features  # in single precision, as the cache has them in half
    tail = {held: torch.from_numpy(values) for held, values in last.tail.items()}
    for row, values in enumerate(kept):
        changed = (values[:, h:] + values[:, :h] @ low).astype(np.float32)
        shares = np.full((len(values), 1), 1 / len(values), np.float32)
        found = last.vector(last.tail, changed, shares, ArrayOps())
        np.testing.assert_allclose(found, wanted[row], atol=1e-4)
        by_torch = last.vector(tail, torch.from_numpy(changed), torch.from_numpy(shares), TensorOps(torch.Generator()))
        np.testing.assert_allclose(by_torch.numpy(), found, atol=1e-5)
    assert np.abs(wanted - one.encode(items)).max() > 0.05


def test_vectors_of_length_one_are_of_the_last_layers_too(tmp_path):
    folder = Path(shutil.copytree(_tiny.tiny("bert"), tmp_path / "bert"))
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"word_embedding_dimension": 16, "pooling_mode": "mean"}')
    one = registry.get("encode", "hf_text")(str(folder))
    last = one.last()
    _, sums, shares = seen(last, TEXTS)
    found = last.vector(last.tail, sums, shares, ArrayOps())
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(found, one.encode(TEXTS), atol=2e-3)


def test_texts_of_different_lengths_are_learned_from_and_a_saved_one_answers_the_same(tmp_path):
    rng = np.random.default_rng(0)
    words = np.array([word for word in _tiny.WORDS[5:] if word.isascii() and word.isalpha()])
    texts = [" ".join(rng.choice(words, rng.integers(2, 8))) for _ in range(120)]
    labels = np.array(["red" if "red" in text.split() else "none" for text in texts], dtype=object)
    one = encoder("hf_text", "bert")
    adapter = Adapter(one).fit(texts, labels)
    losses = adapter.chosen_["losses"]
    assert losses[-1] < losses[0]
    if not adapter.chosen_["kept"]:
        np.testing.assert_allclose(adapter.encode(texts[:5]), one.encode(texts[:5]), atol=2e-3)
    adapter.added_ = {  # as if it had been kept
        "down": rng.normal(size=(32, 20)).astype(np.float32) / 5,
        "up": rng.normal(size=(5, 4, 16)).astype(np.float32) / 5,
    }
    recipe.save(adapter, tmp_path / "part")
    found = chiasm.load(tmp_path / "part").encode(TEXTS)
    np.testing.assert_allclose(found, adapter.encode(TEXTS), atol=1e-5)
    assert np.abs(found - one.encode(TEXTS)).max() > 0.05


def test_what_cannot_be_tuned_is_said():
    with pytest.raises(ChiasmError, match=r"BERT, RoBERTa, ViT, DINOv2 .* got 'resnet'"):
        encoder("hf_image", "resnet").last()
    with pytest.raises(ChiasmError, match="pooled=True"):
        encoder("hf_text", "bert", pooled=False).last()


def test_a_folder_is_named_behind_the_encoder():
    adapter = registry.make("encode", f"adapter:encoder=hf_text:{_tiny.tiny('bert')}")
    assert adapter.modality == "text"
    assert adapter.weights() != registry.make("encode", f"adapter:encoder=hf_text:{_tiny.tiny('bert', 1)}").weights()
