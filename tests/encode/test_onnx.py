"""A user's own ONNX files against the same networks in torch, and files that are not what was wanted."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import _tiny
import _tiny_onnx
import _tiny_time
from chiasm import registry
from chiasm.cli import cli
from chiasm.data.toy import shape_image
from chiasm.encode._pixels import pixels
from chiasm.encode.hf_audio import HfAudio
from chiasm.encode.hf_image import HfImage
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encode.hf_text import HfText
from chiasm.encode.onnx_audio import OnnxAudio
from chiasm.encode.onnx_image import OnnxImage
from chiasm.encode.onnx_text import OnnxText
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.media.clips import Decoded
from chiasm.views import Column, Views

LACKING = [*registry.entries("encode")["hf_text"].missing, *registry.entries("encode")["onnx_text"].missing]
if LACKING:
    pytest.skip(f"needs {', '.join(LACKING)}", allow_module_level=True)

TEXTS = ["a red circle", "一只红色的圆,", "blue squares on the white ground", "a", "绿色的三角形, a green triangle."]
LONG = "a red circle on the white ground, a blue square on the black ground."
TEXT_INPUTS = ["input_ids", "attention_mask", "token_type_ids"]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def pictures(tmp_path: Path) -> list[Any]:
    """A tall JPEG file, a wide array and a PIL image: none of them square."""
    rng = np.random.default_rng(0)
    blur = Image.fromarray(rng.integers(0, 255, (6, 5, 3), dtype=np.uint8)).resize((70, 90))
    blur.save(tmp_path / "照片.jpg", quality=95)
    return [str(tmp_path / "照片.jpg"), np.asarray(shape_image("red", "circle"))[:40], blur.resize((64, 41))]


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """A copy of a tiny model's folder, to be changed."""
    return lambda kind: Path(shutil.copytree(_tiny_onnx.tiny(kind), tmp_path / f"模型 {kind}"))


def outside_data(file: Path, location: str = "model.onnx_data") -> None:
    """Move the arrays of a network into a file beside it."""
    import onnx

    model = onnx.load(str(file))
    file.unlink()
    onnx.save(model, str(file), save_as_external_data=True, location=location, size_threshold=500)


def towers(kind: str, folder: Path) -> Path:
    """The two halves of a tiny network of images and texts, as transformers.js has them, and its whole."""
    import torch
    from transformers import AutoModel

    source = _tiny.tiny(kind)
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    (folder / "onnx").mkdir()
    texts = ["input_ids", "attention_mask"]
    whole = AutoModel.from_pretrained(source).eval()

    class Half(torch.nn.Module):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.whole, self.name, self.config = whole, name, whole.config

        def forward(self, **given: Any) -> Any:
            out = getattr(self.whole, f"get_{self.name}_features")(**given)
            return {f"{self.name}_embeds": out.pooler_output, "pooler_output": out.pooler_output}

    names = ("text_embeds", "image_embeds") if kind == "clip" else ("pooler_output", "pooler_output")
    length = 16 if kind == "siglip" else 0
    _tiny_onnx.export(Half("text"), folder / "onnx/text_model.onnx", texts, [names[0]], fixed=length)
    _tiny_onnx.export(Half("image"), folder / "onnx/vision_model.onnx", ["pixel_values"], [names[1]])
    if kind == "clip":
        both = ["text_embeds", "image_embeds"]
        _tiny_onnx.export(whole, folder / "onnx/model.onnx", [*texts, "pixel_values"], both)
    return folder


@pytest.mark.parametrize("pool", ["auto", "mean", "cls"])
def test_a_texts_vector_is_that_of_the_same_network_in_torch(pool: str) -> None:
    known = HfText(str(_tiny.tiny("bert")), pool=pool)
    found = OnnxText(str(_tiny_onnx.tiny("bert")), pool=pool)
    texts = [*TEXTS, LONG, "zebra xylophone"]
    (values, notes), (theirs, told) = found.attempt(texts), known.attempt(texts)
    np.testing.assert_allclose(values, theirs, atol=1e-4)
    assert notes == told
    assert notes[5][0].message == "read the first 16 of 18 tokens"
    assert notes[6][0].code == "unknown_words"


