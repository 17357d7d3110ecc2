"""Encoders say what they know: names of classifiers whose last layer fits their vectors, and a space that two share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from _tiny import SIZE, tiny
from chiasm.encode.hf_audio import HfAudio
from chiasm.encode.hf_image import HfImage
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.known import Same
from chiasm.tasks.retrieve import Retrieve
from chiasm.views import Column, Views

transformers = pytest.importorskip("transformers")

PICTURES = [np.random.default_rng(i).integers(0, 256, (40, 40, 3), dtype=np.uint8) for i in range(4)]
NAMES = {0: "tabby, tabby cat", 1: "红色的圆", 2: "fire_engine"}


def classifier(kind: str, folder: Path, names: dict[int, str] | None) -> Path:
    """A tiny classifier of pictures on disk."""
    import torch

    torch.manual_seed(0)
    labels = {"num_labels": 3} if names is None else {"id2label": names, "label2id": {v: k for k, v in names.items()}}
    if kind == "vit":
        config = transformers.ViTConfig(**SIZE, image_size=32, patch_size=8, **labels)
        model = transformers.ViTForImageClassification(config)
        transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    else:
        config = transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", **labels
        )
        model = transformers.ResNetForImageClassification(config)
        transformers.ConvNextImageProcessor(size={"shortest_edge": 32}).save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("kind", ["vit", "resnet"])
def test_a_classifier_brings_its_names_and_its_last_layer(kind: str, tmp_path: Path) -> None:
    import torch

    folder = classifier(kind, tmp_path / kind, NAMES)
    encoder = HfImage(str(folder))
    known = encoder.known()
    assert known is not None
    assert [list(one) for one in known.phrasings] == [
        ["tabby", "a photo of a tabby"],
        ["红色的圆", "一张红色的圆的照片"],
        ["fire engine", "a photo of a fire engine"],
    ]
    model = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    reader = transformers.AutoImageProcessor.from_pretrained(folder)
    with torch.inference_mode():
        own = model(**reader(PICTURES, return_tensors="pt")).logits.numpy()
    np.testing.assert_allclose(encoder.encode(PICTURES) @ known.weights.T + known.biases, own, atol=1e-4)


def test_a_classifier_without_names_and_a_network_without_classes_bring_none(tmp_path: Path) -> None:
    numbered, plain = HfImage(str(classifier("vit", tmp_path / "numbers", None))), HfImage(str(tiny("vit")))
    assert (numbered.known(), plain.known(), plain.nameless()) == (None, None, "")
    assert "has numbers for names (id2label)" in numbered.nameless()


def test_a_head_that_is_not_linear_in_the_vectors_brings_none(tmp_path: Path) -> None:
    """DINOv2 classifies by its first state beside the mean of its patches, twice as wide as the vector."""
    config = transformers.Dinov2Config(**SIZE, image_size=32, patch_size=8, id2label=NAMES)
    transformers.Dinov2ForImageClassification(config).save_pretrained(tmp_path / "dino")
    transformers.BitImageProcessor(size={"shortest_edge": 32}).save_pretrained(tmp_path / "dino")
    encoder = HfImage(str(tmp_path / "dino"))
    assert encoder.known() is None
    assert "a classifier whose last layer reads 32 numbers, not these 16" in encoder.nameless()
    with pytest.raises(ChiasmError, match=r"which knows none \(Dinov2ForImageClassification of .* reads 32 numbers"):
        Retrieve({"image": encoder}).fit(Views({"image": Column("image", PICTURES)}))


def test_a_last_layer_that_reads_other_vectors_brings_no_names_however_small_its_scores(tmp_path: Path) -> None:
    """Scores of a thousandth, far from those of the vectors: a floor in absolute numbers would let them pass."""
    import torch

    folder = classifier("vit", tmp_path / "vit", NAMES)
    model = transformers.AutoModelForImageClassification.from_pretrained(folder)
    with torch.no_grad():
        model.classifier.weight.mul_(1e-4)
        model.classifier.bias.mul_(1e-4)
    model.save_pretrained(folder)

    class Moved(HfImage):
        def _call(self, opened: Any, inputs: dict[str, Any], counts: Any) -> tuple[Any, Any]:
            vectors, parts = super()._call(opened, inputs, counts)
            return vectors + 1, parts

    assert HfImage(str(folder)).known() is not None
    assert "does not give its own scores" in Moved(str(folder)).nameless()


def test_a_classifier_of_sounds_brings_names_through_its_projector(tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    config = transformers.Wav2Vec2Config(
        **SIZE,
        conv_dim=(8, 8),
        conv_stride=(160, 2),
        conv_kernel=(160, 2),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        id2label={0: "dog", 1: "rain"},
    )
    transformers.Wav2Vec2ForSequenceClassification(config).save_pretrained(tmp_path / "w")
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "w")
    known = HfAudio(str(tmp_path / "w")).known()
    assert known is not None
    assert known.weights.shape == (2, 16)
    assert known.phrasings[1] == ["rain", "the sound of rain"]


def test_two_towers_of_one_folder_share_a_space_and_need_no_pair(tmp_path: Path) -> None:
    from PIL import Image

    folder = tiny("clip")
    paths = []
    for i, pixels in enumerate(PICTURES):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        paths.append(str(tmp_path / f"{i}.png"))
    both = Views({"image": Column("image", paths), "text": Column("text", ["a cat", "a dog", "a bus", "rain"])})
    towers = {"image": HfImageText(str(folder)), "text": HfImageText(str(folder), modality="text")}
    (pair,) = Encoding(towers).fit(both).known().items()
    assert pair == (("text", "image"), Same(towers["image"].encode(PICTURES).shape[1]))
    assert not Encoding({**towers, "text": "hashed_text"}).fit(both).known()

    model = Retrieve({"image": f"hf_image_text:{folder}"}).fit(Views({"image": Column("image", paths)}))
    assert (model.paired_, model.names_) == (0, 0)
    asked = ["a red circle", "一 只 红 色"]
    found = [[hit["item"] for hit in row] for row in model.hits({"text": asked}, k=4)]
    cosines = towers["text"].encode(asked) @ towers["image"].encode(paths).T
    said, shown = Column("vector", towers["text"].encode(asked)), Column("vector", towers["image"].encode(paths))
    left, right = (model.aligner_.uncorrected(Views({name: one})) for name, one in (("text", said), ("image", shown)))
    np.testing.assert_allclose(left["text"].items @ right["image"].items.T, cosines, atol=1e-5)
    assert all(len(set(row)) == 4 for row in found)
