"""Folders as sentence-transformers lays them out, against that library: prompts, fewer numbers, T5, CLIP, a table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import _tiny
import _tiny_onnx
from chiasm.data.toy import shape_image
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encode.hf_text import HfText
from chiasm.encode.onnx_text import OnnxText
from chiasm.encode.static_text import StaticText
from chiasm.errors import ChiasmError

sentence_transformers = pytest.importorskip("sentence_transformers")

TEXTS = ["a red circle", "一只红色的圆,", "blue squares on the white ground", "a", "绿色的三角形, a green triangle."]
HOME = "sentence_transformers.models"


def layout(folder: Path, *modules: tuple[str, str]) -> None:
    """Write a modules.json; each module a type and its folder."""
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"{HOME}.{kind}"} for i, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    for kind, path in modules:
        (folder / path).mkdir(exist_ok=True)
        if kind == "Pooling":
            (folder / path / "config.json").write_text('{"word_embedding_dimension": 16, "pooling_mode": "mean"}')


def theirs(folder: Path, **options: Any) -> Any:
    return sentence_transformers.SentenceTransformer(str(folder), device="cpu", **options)


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    """A sentence-transformers folder with two prompts, its network as safetensors and as ONNX."""
    folder = Path(shutil.copytree(_tiny.tiny("bert"), tmp_path / "模型"))
    shutil.copytree(_tiny_onnx.tiny("bert") / "onnx", folder / "onnx")
    layout(folder, ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
    prompts = {"query": "a red ", "查询": "红色的", "document": ""}
    said = {"prompts": prompts, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(said), encoding="utf-8")
    return folder


@pytest.mark.parametrize("cls", [HfText, OnnxText])
def test_a_prompt_is_chosen_by_name_and_the_default_is_the_folders(cls: Any, bert: Path) -> None:
    known = theirs(bert)
    found = {}
    for name in ("", "query", "查询", "document"):
        encoder = cls(str(bert), prompt=name)
        found[name] = encoder.encode(TEXTS)
        np.testing.assert_allclose(found[name], known.encode(TEXTS, prompt_name=name or None), atol=1e-4)
    np.testing.assert_array_equal(found[""], found["query"])
    assert np.abs(found["查询"] - found["document"]).max() > 0.01
    with pytest.raises(ChiasmError, match=r"no prompt of \w+ in .* named 'querry'; did you mean 'query'"):
        cls(str(bert), prompt="querry").encode(TEXTS)
    chosen = cls(str(bert), pool="mean", prompt="document").encode(TEXTS)
    np.testing.assert_array_equal(chosen, cls(str(bert), pool="mean").encode(TEXTS))


@pytest.mark.parametrize("cls", [HfText, OnnxText])
def test_a_prompt_that_is_left_out_of_the_pooling_is_refused(cls: Any, bert: Path) -> None:
    (bert / "1_Pooling" / "config.json").write_text(
        '{"word_embedding_dimension": 16, "pooling_mode": "mean", "include_prompt": false}'
    )
    for name in ("", "查询"):
        with pytest.raises(ChiasmError, match=r"1_Pooling/config\.json leaves the prompt's tokens out of the pooling"):
            cls(str(bert), prompt=name).encode(TEXTS)
    known = theirs(bert).encode(TEXTS, prompt_name="document")
    np.testing.assert_allclose(cls(str(bert), prompt="document").encode(TEXTS), known, atol=1e-4)


@pytest.mark.parametrize("cls", [HfText, OnnxText])
def test_truncate_dim_keeps_the_first_numbers(cls: Any, bert: Path) -> None:
    known = theirs(bert, truncate_dim=5).encode(TEXTS)
    found = cls(str(bert), truncate_dim=5).encode(TEXTS)
    assert found.shape == (5, 5)
    np.testing.assert_allclose(found, known, atol=1e-4)


@pytest.mark.parametrize("cls", [HfText, OnnxText])
def test_a_folder_says_how_many_numbers_are_kept_and_a_parameter_says_otherwise(cls: Any, bert: Path) -> None:
    file = bert / "config_sentence_transformers.json"
    before = cls(str(bert)).fingerprint
    file.write_text('{"truncate_dim": 5}')
    for options in ({}, {"truncate_dim": 7}):
        found = cls(str(bert), **options).encode(TEXTS)
        np.testing.assert_allclose(found, theirs(bert, **options).encode(TEXTS), atol=1e-4)
        assert found.shape[1] == options.get("truncate_dim", 5)
    assert cls(str(bert)).fingerprint != before
    with pytest.raises(ChiasmError, match=r"wanted truncate_dim to be .* 1 or more, got -1 in its parameters"):
        cls(str(bert), truncate_dim=-1).encode(TEXTS)
    file.write_text('{"truncate_dim": "many"}')
    with pytest.raises(ChiasmError, match=r"1 or more, got 'many' in .*config_sentence_transformers\.json"):
        cls(str(bert)).encode(TEXTS)


@pytest.mark.parametrize("kind", ["T5", "MT5"])
def test_the_encoder_of_t5_reads_texts_and_its_decoder_is_left_out(kind: str, tmp_path: Path) -> None:
    import transformers

    folder = Path(shutil.copytree(_tiny.tiny("bert"), tmp_path / "t5"))
    sizes = {"vocab_size": len(_tiny.WORDS), "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    config = getattr(transformers, f"{kind}Config")(**sizes, decoder_start_token_id=0, is_encoder_decoder=True)
    for cls in ("EncoderModel", "Model"):  # weights of the encoder alone, and of both
        getattr(transformers, f"{kind}{cls}")(config).save_pretrained(folder)
        layout(folder, ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize"))
        found = HfText(str(folder)).encode(TEXTS)
        np.testing.assert_allclose(found, theirs(folder).encode(TEXTS), atol=1e-5)
        assert found.std() > 0.01


def test_clip_in_the_folder_0_clipmodel_is_read_by_both_towers(tmp_path: Path) -> None:
    folder = tmp_path / "clip"
    shutil.copytree(_tiny.tiny("clip"), folder / "0_CLIPModel")
    layout(folder, ("CLIPModel", "0_CLIPModel"))
    pictures = [shape_image(color, "circle").resize((60, 44)) for color in ("red", "blue")]
    known = theirs(folder)
    for items, modality in ((TEXTS, "text"), (pictures, "image")):
        given = [Image.fromarray(np.asarray(one)) for one in items] if modality == "image" else items
        other = known.encode(given)
        other /= np.linalg.norm(other, axis=1, keepdims=True)
        found = HfImageText(str(folder), modality=modality).encode(items)
        np.testing.assert_allclose(found, other, atol=1e-4)
        np.testing.assert_array_equal(found, HfImageText(str(_tiny.tiny("clip")), modality=modality).encode(items))


def test_a_static_embedding_gives_what_sentence_transformers_gives(tmp_path: Path) -> None:
    from sentence_transformers.models import Normalize, StaticEmbedding
    from tokenizers import Tokenizer

    folder = tmp_path / "static"
    reader = Tokenizer.from_file(str(_tiny.tiny("bert") / "tokenizer.json"))
    table = np.random.default_rng(0).normal(size=(len(_tiny.WORDS), 12)).astype(np.float32)
    model = sentence_transformers.SentenceTransformer(
        modules=[StaticEmbedding(reader, embedding_weights=table), Normalize()], device="cpu"
    )
    model.prompts = {"query": "a red "}
    model.save(str(folder))
    file = folder / "config_sentence_transformers.json"
    for options in ({}, {"truncate_dim": 5}, {}):
        if options:
            file.write_text(json.dumps({**json.loads(file.read_text()), "truncate_dim": 6}))
        found = StaticText(str(folder), **options).encode(TEXTS)
        np.testing.assert_allclose(found, theirs(folder, **options).encode(TEXTS), atol=1e-5)
    queries = StaticText(str(folder), prompt="query").encode(TEXTS)
    np.testing.assert_allclose(queries, theirs(folder).encode(TEXTS, prompt_name="query"), atol=1e-5)
    notes = StaticText(str(folder)).attempt(["zebra xylophone", "a", 3, " "])[1]
    assert [(i, note.code, note.skipped) for i, (note,) in notes.items()] == [
        (0, "unknown_words", False),
        (2, "not_text", True),
        (3, "empty", True),
    ]
    with pytest.raises(ChiasmError, match="holds static embeddings: bring them with static_text"):
        HfText(str(folder)).encode(["a"])


def test_a_folder_of_model2vec_with_a_smaller_table_is_read_as_sentence_transformers_reads_it(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    folder = Path(shutil.copytree(_tiny.tiny("static"), tmp_path / "m2v"))
    rng = np.random.default_rng(1)
    arrays = {
        "embeddings": rng.normal(size=(40, 16)).astype(np.float16),
        "mapping": rng.integers(0, 40, 256),
        "weights": rng.random(256),
    }
    save_file(arrays, folder / "model.safetensors")
    alone = StaticText(str(folder)).encode(TEXTS)
    layout(folder, ("StaticEmbedding", "."), ("Normalize", "1_Normalize"))
    np.testing.assert_allclose(StaticText(str(folder)).encode(TEXTS), theirs(folder).encode(TEXTS), atol=1e-3)
    np.testing.assert_allclose(alone, StaticText(str(folder)).encode(TEXTS), atol=1e-6)


def test_a_table_in_bfloat16_gives_the_vectors_of_its_numbers_in_float32(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    table = torch.from_numpy(np.random.default_rng(1).normal(size=(256, 16))).bfloat16()
    found = []
    for name, values in (("half", table), ("float", table.float())):
        folder = Path(shutil.copytree(_tiny.tiny("static"), tmp_path / name))
        save_file({"embeddings": values}, folder / "model.safetensors")
        found.append(StaticText(str(folder)).encode(TEXTS))
    assert found[0].dtype == np.float32
    assert found[0].std() > 0.01
    np.testing.assert_array_equal(*found)
    save_file({"embeddings": table.to(torch.float8_e4m3fn)}, tmp_path / "half" / "model.safetensors")
    with pytest.raises(ChiasmError, match=r"model\.safetensors holds numbers that are not read here \(F8_E4M3\)"):
        StaticText(str(tmp_path / "half")).encode(TEXTS)


BROKEN = {
    "median": ("1_Pooling/config.json", '{"pooling_mode": "median"}', "says pooling_mode = 'median'"),
    "evil": ("2_Dense/config.json", '{"activation_function": "evil.module.Tanh"}', "says activation_function = 'evil"),
    "residual": ("2_Dense/config.json", '{"use_residual": true}', "says use_residual = True"),
    "other input": ("2_Dense/config.json", '{"module_input_name": "token_embeddings"}', "says module_input_name ="),
    "recurrent": (
        "modules.json",
        '[{"type": "Transformer", "path": ""}, {"type": "Pooling", "path": "1_Pooling"}, {"type": "LSTM", "path": ""}]',
        'got LSTM as number 3: choose pool="mean" or "cls"',
    ),
    "no pooling": (
        "modules.json",
        '[{"type": "x.Transformer", "path": ""}, {"type": "x.Dense", "path": "2_Dense"}]',
        "wanted modules Transformer, Pooling, then Dense or Normalize",
    ),
}
"""What is wrong: the file, what it says, and what both readers of a network's folder say to that."""