def test_the_pooled_output_is_taken_by_name() -> None:
    folder = str(_tiny_onnx.tiny("bert"))
    known = HfText(str(_tiny.tiny("bert")), pool="pooler").encode(TEXTS)
    np.testing.assert_allclose(OnnxText(folder, output="pooler_output").encode(TEXTS), known, atol=1e-4)
    with pytest.raises(ChiasmError, match=r"the output 'pooled', got last_hidden_state, pooler_output in .*: name one"):
        OnnxText(folder, output="pooled").encode(TEXTS)


def test_outputs_of_unknown_names_are_shown_with_their_shapes(own: Any) -> None:
    import onnx

    folder = own("bert")
    model = onnx.load(str(folder / "onnx/model.onnx"))
    for one, name in zip(model.graph.output, ("layer_norm_4", "tanh"), strict=True):
        model.graph.node.append(onnx.helper.make_node("Identity", [one.name], [name]))
        one.name = name
    onnx.save(model, str(folder / "onnx/model.onnx"))
    with pytest.raises(ChiasmError, match=r"wanted an output called .*, got layer_norm_4 \(.*16\), tanh \(.*16\) in"):
        OnnxText(str(folder)).encode(TEXTS)
    found = OnnxText(str(folder), output="layer_norm_4").encode(TEXTS)
    np.testing.assert_allclose(found, HfText(str(_tiny.tiny("bert"))).encode(TEXTS), atol=1e-4)


@pytest.mark.parametrize("kind", ["vit", "dinov2", "resnet"])
def test_an_images_vector_is_that_of_the_same_network_in_torch(kind: str, pictures: list[Any]) -> None:
    known = HfImage(str(_tiny.tiny(kind))).encode(pictures)
    found = OnnxImage(str(_tiny_onnx.tiny(kind))).encode(pictures)
    np.testing.assert_allclose(found, known, atol=1e-4)
    assert known.std() > 0.01


def test_states_of_an_image_are_its_class_token_and_a_map_its_mean(pictures: list[Any]) -> None:
    from transformers import AutoImageProcessor, AutoModel

    for kind in ("vit", "resnet"):
        folder = _tiny.tiny(kind)
        reader = AutoImageProcessor.from_pretrained(folder, backend="pil")
        images = [Image.open(i) if isinstance(i, str) else i for i in pictures]
        states = AutoModel.from_pretrained(folder).eval()(**reader(images, return_tensors="pt")).last_hidden_state
        known = states[:, 0] if kind == "vit" else states.mean((2, 3))
        found = OnnxImage(str(_tiny_onnx.tiny(kind)), output="last_hidden_state").encode(pictures)
        np.testing.assert_allclose(found, known.detach(), atol=1e-4)


def heard(seconds: float, seed: int = 0) -> Decoded:
    time = np.arange(round(seconds * 16000)) / 16000
    noise = np.random.default_rng(seed).normal(0, 0.02, len(time))
    tone = 0.3 * np.sin(2 * np.pi * (300 + 200 * time) * time * (1 + seed)) + noise
    return Decoded(seconds, sound=tone.astype(np.float32), rate=16000)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert"])
def test_a_sounds_vector_and_states_are_those_of_the_same_network_in_torch(kind: str) -> None:
    found, known = OnnxAudio(str(_tiny_onnx.tiny(kind))), HfAudio(str(_tiny_time.tiny(kind)))
    for decoded in (heard(0.4), heard(1.3, 1), heard(61.0, 2)):  # the last in three parts
        np.testing.assert_allclose(found.describe(decoded), known.describe(decoded), atol=1e-4)
        mine, theirs = found.over_time(decoded), known.over_time(decoded)
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
    slots = OnnxAudio(str(_tiny_onnx.tiny(kind)), steps=3).describe(heard(1.3))
    np.testing.assert_allclose(slots, HfAudio(str(_tiny_time.tiny(kind)), steps=3).describe(heard(1.3)), atol=1e-4)
    with pytest.raises(ChiasmError, match="too_short"):
        found.describe(heard(0.01))


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_two_towers_share_their_space(kind: str, tmp_path: Path, pictures: list[Any]) -> None:
    folder, known = towers(kind, tmp_path / kind), str(_tiny.tiny(kind))
    texts = [*TEXTS, LONG]
    np.testing.assert_allclose(
        OnnxText(str(folder)).encode(texts), HfImageText(known, modality="text").encode(texts), atol=1e-4
    )
    np.testing.assert_allclose(OnnxImage(str(folder)).encode(pictures), HfImageText(known).encode(pictures), atol=1e-4)
    if kind == "clip":
        with pytest.raises(ChiasmError, match=r"wants input_ids, attention_mask, pixel_values .*: pixel_values is not"):
            OnnxText(str(folder / "onnx/model.onnx")).encode(texts)


