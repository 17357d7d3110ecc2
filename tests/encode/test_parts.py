"""Words and patches as a column: half precision, the same bits in any company, through the cache and its maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

import _tiny
import chiasm
from chiasm import registry
from chiasm.cli import cli
from chiasm.data.toy import shape_image
from chiasm.encode.effnet_image import EffnetImage
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encode.hf_text import HfText
from chiasm.encode.minilm_text import MinilmText
from chiasm.encode.vgg16_image import Vgg16Image
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.tasks.classify import Classify
from chiasm.tasks.retrieve import Retrieve
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

TEXTS = ["a red circle on the white ground", "一只红色的圆", "a", "blue squares, 绿色的三角形."]
PICTURES = [np.asarray(shape_image(color, "circle", seed=i)) for i, color in enumerate(["red", "blue", "green", "red"])]
BAD = {"text": " ", "image": b"no picture"}
KINDS = ["effnet_image", "effnet2_image", "vgg16_image", "minilm_text", "hf_text", "hf_image"]
KINDS += [f"{name}:{modality}" for name in ("hf_image_text",) for modality in ("image", "text")]
KINDS += ["hf_audio_text:text", "hf_video_text:text"]


def made(kind: str, **changed: Any) -> Any:
    """An encoder of the kind, of tiny weights where they are a user's own; skips the test where a package lacks."""
    name, _, modality = kind.partition(":")
    if missing := registry.entries("encode")[name].missing:
        pytest.skip(f"{name} needs {', '.join(missing)}")
    params = _tiny.params(name) | ({"modality": modality} if modality else {})
    params |= {"size": 96} if name.startswith("effnet") else {}
    return registry.get("encode", name)(**params, **changed)


def words(tokens: Tokens) -> list[np.ndarray]:
    return [tokens.batch([i])[0][0] for i in range(len(tokens))]


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_the_networks_states_in_half_precision_the_same_bits_in_any_company(kind: str) -> None:
    encoder = made(kind, pooled=False)
    items: list[Any] = list(TEXTS if encoder.modality == "text" else PICTURES)
    found = encoder.encode(items)
    assert isinstance(found, Tokens)
    assert found.packs[0].values.dtype == np.float16
    assert found.lengths.min() > 0
    for held, whole in zip(words(found), encoder.tokens(items), strict=True):
        np.testing.assert_array_equal(held, whole.astype(np.float16).astype(np.float32))
    for order in ([2], [3, 0, 2, 1]):
        for place, held in zip(order, words(encoder.encode([items[i] for i in order])), strict=True):
            np.testing.assert_array_equal(held, words(found)[place])


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_is_skipped_and_leaves_the_others_alone(kind: str) -> None:
    encoder = made(kind, pooled=False)
    items: list[Any] = list(TEXTS if encoder.modality == "text" else PICTURES)
    bad = BAD[encoder.modality]
    found, notes = encoder.attempt([bad, items[0], bad, items[1]])
    assert [i for i, told in notes.items() if any(note.skipped for note in told)] == [0, 2]
    for place, held in ((1, items[0]), (3, items[1])):
        np.testing.assert_array_equal(words(found)[place], words(encoder.encode([held]))[0])
    for ask in (encoder.encode, encoder.tokens):
        with pytest.raises(ChiasmError, match=f"cannot encode {encoder.modality}"):
            ask([items[0], bad])


@pytest.mark.parametrize("kind", KINDS)
def test_pooled_vectors_keep_their_fingerprint_and_parts_have_their_own(kind: str) -> None:
    encoder = made(kind)
    assert "pooled" not in encoder.telling()
    assert made(kind, pooled=True).fingerprint == encoder.fingerprint
    parts = made(kind, pooled=False).fingerprint
    assert parts.endswith("-half")
    assert parts.removesuffix("-half") != encoder.fingerprint
    with pytest.raises(ChiasmError, match="wanted pooled to be True or False, got 'no'"):
        made(kind, pooled="no").check_params()


def test_words_are_those_of_the_tokenizer_without_start_and_end() -> None:
    folder = str(_tiny.tiny("bert"))
    found = HfText(folder, pooled=False).encode(["一只红色的圆", "a red squares"])
    assert found.lengths.tolist() == [6, 4]  # 一 只 红 色 的 圆; a red square ##s
    with pytest.raises(ChiasmError, match="one vector an item"):
        np.asarray(found)


