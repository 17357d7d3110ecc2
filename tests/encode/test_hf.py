"""A user's own networks against transformers', sentence-transformers' and torch's own answers; folders that are not."""

from __future__ import annotations

import copy
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
import chiasm
from chiasm import registry
from chiasm.cli import cli
from chiasm.data.toy import shape_image
from chiasm.encode.hf_image import HfImage
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encode.hf_text import HfText
from chiasm.encode.vgg16_image import Vgg16Image
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.nn.hub_files import _file_checksum
from chiasm.views import Column, Views

LACKING = registry.entries("encode")["hf_text"].missing
if LACKING:
    pytest.skip(f"needs {', '.join(LACKING)}", allow_module_level=True)

TEXTS = ["a red circle", "一只红色的圆,", "blue squares on the white ground", "a", "绿色的三角形, a green triangle."]
LONG = "a red circle on the white ground, a blue square on the black ground."


@pytest.fixture
def pictures(tmp_path: Path) -> list[Any]:
    """A tall JPEG file, a wide array and a PIL image: none of them square."""
    rng = np.random.default_rng(0)
    blur = Image.fromarray(rng.integers(0, 255, (6, 5, 3), dtype=np.uint8)).resize((70, 90))
    blur.save(tmp_path / "p.jpg", quality=95)
    return [str(tmp_path / "p.jpg"), np.asarray(shape_image("red", "circle"))[:40], blur.resize((64, 41))]


@pytest.fixture
def own(tmp_path: Path) -> Any:
    """A copy of a tiny model's folder, to be changed."""
    return lambda kind: Path(shutil.copytree(_tiny.tiny(kind), tmp_path / kind))


def opened(item: Any) -> Image.Image:
    if isinstance(item, str):
        return Image.open(item).convert("RGB")
    return Image.fromarray(item) if isinstance(item, np.ndarray) else item


def theirs(folder: Path, **inputs: Any) -> Any:
    """The answer of the network as transformers opens it."""
    import torch
    from transformers import AutoModel

    with torch.inference_mode():
        return AutoModel.from_pretrained(folder).eval()(**inputs)


def tokenized(folder: Path, texts: list[str], **options: Any) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)(texts, return_tensors="pt", **({"padding": True} | options))


def processed(folder: Path, items: list[Any]) -> Any:
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(folder, backend="pil")([opened(i) for i in items], return_tensors="pt")


@pytest.mark.parametrize("pool", ["auto", "mean", "cls", "pooler"])
def test_a_texts_vector_is_that_of_a_padded_batch_in_transformers(pool: str) -> None:
    folder = _tiny.tiny("bert")
    inputs = tokenized(folder, TEXTS)
    out = theirs(folder, **inputs)
    mask = inputs["attention_mask"][..., None]
    mean = (out.last_hidden_state * mask).sum(1) / mask.sum(1)
    known = {"cls": out.last_hidden_state[:, 0], "pooler": out.pooler_output}.get(pool, mean)
    np.testing.assert_allclose(HfText(str(folder), pool=pool).encode(TEXTS), known, atol=1e-5)


def test_a_texts_tokens_are_the_last_states_of_its_words_without_start_and_end() -> None:
    folder = _tiny.tiny("bert")
    found = HfText(str(folder)).tokens(TEXTS)
    assert [len(states) for states in found] == [3, 7, 7, 1, 11]
    for text, states in zip(TEXTS, found, strict=True):
        known = theirs(folder, **tokenized(folder, [text])).last_hidden_state[0, 1:-1]
        np.testing.assert_allclose(states, known, atol=1e-5)
    with pytest.raises(ChiasmError, match="empty"):
        HfText(str(folder)).tokens(["a", " "])