def test_a_network_of_one_length_reads_padded_texts_without_their_padding(tmp_path: Path) -> None:
    from transformers import AutoModel

    source = _tiny.tiny("bert")
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        shutil.copy(source / name, tmp_path)
    _tiny_onnx.export(
        AutoModel.from_pretrained(source), tmp_path / "fixed.onnx", TEXT_INPUTS, ["last_hidden_state"], fixed=14
    )
    found, notes = OnnxText(str(tmp_path)).attempt([*TEXTS, LONG])
    np.testing.assert_allclose(found[:5], HfText(str(source)).encode(TEXTS), atol=1e-4)
    assert notes[5][0].message == "read the first 14 of 18 tokens"


def test_a_sentence_transformers_folder_gives_what_that_library_gives(tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    from test_hf import sentence_folder

    folder = sentence_folder(tmp_path / "st", {"pooling_mode": ["cls", "mean"]})
    texts = [*TEXTS, LONG]
    known = sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(texts)
    (folder / "model.safetensors").unlink()
    shutil.copytree(_tiny_onnx.tiny("bert") / "onnx", folder / "onnx")
    found, notes = OnnxText(str(folder)).attempt(texts)
    np.testing.assert_allclose(found, known, atol=1e-4)
    assert notes[5][0].message == "read the first 9 of 20 tokens"
    before = OnnxText(str(folder)).fingerprint
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": ["cls", "max"]}')
    assert OnnxText(str(folder)).fingerprint != before


PROCESSORS = {
    "ViT": {"size": {"height": 30, "width": 37}},
    "CLIP": {"size": {"shortest_edge": 41}, "crop_size": {"height": 32, "width": 45}},
    "Bit": {"size": {"shortest_edge": 33}, "crop_size": {"height": 32, "width": 32}, "resample": 2},
    "ConvNext": {"size": {"shortest_edge": 40}},
    "DeiT": {"size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}},
    "Siglip": {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3},
    "Beit": {"size": {"height": 32, "width": 32}, "rescale_factor": 1 / 127.5},
    "Segformer": {"size": {"height": 32, "width": 32}, "do_normalize": False},
    "MobileNetV2": {"size": {"shortest_edge": 40}, "crop_size": {"height": 64, "width": 64}},
    "Blip": {"size": {"height": 32, "width": 32}, "do_rescale": False, "do_normalize": False},
}


@pytest.mark.parametrize("kind", PROCESSORS)
def test_pixels_are_those_of_transformers_own_processor(kind: str, pictures: list[Any], tmp_path: Path) -> None:
    import transformers

    theirs = getattr(transformers, f"{kind}ImageProcessorPil")(**PROCESSORS[kind])
    theirs.save_pretrained(tmp_path)
    read = pixels(json.loads((tmp_path / "preprocessor_config.json").read_text()), "here")
    for item in pictures:
        image = Image.open(item) if isinstance(item, str) else Image.fromarray(np.asarray(item))
        known = np.asarray(theirs(image, return_tensors="np")["pixel_values"][0])
        np.testing.assert_allclose(read(image), known, atol=1e-5)


def test_an_old_processors_file_reads_as_transformers_reads_it(tmp_path: Path, pictures: list[Any]) -> None:
    from transformers import AutoImageProcessor

    for kind, size in (("CLIPFeatureExtractor", {"size": 36, "crop_size": 32}), ("ViTFeatureExtractor", {"size": 32})):
        said = {"feature_extractor_type": kind, "image_mean": [0.4] * 3, "image_std": [0.2] * 3, "resample": 3, **size}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
        (tmp_path / "config.json").write_text(json.dumps({"model_type": kind[:4].strip("F").lower()}))
        image = Image.open(pictures[0])
        known = AutoImageProcessor.from_pretrained(tmp_path, backend="pil")(image, return_tensors="np")["pixel_values"]
        np.testing.assert_allclose(pixels(said, "here")(image), known[0], atol=1e-5)


def test_arrays_in_a_file_of_their_own_are_read_and_counted_in_the_fingerprint(own: Any) -> None:
    folder = own("bert")
    known = OnnxText(str(folder)).encode(TEXTS)
    outside_data(folder / "onnx/model.onnx")
    np.testing.assert_array_equal(OnnxText(str(folder)).encode(TEXTS), known)
    before = OnnxText(str(folder)).fingerprint
    data = bytearray((folder / "onnx/model.onnx_data").read_bytes())
    data[100] ^= 1
    (folder / "onnx/model.onnx_data").write_bytes(data)
    assert OnnxText(str(folder)).fingerprint != before
    (folder / "onnx/model.onnx_data").unlink()
    with pytest.raises(ChiasmError, match=r"lacks its data file model\.onnx_data: copy it beside the network"):
        OnnxText(str(folder)).encode(TEXTS)


def test_the_fingerprint_follows_the_tokenizer_and_not_the_readme(own: Any) -> None:
    folder = own("bert")
    first = OnnxText(str(folder)).fingerprint
    (folder / "README.md").write_text("about this model")
    assert OnnxText(str(folder)).fingerprint == first
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    assert OnnxText(str(folder)).fingerprint != first


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "a/../../secret"])
def test_a_network_that_names_data_outside_its_folder_is_refused(location: str, own: Any) -> None:
    import onnx

    folder = own("bert")
    file = folder / "onnx/model.onnx"
    outside_data(file)
    shutil.copy(folder / "onnx/model.onnx_data", folder / "secret")
    model = onnx.load(str(file), load_external_data=False)
    moved = [entry for one in model.graph.initializer for entry in one.external_data if entry.key == "location"]
    assert moved
    moved[0].value = location
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ChiasmError, match="which is not in its folder: do not trust it"):
        OnnxText(str(folder)).encode(TEXTS)


