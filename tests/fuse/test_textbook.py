"""The textbook models: the picture is really used, tensors are never joined unpooled, layers are counted."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import _tiny
from chiasm.data.toy import SHAPES, shape_image
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.fuse import temporal
from chiasm.fuse.early import Early
from chiasm.fuse.temporal import Temporal
from chiasm.nn.blocks import ArrayOps
from chiasm.report.layers import layers
from chiasm.tasks.classify import Classify
from chiasm.tasks.tag import Tag
from chiasm.views import Column, Views

WORDS = {"red": "a warm red evening", "blue": "a cold blue morning"}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few epochs: for claims that hold however long training is."""
    monkeypatch.setattr(temporal.Temporal, "_epochs", 3)


def posts(n: int, seed: int = 0) -> Views:
    """The words say one bit, the color of the picture another; the label is both."""
    rng = np.random.default_rng(seed)
    said, seen = rng.integers(0, 2, n), rng.integers(0, 2, n)
    texts = [f"{list(WORDS.values())[bit]} {i}" for i, bit in enumerate(said)]
    pictures = [
        np.asarray(shape_image(["green", "yellow"][bit], rng.choice(SHAPES), 32, i)) for i, bit in enumerate(seen)
    ]
    label = np.array([f"{a}{b}" for a, b in zip(said, seen, strict=True)], dtype=object)
    return Views({"words": Column("text", texts), "picture": Column("image", pictures)}, None, {"label": label})


def test_the_network_of_words_and_pictures_is_the_formula_in_torchs_own_layers() -> None:
    """F = W_fc [tanh(W_lstm H); tanh(W_conv V)] with torch.nn.LSTM and Conv1d in place of ours."""
    rng = np.random.default_rng(0)
    part = Temporal(steps={"words": 6, "pictures": 9}, head={"words": "bilstm", "pictures": "conv"})
    part.steps_, part.heads_ = part.steps, part.head
    params = part._start({"words": 6 * 5, "pictures": 9 * 4}, 3, rng)
    for inner in params.values():
        for name, values in inner.items():
            inner[name] = (0.3 * rng.normal(size=values.shape)).astype(np.float32)
    h, v = (rng.normal(size=shape).astype(np.float32) for shape in ((7, 6, 5), (7, 9, 4)))
    rows = {"words": h.reshape(7, -1), "pictures": v.reshape(7, -1)}
    found, _ = part._forward(params, rows, np.ones((7, 2), np.float32), ArrayOps(), 0.0)

    tensors = {g: {n: torch.tensor(x) for n, x in inner.items()} for g, inner in params.items()}
    words, pictures, joint = tensors["words"], tensors["pictures"], tensors["(all)"]
    lstm = torch.nn.LSTM(5, 16, batch_first=True, bidirectional=True)
    with torch.no_grad():
        for side, ending in (("0", ""), ("1", "_reverse")):
            # ours lays the gates as input, forget, output, content; torch as input, forget, content, output
            order = torch.cat([torch.arange(0, 32), torch.arange(48, 64), torch.arange(32, 48)])
            getattr(lstm, f"weight_ih_l0{ending}").copy_(words[f"over_{side}.in"].T[order])
            getattr(lstm, f"weight_hh_l0{ending}").copy_(words[f"over_{side}.again"].T[order])
            getattr(lstm, f"bias_ih_l0{ending}").copy_(words[f"over_{side}.bias"][0][order])
            getattr(lstm, f"bias_hh_l0{ending}").zero_()
        read = lstm(torch.tensor(h))[0].mean(dim=1)
        kernel = pictures["over_kernel"].reshape(5, 4, 32).permute(2, 1, 0).contiguous()
        seen = torch.nn.functional.conv1d(torch.tensor(v).transpose(1, 2), kernel, pictures["over_bias"][0], padding=2)
        seen = torch.nn.functional.gelu(seen).amax(dim=2)
        both = torch.cat([torch.tanh(x @ p["map"] + p["shift"]) for x, p in ((read, words), (seen, pictures))], dim=1)
        f = both @ torch.cat([words["join"], pictures["join"]]) + joint["inner"]
        out = torch.nn.functional.gelu(torch.nn.functional.layer_norm(f, (64,))) @ joint["head"] + joint["offset"]
    np.testing.assert_allclose(found, out.numpy(), atol=1e-4)


def test_layers_of_a_fuser_are_counted_as_torch_would_count_them(short: None) -> None:
    rng = np.random.default_rng(0)
    views = {"clip": rng.normal(size=(60, 20)), "size": rng.normal(size=(60, 2))}
    fused = Temporal(steps={"clip": 4}, head="lstm").fit(views, ["a", "b", "c"] * 20)
    held = layers(fused)
    over, plain = (fused.kernels_["clip"].width, fused.kernels_["size"].width)
    lstm = sum(p.numel() for p in torch.nn.LSTM(over, 32).parameters()) - 4 * 32  # torch adds a second bias
    joins = 2 * (32 * 64 + 64)  # W_fc's half of a view, and its stand-in
    known = lstm + (32 * 32 + 32) + (plain * 32 + 32) + joins + 64 + (64 * 3 + 3)
    assert held.parameters == known == sum(layer.parameters for layer in held)
    assert {layer.view for layer in held} == {"clip", "size", "(all)"}
    assert held.networks == 5
    shown = str(held).splitlines()
    assert shown[-2].endswith(f"{known:,}")
    assert shown[-1].endswith(f"{5 * known:,}")
    assert len({len(line) for line in shown}) == 1
    assert [layer.shape for layer in held if layer.name == "head"] == [(64, 3)]