def test_bert_base_has_768_numbers_and_resnet_50_2048_and_49_cells(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel, ConvNextImageProcessorPil, ResNetConfig, ResNetModel

    shutil.copytree(_tiny.tiny("bert"), tmp_path / "bert")
    BertModel(BertConfig(vocab_size=len(_tiny.WORDS), num_hidden_layers=1)).save_pretrained(tmp_path / "bert")
    assert HfText(str(tmp_path / "bert")).encode(["红色的圆"]).shape == (1, 768)
    ResNetModel(ResNetConfig(depths=[1, 1, 1, 1])).save_pretrained(tmp_path / "resnet")  # the widths of ResNet-50
    ConvNextImageProcessorPil(size={"shortest_edge": 224}).save_pretrained(tmp_path / "resnet")
    encoder = HfImage(str(tmp_path / "resnet"))
    assert encoder.encode([shape_image("red", "circle")]).shape == (1, 2048)
    assert encoder.tokens([shape_image("red", "circle")])[0].shape == (49, 2048)


def test_a_long_text_is_cut_where_the_tokenizer_would_and_noted() -> None:
    folder = _tiny.tiny("bert")
    values, notes = HfText(str(folder), pool="cls").attempt([LONG, "a", "zebra xylophone", 3, "一" * 30_000])
    known = theirs(folder, **tokenized(folder, [LONG], truncation=True, max_length=16)).last_hidden_state[0, 0]
    np.testing.assert_allclose(values[0], known, atol=1e-5)
    assert [note.message for note in notes[0]] == ["read the first 16 of 18 tokens"]
    assert notes[2][0].code == "unknown_words"
    assert notes[3][0].skipped
    assert [note.message for note in notes[4]] == [
        "read the first 20000 of 30000 characters",
        "read the first 16 of 20002 tokens",
    ]
    assert sorted(notes) == [0, 2, 3, 4]


def test_texts_that_are_cut_at_the_same_time_do_not_disturb_each_other() -> None:
    values, notes = HfText(str(_tiny.tiny("bert"))).attempt([LONG, "一" * 500] * 100)
    assert [notes[i][0].message for i in range(200)] == [
        "read the first 16 of 18 tokens",
        "read the first 16 of 502 tokens",
    ] * 100
    assert (values[::2] == values[0]).all()
    assert (values[1::2] == values[1]).all()


def test_roberta_counts_its_positions_from_behind_the_padding(own: Any) -> None:
    from transformers import RobertaConfig, RobertaModel

    folder = own("bert")
    RobertaModel(
        RobertaConfig(vocab_size=len(_tiny.WORDS), max_position_embeddings=12, pad_token_id=1, **_tiny.SIZE)
    ).save_pretrained(folder)
    notes = HfText(str(folder)).attempt([LONG])[1]
    assert notes[0][0].message == "read the first 10 of 18 tokens"


POOLINGS = {
    "mean": {"pooling_mode": "mean"},
    "old names": {"pooling_mode_cls_token": True, "pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False},
    "several": {"pooling_mode": ["mean_sqrt_len_tokens", "weightedmean", "lasttoken"]},
}


def sentence_folder(folder: Path, pooling: dict[str, Any], old: bool = False) -> Path:
    """The layout of sentence-transformers: pooling, a dense layer, length 1, a prompt before every text."""
    import torch
    from safetensors.torch import save_file

    home = "sentence_transformers.models" if old else "sentence_transformers.sentence_transformer.modules"
    names = ["Transformer", "Pooling", "Dense", "Normalize"]
    paths = ["0_Transformer" if old else "", "1_Pooling", "2_Dense", "3_Normalize"]
    shutil.copytree(_tiny.tiny("bert"), folder / paths[0], dirs_exist_ok=True)
    entries = [{"name": n, "path": p, "type": f"{home}.{n}"} for p, n in zip(paths, names, strict=True)]
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / paths[0] / "sentence_bert_config.json").write_text('{"max_seq_length": 9, "do_lower_case": false}')
    modes = pooling.get("pooling_mode", ["cls", "max"])
    width = 16 * (1 if isinstance(modes, str) else len(modes))
    dense = {"in_features": width, "out_features": 6, "activation_function": "torch.nn.modules.activation.Tanh"}
    for path, settings in (("1_Pooling", {"word_embedding_dimension": 16, **pooling}), ("2_Dense", dense)):
        (folder / path).mkdir()
        (folder / path / "config.json").write_text(json.dumps(settings))
    torch.manual_seed(3)
    save_file(
        {"linear.weight": torch.randn(6, width), "linear.bias": torch.randn(6)}, folder / "2_Dense/model.safetensors"
    )
    (folder / "3_Normalize").mkdir()
    prompts = {"prompts": {"query": "a red "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    return folder


@pytest.mark.parametrize("name", POOLINGS)
def test_a_sentence_transformers_folder_gives_what_that_library_gives(name: str, tmp_path: Path) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    folder = sentence_folder(tmp_path / "st", POOLINGS[name], old=name == "old names")
    texts = [*TEXTS, LONG]
    known = sentence_transformers.SentenceTransformer(str(folder), device="cpu").encode(texts)
    found, notes = HfText(str(folder)).attempt(texts)
    np.testing.assert_allclose(found, known, atol=1e-5)
    assert notes[5][0].message == "read the first 9 of 20 tokens"  # the prompt's are among them
    plain = HfText(str(folder), pool="cls").encode(["a"])
    np.testing.assert_array_equal(plain, HfText(str(_tiny.tiny("bert")), pool="cls").encode(["a"]))


def test_an_unknown_module_or_setting_of_a_sentence_transformers_folder_is_refused_by_name(tmp_path: Path) -> None:
    folder = sentence_folder(tmp_path / "st", {"pooling_mode": "mean"})
    for file, old, new, said in [
        ("2_Dense/config.json", "torch.nn.modules.activation.Tanh", "evil.module.Tanh", "evil.module.Tanh"),
        ("1_Pooling/config.json", "mean", "median", "median"),
        ("modules.json", "modules.Dense", "modules.LSTM", "LSTM as number 3"),
        ("modules.json", "1_Pooling", "../1_Pooling", "not inside"),
    ]:
        text = (folder / file).read_text()
        (folder / file).write_text(text.replace(old, new))
        with pytest.raises(ChiasmError, match=said):
            HfText(str(folder)).encode(["a"])
        (folder / file).write_text(text)


@pytest.mark.parametrize("kind", ["resnet", "vit", "dinov2"])
def test_an_images_vector_and_patches_are_those_of_transformers(kind: str, pictures: list[Any]) -> None:
    folder = _tiny.tiny(kind)
    out = theirs(folder, **processed(folder, pictures))
    encoder = HfImage(str(folder))
    np.testing.assert_allclose(encoder.encode(pictures), out.pooler_output.flatten(1), atol=1e-5)
    states = out.last_hidden_state
    known = states.flatten(2).transpose(1, 2) if kind == "resnet" else states[:, 1:]
    np.testing.assert_allclose(encoder.tokens(pictures), known, atol=1e-5)


def test_a_very_narrow_picture_is_skipped_and_does_not_fill_the_memory() -> None:
    narrow = np.zeros((20, 2_400_000), dtype=np.uint8)  # 32 pixels high it would have 123 million, in floats 1.5 GB
    values, notes = HfImage(str(_tiny.tiny("dinov2"))).attempt([narrow, shape_image("red", "circle")])
    assert [(i, note.code, note.skipped) for i, (note,) in notes.items()] == [(0, "too_narrow", True)]
    assert values[1].any()


def test_a_pooling_layer_that_was_never_trained_is_not_used(own: Any, pictures: list[Any]) -> None:
    from transformers import AutoModel, ViTForImageClassification

    folder = own("vit")
    ViTForImageClassification.from_pretrained(folder).save_pretrained(folder)  # a classifier has no pooling layer
    known = theirs(folder, **processed(folder, pictures)).last_hidden_state[:, 0]
    np.testing.assert_allclose(HfImage(str(folder)).encode(pictures), known, atol=1e-5)
    text = own("bert")
    AutoModel.from_pretrained(text, add_pooling_layer=False).save_pretrained(text)
    with pytest.raises(ChiasmError, match="no trained pooler"):
        HfText(str(text), pool="pooler").encode(["a"])
    np.testing.assert_allclose(
        HfText(str(text)).encode(TEXTS), HfText(str(_tiny.tiny("bert"))).encode(TEXTS), atol=1e-6
    )


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2", "chinese_clip"])
def test_the_cosine_of_two_towers_is_the_models_own_score(kind: str, pictures: list[Any]) -> None:
    folder = _tiny.tiny(kind)
    padding = {"padding": "max_length", "max_length": 16} if "siglip" in kind else {}
    images, texts = processed(folder, pictures), tokenized(folder, TEXTS, **padding)
    out = theirs(folder, **images, **texts)
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder)
    bias = getattr(model, "logit_bias", None)
    known = (out.logits_per_image - (0 if bias is None else bias.detach())) / model.logit_scale.detach().exp()
    image, text = HfImageText(str(folder)), HfImageText(str(folder), modality="text")
    np.testing.assert_allclose(image.encode(pictures) @ text.encode(TEXTS).T, known, atol=1e-4)
    patches = out.vision_model_output.last_hidden_state
    for i, states in enumerate(image.tokens(pictures)):
        kept = images["pixel_attention_mask"][i].bool() if "pixel_attention_mask" in images else slice(-16, None)
        np.testing.assert_allclose(states, patches[i, kept], atol=1e-5)
    for i, states in enumerate(text.tokens(TEXTS)):
        words = [word not in (0, 2, 3) for word in texts["input_ids"][i]]  # padding, start, end
        np.testing.assert_allclose(states, out.text_model_output.last_hidden_state[i, words], atol=1e-5)


def test_names_with_folders_choose_encoders_and_the_column_chooses_the_tower(pictures: list[Any]) -> None:
    clip, bert = _tiny.tiny("clip"), _tiny.tiny("bert")
    views = Views({"photo": Column("image", pictures), "caption": Column("text", TEXTS[:3])})
    both = Encoding({"photo": f"hf_image_text:{clip}", "caption": f"hf_image_text:{clip}"}).fit(views)
    assert [e.modality for e in both.encoders_.values()] == ["image", "text"]
    assert {column.width for column in both.transform(views).columns.values()} == {10}
    joined = Encoding({"caption": f"hf_text:{bert}+bow_text", "photo": "pixel_image"}).fit(views)
    assert joined.encoders_["caption"].encoders[0].model == str(bert)
    texts = Views({"caption": Column("text", TEXTS)})
    assert Encoding({"caption": "e5_text:64"}).fit(texts).encoders_["caption"].width == 64
    with pytest.raises(ChiasmError, match="wanted e5_text:NUMBER, its width, got e5_text:wide"):
        Encoding({"caption": "e5_text:wide"}).fit(texts)
    with pytest.raises(ChiasmError, match="wanted pixel_image alone"):
        Encoding({"photo": "pixel_image:color"}).fit(views)
    with pytest.raises(ChiasmError, match="holds text; HfImage"):
        Encoding({"caption": f"hf_image:{clip}"}).fit(texts)


def test_the_command_line_takes_a_folder_and_the_second_run_finds_everything_in_the_cache(
    tmp_path: Path, cache: Any, pictures: list[Any]
) -> None:
    (tmp_path / "t.csv").write_text("path,caption\np.jpg,一只红色的圆\np.jpg,a red circle\n", encoding="utf-8")
    words = ["encode", str(tmp_path / "t.csv"), "--text", "caption", "--image", "path", "--json"]
    for chosen in (f"caption=hf_text:{_tiny.tiny('bert')}", f"path=hf_image:{_tiny.tiny('resnet')}"):
        words += ["--encoder", chosen]
    first, second = (CliRunner().invoke(cli, words) for _ in range(2))
    assert first.exit_code == second.exit_code == 0, first.output + second.output
    counts = [json.loads(done.stdout)["views"] for done in (first, second)]
    assert [[c[view]["encoded"] for view in ("caption", "path")] for c in counts] == [[2, 1], [0, 0]]


def test_nothing_is_fetched_and_an_unknown_hub_id_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, pictures: list[Any]
) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise AssertionError("a network connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("google-bert/bert-base-chinese", "nowhere", "no such/folder, 一"):
        with pytest.raises(ChiasmError) as caught:
            HfText(name).encode(["a"])
        assert str(caught.value) == (
            f"hf_text: wanted a folder with a model's files, got {name!r}, which is no folder here and no model in the "
            f"local hub cache, and nothing is fetched by itself: run `hf download {name}` where there is a network, or "
            "copy the files here and name their folder."
        )
    for name in ("./models/bert", "/models/bert", "~/bert"):
        with pytest.raises(ChiasmError, match="no folder here: copy the files there, or name the folder that holds"):
            HfText(name).encode(["a"])
    with pytest.raises(ChiasmError, match=r'got none: say hf_image_text:FOLDER, in Python HfImageText\("FOLDER"\)'):
        HfImageText().encode(pictures)
    for encoder, items in (
        (HfText(str(_tiny.tiny("bert"))), TEXTS),
        (HfImage(str(_tiny.tiny("dinov2"))), pictures),
        (HfImageText(str(_tiny.tiny("clip"))), pictures),
        (HfImageText(str(_tiny.tiny("clip")), modality="text"), TEXTS),
    ):
        assert len(encoder.encode(items)) == len(items)


def test_a_hub_id_is_found_in_the_local_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    place = tmp_path / "models--me--bert"
    shutil.copytree(_tiny.tiny("bert"), place / "snapshots" / ("0" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    found = HfText("me/bert").encode(TEXTS)
    np.testing.assert_array_equal(found, HfText(str(_tiny.tiny("bert"))).encode(TEXTS))


def test_the_fingerprint_follows_weights_and_vocabulary_and_nothing_else(own: Any) -> None:
    folder = own("bert")
    first = HfText(str(folder)).fingerprint
    (folder / "README.md").write_text("about this model")
    reads = _file_checksum.cache_info().misses
    assert HfText(str(folder)).fingerprint == copy.deepcopy(HfText(str(folder))).fingerprint == first
    assert _file_checksum.cache_info().misses == reads  # nothing was read again
    encoder = HfText(str(folder))
    encoder.encode(["a"])
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    second = HfText(str(folder)).fingerprint
    (folder / "tokenizer.json").write_text((folder / "tokenizer.json").read_text() + "\n")
    assert len({first, second, HfText(str(folder)).fingerprint}) == 3
    assert encoder.fingerprint == first  # it still runs what it opened


def test_numbers_depend_on_the_threads_of_torch_in_their_last_bits_at_most_and_leave_them_alone(
    pictures: list[Any],
) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        found = []
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(HfImage(str(_tiny.tiny("resnet"))).encode(pictures))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    np.testing.assert_allclose(*found, atol=1e-6)  # some processors add up in another order


def test_a_saved_encoder_is_its_folder_and_opens_again(tmp_path: Path) -> None:
    encoder = HfText(str(_tiny.tiny("bert")), pool="cls")
    known = encoder.encode(TEXTS)
    chiasm.save(encoder, tmp_path / "saved")
    again = chiasm.load(tmp_path / "saved")
    assert repr(again) == repr(encoder)
    assert vars(copy.deepcopy(encoder)) == encoder.get_params(deep=False)  # nothing that was opened
    np.testing.assert_array_equal(again.encode(TEXTS), known)


def broken_folders() -> dict[str, Any]:
    """By name: the kind to start from, the encoder, what is done to the folder, and what the sentence says."""

    def settings(**changes: Any) -> Any:
        def change(folder: Path) -> None:
            known = json.loads((folder / "config.json").read_text())
            (folder / "config.json").write_text(json.dumps(known | changes))

        return change

    def code(folder: Path) -> None:
        settings(model_type="own", auto_map={"AutoConfig": "own.C", "AutoModel": "own.M"})(folder)
        (folder / "own.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")

    def pickled(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    def cut(folder: Path) -> None:
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[: len(data) // 2])

    def without(*names: str) -> Any:
        return lambda folder: [(folder / name).unlink() for name in names]

    return {
        "no configuration": ("bert", HfText, without("config.json"), "cannot be used"),
        "a configuration that is no JSON": ("bert", HfText, lambda f: (f / "config.json").write_text("{"), "cannot be"),
        "no weights": ("bert", HfText, without("model.safetensors"), "safetensors weights in .* got none"),
        "a pickle": ("bert", HfText, pickled, "safetensors weights in .* got pytorch_model.bin"),
        "half the weights": ("vit", HfImage, cut, "cannot be used"),
        "weights for fewer layers": ("bert", HfText, settings(num_hidden_layers=3), "lack 16 of the network's arrays"),
        "weights of other shapes": ("bert", HfText, settings(hidden_size=8), "cannot be used"),
        "code": ("bert", HfText, code, "cannot be used"),
        "no tokenizer": ("bert", HfText, without("tokenizer.json", "vocab.txt"), "vocabulary in .* got none"),
        "no processor": ("vit", HfImage, without("preprocessor_config.json"), "cannot be used"),
        "an image model for texts": ("vit", HfText, lambda f: None, "cannot be used"),
        "a text model for images": ("bert", HfImage, lambda f: None, "cannot be used"),
        "two towers for texts": ("clip", HfText, lambda f: None, "hf_image_text"),
        "two towers for images": ("clip", HfImage, lambda f: None, "hf_image_text"),
        "one tower for two": ("bert", HfImageText, lambda f: None, "texts alone is for hf_text"),
        "an encoder and a decoder": ("bert", HfText, settings(is_encoder_decoder=True), "save the encoder alone"),
    }


@pytest.mark.parametrize("name", broken_folders())
def test_a_folder_that_cannot_be_used_is_one_sentence_and_runs_no_code(name: str, own: Any) -> None:
    kind, cls, damage, said = broken_folders()[name]
    folder = own(kind)
    damage(folder)
    with pytest.raises(ChiasmError, match=said) as caught:
        cls(str(folder)).encode(["a"] if cls is HfText else [shape_image("red", "circle")])
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)
    assert not (folder / "ran").exists()


def test_a_wrong_pooling_or_tower_is_named() -> None:
    with pytest.raises(ChiasmError, match="no pooling of hf_text named 'meen'; did you mean 'mean'"):
        HfText(str(_tiny.tiny("bert")), pool="meen").encode(["a"])
    with pytest.raises(ChiasmError, match="no tower of hf_image_text named 'sound'"):
        HfImageText(str(_tiny.tiny("clip")), modality="sound").encode(["a"])


@pytest.mark.slow
def test_without_transformers_the_sentence_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "from chiasm.encode.hf_text import HfText\n"
        f"HfText({str(_tiny.tiny('bert'))!r}).encode(['a'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = "hf_text needs transformers, which is not installed: pip install chiasm[hf]."
    assert done.stderr.strip().splitlines()[-1].endswith(said)


@pytest.fixture(scope="module")
def vgg16() -> Any:
    """VGG16 as torchvision lays it out (its `features` and `classifier`), with the tiny file's widths."""
    import torch
    from torch import nn

    state = torch.load(_tiny.tiny("vgg16"), weights_only=True)
    layers: list[Any] = []
    width = 3
    for name in [1, 1, "M", 1, 1, "M", 1, 1, 1, "M", 1, 1, 1, "M", 1, 1, 1, "M"]:
        if name == "M":
            layers.append(nn.MaxPool2d(2, 2))
            continue
        wider = len(state[f"features.{len(layers)}.bias"])
        layers += [nn.Conv2d(width, wider, 3, padding=1), nn.ReLU()]
        width = wider
    dense = len(state["classifier.0.bias"])
    classifier = [nn.Linear(49 * width, dense), nn.ReLU(), nn.Dropout(), nn.Linear(dense, dense), nn.ReLU()]
    classifier += [nn.Dropout(), nn.Linear(dense, len(state["classifier.6.bias"]))]
    network = nn.ModuleDict({"features": nn.Sequential(*layers), "classifier": nn.Sequential(*classifier)})
    network.load_state_dict(state)
    return network.eval()


def test_vgg16_equals_torchvisions_layout_run_by_torch(vgg16: Any, pictures: list[Any]) -> None:
    import torch

    images = [np.asarray(opened(i).resize((224, 224), Image.Resampling.BICUBIC, reducing_gap=3.0)) for i in pictures]
    pixels = torch.tensor(np.stack(images) / 255.0, dtype=torch.float32).permute(0, 3, 1, 2)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        cells = vgg16["features"]((pixels - mean) / std)
        dense = vgg16["classifier"][:5](cells.flatten(1))
    file = str(_tiny.tiny("vgg16"))
    np.testing.assert_allclose(Vgg16Image(file).encode(pictures), cells.mean((2, 3)), atol=1e-5)
    np.testing.assert_allclose(Vgg16Image(file, layer="dense").encode(pictures), dense, atol=1e-5)
    found = Vgg16Image(file).tokens(pictures)
    assert found[0].shape == (49, 10)
    np.testing.assert_allclose(found, cells.flatten(2).transpose(1, 2), atol=1e-5)
    assert Vgg16Image(file, layer="dense").encode(pictures).std() > 0.01  # the comparison is not one of zeros


def test_vgg16_reads_safetensors_too_and_never_runs_what_a_file_says(tmp_path: Path, pictures: list[Any]) -> None:
    import torch
    from safetensors.torch import save_file

    state = torch.load(_tiny.tiny("vgg16"), weights_only=True)
    save_file(state, tmp_path / "v.safetensors")
    known = Vgg16Image(str(_tiny.tiny("vgg16"))).encode(pictures)
    np.testing.assert_array_equal(Vgg16Image(str(tmp_path / "v.safetensors")).encode(pictures), known)

    class Evil:
        def __reduce__(self) -> Any:
            return exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    torch.save(state | {"evil": Evil()}, tmp_path / "evil.pth")
    normalized = {f"features.{i}.weight": torch.zeros(4, 3, 3, 3) for i in range(9)}
    torch.save(normalized, tmp_path / "bn.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("evil.pth", "bn.pth", "text.pth"):
        with pytest.raises(ChiasmError, match=f"vgg16_image: .*{name} cannot be used"):
            Vgg16Image(str(tmp_path / name)).encode(pictures)
    assert not (tmp_path / "ran").exists()
    with pytest.raises(ChiasmError, match=r"got 'nowhere\.pth': say vgg16_image:FILE"):
        Vgg16Image("nowhere.pth").encode(pictures)
    with pytest.raises(ChiasmError, match="no layer of vgg16_image named 'fc7'"):
        Vgg16Image(str(_tiny.tiny("vgg16")), layer="fc7").encode(pictures)