def test_operators_of_other_libraries_are_refused(own: Any) -> None:
    import onnx

    folder = own("bert")
    model = onnx.load(str(folder / "onnx/model.onnx"))
    model.graph.node[0].domain = "evil"
    model.opset_import.append(onnx.helper.make_opsetid("evil", 1))
    onnx.save(model, str(folder / "onnx/model.onnx"))
    with pytest.raises(ChiasmError, match=r"cannot be used \(.*evil.*ONNX's own operators"):
        OnnxText(str(folder)).encode(TEXTS)


def broken() -> dict[str, Any]:
    """By name: the kind to start from, the encoder, what is done to the folder, and what the sentence says."""

    def without(name: str) -> Any:
        return lambda folder: (folder / name).unlink()

    def junk(folder: Path) -> None:
        (folder / "onnx/model.onnx").write_bytes(b"no network at all")

    def cut(folder: Path) -> None:
        data = (folder / "onnx/model.onnx").read_bytes()
        (folder / "onnx/model.onnx").write_bytes(data[: len(data) // 2])

    def several(folder: Path) -> None:
        for name in ("a", "b"):
            shutil.copy(folder / "onnx/model.onnx", folder / f"onnx/{name}.onnx")
        (folder / "onnx/model.onnx").unlink()

    def settings(**changes: Any) -> Any:
        def change(folder: Path) -> None:
            known = json.loads((folder / "preprocessor_config.json").read_text())
            (folder / "preprocessor_config.json").write_text(json.dumps(known | changes))

        return change

    def as_it_is(folder: Path) -> None:
        pass

    return {
        "no ONNX": ("bert", OnnxText, junk, r"model\.onnx is no ONNX file .*: wanted a network exported to ONNX"),
        "half a file": ("vit", OnnxImage, cut, "is no ONNX file"),
        "no network": ("vit", OnnxImage, without("onnx/model.onnx"), "wanted one ONNX file in .* got none: name"),
        "several": ("bert", OnnxText, several, r"got onnx/a\.onnx, onnx/b\.onnx: name the file itself"),
        "no tokenizer": ("bert", OnnxText, without("tokenizer.json"), "wanted tokenizer.json .* got none"),
        "a tokenizer that is none": (
            "bert", OnnxText, lambda f: (f / "tokenizer.json").write_text("{"), "tokenizer.json is no tokenizer",
        ),
        "no processor": ("vit", OnnxImage, without("preprocessor_config.json"), "wanted preprocessor_config.json"),
        "an unknown processor": (
            "vit", OnnxImage, settings(image_processor_type="OwnImageProcessor"), "got OwnImageProcessor: open",
        ),
        "a processor that pads": ("vit", OnnxImage, settings(do_pad=True), "do_pad = True is not known here"),
        "an odd size": ("vit", OnnxImage, settings(size={"longest_edge": 9}), "wanted size as height and width"),
        "another size": ("vit", OnnxImage, settings(size={"height": 40, "width": 40}), "cannot be used"),
        "no mean": ("vit", OnnxImage, settings(image_mean=None), "wanted image_mean, got none"),
        "no rate": ("wav2vec2", OnnxAudio, settings(sampling_rate=None), "with a sampling_rate .* got None"),
        "images for texts": ("vit", OnnxText, as_it_is, "wants pixel_values .*: one of images is for onnx_image"),
        "texts for images": ("bert", OnnxImage, as_it_is, "wants input_ids, .*: one of texts is for onnx_text"),
        "texts for sounds": ("bert", OnnxAudio, as_it_is, "of texts for onnx_text"),
        "sounds for images": ("wav2vec2", OnnxImage, as_it_is, "of sounds for onnx_audio"),
    }  # fmt: skip


@pytest.mark.parametrize("name", broken())
def test_a_file_that_cannot_be_used_is_one_sentence(name: str, own: Any) -> None:
    kind, cls, damage, said = broken()[name]
    folder = own(kind)
    damage(folder)
    with pytest.raises(ChiasmError, match=said) as caught:
        cls(str(folder)).attempt([])
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_classifier_says_that_it_is_one_and_gives_its_scores_when_asked(own: Any, pictures: list[Any]) -> None:
    from transformers import ViTForImageClassification

    folder = own("vit")
    model = ViTForImageClassification.from_pretrained(_tiny.tiny("vit"), num_labels=5)
    _tiny_onnx.export(model, folder / "onnx/model.onnx", ["pixel_values"], ["logits"])
    with pytest.raises(ChiasmError, match=r"wanted the vector of an item, got only a classifier's logits .*output=log"):
        OnnxImage(str(folder)).encode(pictures)
    assert OnnxImage(str(folder), output="logits").encode(pictures).shape == (3, 5)


def test_spectrograms_are_refused(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    sides = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 80, None]) for n in ("input_features", "out")]
    graph = helper.make_graph([helper.make_node("Identity", ["input_features"], ["out"])], "g", sides[:1], sides[1:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "m.onnx")
    with pytest.raises(ChiasmError, match=r"wants input_features .*: one of spectrograms is for hf_audio"):
        OnnxAudio(str(tmp_path)).attempt([])


def test_a_very_narrow_picture_is_skipped(pictures: list[Any]) -> None:
    notes = OnnxImage(str(_tiny_onnx.tiny("dinov2"))).attempt([np.zeros((20, 2_400_000), np.uint8), pictures[1]])[1]
    assert [(i, note.code, note.skipped) for i, (note,) in notes.items()] == [(0, "too_narrow", True)]


def test_an_unknown_name_is_one_sentence_and_nothing_is_fetched() -> None:
    for name, told in (
        ("Xenova/all-MiniLM-L6-v2", "nothing is fetched"),
        ("./models/minilm.onnx", "no folder here: copy the files there"),
        ("没有/这个", "nothing is fetched"),
    ):
        with pytest.raises(ChiasmError, match=rf"wanted a folder with a model's files, got .* {told}"):
            OnnxText(name).encode(["a"])
    with pytest.raises(ChiasmError, match=r'got none: say onnx_text:FOLDER, in Python OnnxText\("FOLDER"\)'):
        OnnxText().encode(["a"])


def test_several_parameters_are_set_by_one_name(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(_tiny_onnx.tiny("bert"), tmp_path / "a:b=c"))
    texts = Views({"标题": Column("text", TEXTS)})
    found = Encoding({"标题": f"onnx_text:{folder}:pool=cls:truncate_dim=5"}).fit(texts).encoders_["标题"]
    assert repr(found) == repr(OnnxText(str(folder), pool="cls", truncate_dim=5))
    assert Encoding({"标题": f"onnx_text:{folder}"}).fit(texts).encoders_["标题"].model == str(folder)


def test_pictures_of_a_network_from_tensorflow_are_laid_out_as_it_wants_them(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    sides = [
        helper.make_tensor_value_info("input_1", TensorProto.FLOAT16, [None, 32, 32, 3]),
        helper.make_tensor_value_info("avg_pool", TensorProto.FLOAT16, [None, 3]),
    ]
    mean = helper.make_node("ReduceMean", ["input_1", "axes"], ["avg_pool"], keepdims=0)
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    graph = helper.make_graph([mean], "g", sides[:1], sides[1:], [axes])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tmp_path / "m.onnx")
    said = {"image_processor_type": "ViTImageProcessor", "size": 32, "do_normalize": False}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    picture = np.zeros((32, 32, 3), np.uint8) + np.array([255, 51, 0], np.uint8)
    np.testing.assert_allclose(OnnxImage(str(tmp_path)).encode([picture]), [[1, 0.2, 0]], atol=1e-3)


def test_a_hub_id_is_found_in_the_local_hub_cache_with_its_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: Any
) -> None:
    from huggingface_hub import constants

    folder = own("bert")
    known = OnnxText(str(folder)).encode(TEXTS)
    outside_data(folder / "onnx/model.onnx")
    place = tmp_path / "models--me--bert"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "blobs").mkdir()
    for i, path in enumerate(sorted(path for path in folder.rglob("*") if path.is_file())):
        link = place / "snapshots" / ("0" * 40) / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place / "blobs" / str(i))
        link.symlink_to(place / "blobs" / str(i))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    np.testing.assert_array_equal(OnnxText("me/bert").encode(TEXTS), known)