@pytest.mark.parametrize("lie", [*BROKEN, "no bias", "no weights"])
def test_both_readers_of_a_networks_folder_refuse_the_same_in_the_same_words(lie: str, bert: Path) -> None:
    from safetensors.numpy import save_file

    modules = (("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize"))
    layout(bert, *modules)
    weights = {"linear.weight": np.ones((6, 16), np.float32)}
    if lie == "no bias":
        weights["linear.bias"] = np.ones(5, np.float32)
    if lie != "no weights":
        save_file(weights, bert / "2_Dense" / "model.safetensors")
    said = r"linear\.bias \(5,\)" if lie == "no bias" else r"wanted .*2_Dense/model\.safetensors, got none"
    if lie in BROKEN:
        file, text, said = BROKEN[lie]
        (bert / file).write_text(text)
    told = []
    for cls in (HfText, OnnxText):
        with pytest.raises(ChiasmError, match=said) as caught:
            cls(str(bert)).encode(["a"])
        told.append(str(caught.value).partition(": ")[2])
    assert told[0] == told[1]


@pytest.mark.parametrize("cls", [HfText, OnnxText])
def test_a_folder_that_lists_a_network_alone_has_the_mean_of_its_states(cls: Any, bert: Path) -> None:
    layout(bert, ("Transformer", ""))
    (bert / "config_sentence_transformers.json").unlink()
    np.testing.assert_array_equal(cls(str(bert)).encode(TEXTS), cls(str(bert), pool="mean").encode(TEXTS))


def test_a_folder_that_holds_no_table_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ChiasmError, match=r"wanted the array embedding\.weight or .* a network is for hf_text"):
        StaticText(str(_tiny.tiny("bert"))).encode(["a"])
    folder = Path(shutil.copytree(_tiny.tiny("static"), tmp_path / "m2v"))
    layout(folder, ("StaticEmbedding", "."), ("LSTM", "1_LSTM"))
    with pytest.raises(ChiasmError, match=r"wanted modules StaticEmbedding, then Dense or Normalize .*LSTM"):
        StaticText(str(folder)).encode(["a"])
    before = StaticText(str(_tiny.tiny("static"))).fingerprint
    assert before != StaticText(str(_tiny.tiny("static", 1))).fingerprint
    (folder / "modules.json").unlink()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ChiasmError, match=r"wanted tokenizer\.json in .* got none"):
        StaticText(str(folder)).encode(["a"])