def test_so_many_words_of_a_language_model_are_its_first_ones_and_zeros_behind_the_end() -> None:
    folder = str(_tiny.tiny("bert"))
    whole, steps = HfText(folder, pooled=False), HfText(folder, pooled=False, steps=5)
    assert HfText(folder, steps=0).fingerprint == HfText(folder).fingerprint
    found, notes = steps.encode_told(["一只红色的圆", "a red squares"])
    assert found.steps == 5
    long, short = words(found)
    np.testing.assert_array_equal(long, words(whole.encode(["一只红色的圆"]))[0][:5])
    np.testing.assert_array_equal(short[:4], words(whole.encode(["a red squares"]))[0])
    assert not short[4].any()
    assert [(i, note.code, note.message) for i, (note,) in notes.items()] == [(0, "cut", "read the first 5 of 6 words")]


def test_minilms_vector_is_the_mean_of_its_words_with_start_and_end() -> None:
    encoder = made("minilm_text", pooled=False)
    tokenizer, session = encoder._open()
    for text, vector in zip(TEXTS[::2], MinilmText().encode(TEXTS[::2]), strict=True):
        ids = np.array([tokenizer.encode(text).ids])
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        states = session.run(None, given)[0][0]
        np.testing.assert_array_equal(encoder.tokens([text])[0], states[1:-1])
        mean = states.mean(0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_text_of_which_nothing_becomes_a_word_is_skipped() -> None:
    """An accent without a letter can be seen, and the tokenizer drops it."""
    found, notes = made("minilm_text", pooled=False).attempt(["\u0301", "a dog"])
    assert [(i, note.code, note.skipped) for i, (note,) in notes.items()] == [(0, "no_tokens", True)]
    assert found.lengths.tolist() == [0, 2]


def test_the_mean_of_vggs_cells_is_its_pooled_vector_and_the_dense_layer_has_none() -> None:
    encoder = made("vgg16_image", pooled=False)
    mean = np.stack([one.mean(0) for one in words(encoder.encode(PICTURES))])
    np.testing.assert_allclose(mean, made("vgg16_image").encode(PICTURES), atol=2e-3)
    with pytest.raises(ChiasmError, match='got layer="dense", which has none'):
        Vgg16Image(encoder.file, layer="dense", pooled=False).encode(PICTURES)


def test_parts_go_through_the_cache_and_the_second_run_maps_them(cache: Any) -> None:
    folder = str(_tiny.tiny("bert"))
    views = Views({"标题": Column("text", [*TEXTS, " "], np.array([1, 0, -1, 4, 3, 1]))})
    wanted = {"标题": f"hf_text:{folder}:pooled=False"}
    first, report = Encoding(wanted).learn(views, np.ones(6, bool))
    assert (report.encoded["标题"], len(report.skipped)) == (3, 1)

    known = HfText(folder, pooled=False).encode(TEXTS)
    second, report = Encoding(wanted).learn(views, np.ones(6, bool))
    assert (report.encoded["标题"], report.found["标题"]) == (0, 3)
    for column in (first["标题"], second["标题"]):
        assert isinstance(column.items, Tokens)
        assert not any(pack.values.flags.owndata or pack.values.flags.writeable for pack in column.items.packs)
        assert column.present.tolist() == [True, True, False, False, True, True]
        values, mask = column.batch(np.array([0, 2, 1]))
        assert mask.sum(1).tolist() == [known.lengths[1], 0, known.lengths[0]]
        np.testing.assert_array_equal(values[0][mask[0]], words(known)[1])


def test_pooled_false_is_said_on_the_command_line_and_refused_where_there_are_no_parts() -> None:
    texts, sounds = (Views({"x": Column(modality, ["a"])}) for modality in ("text", "audio"))
    found = Encoding({"x": f"hf_text:{_tiny.tiny('bert')}:pooled=False"}).fit(texts).encoders_["x"]
    assert found.pooled is False
    assert Encoding({"x": f"hf_text:{_tiny.tiny('bert')}:pooled=True"}).fit(texts).encoders_["x"].pooled is True
    for wanted, views, said in (
        (
            "e5_text:pooled=False",
            texts,
            r"^e5_text has pooled vectors only.*words come from minilm_text, hf_text and wordvec_text",
        ),
        ("tfidf_text:pooled=False", texts, "^tfidf_text has pooled vectors only"),
        ("mel_audio:pooled=False", sounds, "with steps=T an item is T vectors"),
        ("hashed_text:pooled=False", texts, "^hashed_text has pooled vectors only"),
        (
            f"hf_text:{_tiny.tiny('bert')}:pooled=no",
            texts,
            "wanted hf_text:pooled=True or False, got hf_text:.*pooled=no",
        ),
    ):
        with pytest.raises(ChiasmError, match=said):
            Encoding({"x": wanted}).fit(views)
    with pytest.raises(ChiasmError, match="e5_text has pooled vectors only, one an item"):
        registry.make("encode", "e5_text").tokens(["a"])


@pytest.mark.slow
def test_a_space_that_is_shared_is_that_of_pooled_vectors() -> None:
    folder = str(_tiny.tiny("clip"))
    assert HfImageText(folder).speaker() is not None
    assert HfImageText(folder, pooled=False).speaker() is None
    assert EffnetImage(pooled=False).known() is None
    views = Views({"image": Column("image", PICTURES), "text": Column("text", TEXTS)})
    texts = f"hf_text:{_tiny.tiny('bert')}:pooled=False"
    assert Encoding({"image": "effnet_image", "text": texts}).fit(views).known() == {}


@pytest.mark.parametrize("parts", ["words", "patches"])
def test_methods_that_read_vectors_refuse_parts_in_a_sentence(parts: str) -> None:
    texts = [f"a red circle {'a ' * (i % 5)}on" for i in range(12)]
    pictures = [np.asarray(shape_image("red", "bar", seed=i)) for i in range(12)]
    views = Views({"image": Column("image", pictures), "text": Column("text", texts)})
    encoders = {"image": "pixel_image", "text": f"hf_text:{_tiny.tiny('bert')}:pooled=False"}
    said = "wanted one vector an item, got .*different numbers of tokens"
    if parts == "words":
        with pytest.raises(ChiasmError, match=said):
            Classify(encoders, fuse="early").fit(views, ["a", "b"] * 6)
    else:
        encoders = {"image": "effnet_image:pooled=False", "text": "hashed_text"}
        said = "view 'image': wanted at most 32,768 numbers an item.*got 103,680: encode it as pooled features"
    with pytest.raises(ChiasmError, match=said):
        Retrieve(encoders, align="cca").fit(views)


def placed(folder: Path, count: int) -> Path:
    """A table of pictures of a disk and a square in two corners; the label says which of them is above."""
    rows = ["path,label"]
    for i in range(count):
        rng = np.random.default_rng(i)
        image = Image.fromarray(rng.integers(200, 256, (72, 72, 3), dtype=np.uint8))
        above, below = ((int(a), int(b)) for a, b in (rng.integers(4, 12, 2), rng.integers(40, 48, 2)))
        disk, square = (above, below) if i % 2 else (below, above)
        draw = ImageDraw.Draw(image)
        draw.ellipse((*disk, disk[0] + 20, disk[1] + 20), (200, 30, 30))
        draw.rectangle((*square, square[0] + 20, square[1] + 20), (40, 70, 200))
        image.save(folder / f"图{i}.png")
        rows.append(f"图{i}.png,{'圆' if i % 2 else '方'}")
    table = folder / "t.csv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return table


@pytest.mark.parametrize(("size", "patches"), [(96, 9), pytest.param(288, 81, marks=pytest.mark.slow)])
def test_a_head_over_time_learns_from_patches_and_answers_after_loading(
    size: int, patches: int, tmp_path: Path
) -> None:
    table, model = placed(tmp_path, 80), tmp_path / "m.chiasm"
    said = ["fit", "classify", str(table), "--image", "path", "--label", "label", "--fuse", "temporal"]
    done = CliRunner().invoke(cli, [*said, "--encoder", f"path=effnet_image:{size}:pooled=False", "--to", str(model)])
    assert done.exit_code == 0, done.output
    held = chiasm.load(model)
    assert held.fuser_.steps_ == {"path": patches}
    fresh = tmp_path / "new"
    fresh.mkdir()
    placed(fresh, 110)  # the last 30 are new
    answers, _ = held.answer({"path": [str(fresh / f"图{i}.png") for i in range(80, 110)]})
    assert (answers == np.array(["方", "圆"] * 15)).mean() >= 0.9