def test_a_network_that_counts_nothing_leaves_the_closed_learner(short: None) -> None:
    """What the benchmark calls `early` beside the networks."""
    rng = np.random.default_rng(0)
    views = {"clip": rng.normal(size=(60, 20)), "size": rng.normal(size=(60, 2))}
    fused = Temporal(steps={"clip": 4}).fit(views, ["a", "b", "c"] * 20)
    fused.shares_ = dict.fromkeys(fused.shares_, 0.0)
    known = Early().fit(views, ["a", "b", "c"] * 20).outputs(views)
    np.testing.assert_allclose(fused.outputs(views), known, atol=1e-9)


def test_a_fuser_in_closed_form_has_no_layers_which_is_said() -> None:
    fused = Early().fit({"a": np.random.default_rng(0).normal(size=(40, 3))}, ["x", "y"] * 20)
    with pytest.raises(ChiasmError, match="got Early, which holds no layers"):
        layers(fused)


def test_the_picture_of_a_sentiment_model_is_really_used() -> None:
    """A published one computes the picture's features and never reads them."""
    encoders = {"words": "wordvec_text", "picture": "pixel_image"}
    views = posts(240)
    views.facts["split"] = np.array(["train"] * 160 + ["test"] * 80, dtype=object)
    model = Classify(encoders, fuse="temporal").fit(views)
    test = views[160:]
    score = model.score(test, split="test")
    adds = score.table["leave_one_out"]["picture"]["difference"]["accuracy"]
    assert adds["low"] > 0.2  # without it two classes of four cannot be told apart
    other = Views({"words": test["words"], "picture": test["picture"][::-1]})
    assert np.abs(model.outputs(test) - model.outputs(other)).max() > 0.1


@pytest.mark.parametrize("words", ["wordvec_text", "wordvec_text:16:pooled=False:steps=5"])
def test_a_tagger_joins_one_vector_a_view_whatever_shape_the_network_gives(words: str, short: None) -> None:
    """A published one concatenates a feature map of four dimensions with a sequence of embeddings."""
    encoders = {"words": words, "picture": f"vgg16_image:{_tiny.tiny('vgg16')}"}
    views = posts(40)
    tags = [["warm"] * (label[0] == "0") + ["green"] * (label[1] == "0") for label in views.label]
    views.facts["label"] = np.fromiter(tags, dtype=object, count=len(tags))
    pooled = pytest.warns(ChiasmWarning, match="head='lstm' reads nothing")
    with pooled if words == "wordvec_text" else nullcontext():
        model = Tag(encoders, fuse="temporal:head=lstm").fit(views)
    assert model.fuser_.widths_["picture"] == 10  # the tiny network's last map, pooled
    assert model.fuser_.params_["picture"]["join"].shape[1:] == model.fuser_.params_["words"]["join"].shape[1:]
    assert model.outputs(views).shape == (40, 2)


def test_an_embedding_with_an_lstm_beside_vgg16_learns_yes_or_no(short: None) -> None:
    views = posts(60)
    views.facts["label"] = np.array([label[0] for label in views.label], dtype=object)
    encoders = {"words": "wordvec_text:16:pooled=False:steps=5", "picture": f"vgg16_image:{_tiny.tiny('vgg16')}"}
    model = Classify(encoders, fuse="temporal:head=lstm").fit(views)
    assert model.fuser_.steps_ == {"words": 5}
    first, second = model.outputs(views).T
    np.testing.assert_allclose(first + second, 1, atol=1e-9)  # one sigmoid
    assert {layer.name for layer in layers(model) if layer.view == "words"} >= {"over_in", "over_again", "join"}


def bert_base(folder: Path) -> Path:
    """BERT base, uncased, in full shape, of random weights: 12 layers, 768 wide, 30,522 words."""
    import transformers

    words = "[PAD] [UNK] [CLS] [SEP] [MASK] a warm red evening cold blue morning".split()
    known = [*words, *(f"##{i}" for i in range(30_522 - len(words)))]
    (folder / "vocab.txt").write_text("\n".join(known), encoding="utf-8")
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig()).save_pretrained(folder)
    return folder


def vgg16(file: Path) -> Path:
    """VGG16 in full shape, of random weights: 138 million numbers, of which the dense layers are most."""
    torch.manual_seed(0)
    widths = (64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512)
    torch.save(_tiny.vgg16_state(widths, dense=4096), file)
    return file


@pytest.mark.slow
@pytest.mark.parametrize(("layer", "width"), [("pooled", 512), ("dense", 4096)])
def test_bert_and_vgg16_of_full_shape_are_fused_and_both_are_used(
    layer: str, width: int, tmp_path: Path, short: None, cache: Any
) -> None:
    bert, vgg = bert_base(tmp_path), vgg16(tmp_path / "vgg16.pth")
    views = posts(24)
    views.facts["label"] = np.array(["good", "bad"] * 12, dtype=object)
    model = Classify({"words": f"hf_text:{bert}", "picture": f"vgg16_image:{vgg}:layer={layer}"}, fuse="temporal")
    model.fit(views)
    assert model.fuser_.widths_ == {"words": 768, "picture": width}
    held = layers(model)
    assert {layer.view for layer in held} == {"words", "picture", "(all)"}
    encoded = model.encoding_.transform(views)
    weights = model.fuser_.row_weights(encoded)
    assert (weights > 0).all()  # neither network's numbers are left out
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