def test_texts_and_images_need_neither_torch_nor_transformers(pictures: list[Any]) -> None:
    code = (
        "import sys; sys.modules.update(torch=None, transformers=None)\n"
        "from chiasm.encode.onnx_text import OnnxText; from chiasm.encode.onnx_image import OnnxImage\n"
        "from chiasm.encode.onnx_audio import OnnxAudio; import numpy as np\n"
        f"print(OnnxText({str(_tiny_onnx.tiny('bert'))!r}).encode(['a']).shape)\n"
        f"print(OnnxImage({str(_tiny_onnx.tiny('vit'))!r}).encode([np.zeros((9, 9), np.uint8)]).shape)\n"
        f"print(OnnxAudio({str(_tiny_onnx.tiny('wav2vec2'))!r}).attempt([])[0].shape)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split("\n")[:2] == ["(1, 16)", "(1, 16)"], done.stderr


def test_the_command_line_takes_a_folder_or_a_file_and_the_second_run_finds_everything_in_the_cache(
    tmp_path: Path, cache: Any, pictures: list[Any]
) -> None:
    (tmp_path / "t.csv").write_text("path,标题\n照片.jpg,一只红色的圆\n照片.jpg,a red circle\n", encoding="utf-8")
    words = ["encode", str(tmp_path / "t.csv"), "--text", "标题", "--image", "path", "--json"]
    for chosen in (
        f"标题=onnx_text:{_tiny_onnx.tiny('bert')}",
        f"path=onnx_image:{_tiny_onnx.tiny('vit')}/onnx/model.onnx",
    ):
        words += ["--encoder", chosen]
    first, second = (CliRunner().invoke(cli, words) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    counts = [json.loads(done.stdout)["views"] for done in (first, second)]
    assert [[c[view]["encoded"] for view in ("标题", "path")] for c in counts] == [[2, 1], [0, 0]]
