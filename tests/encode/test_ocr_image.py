"""ocr_image: a picture's words as the text encoder has them, alone, beside another encoder, and searched by words."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

import chiasm
from chiasm import recipe, registry
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError
from chiasm.report.sheet import font_file
from chiasm.views import Column, Views

LACKING = registry.entries("encode")["ocr_image"].missing
FONT = font_file()
pytestmark = pytest.mark.skipif(
    bool(LACKING) or FONT is None,
    reason="needs a font with Chinese and: pip install --no-deps rapidocr-onnxruntime==1.4.4",
)
WORDS = ["Fresh bread and cake", "No parking at night", "今天的新鲜水果", "Train to the city"]


@pytest.fixture(scope="module")
def signs(tmp_path_factory):
    """Four signs, the last file a blank one."""
    folder = tmp_path_factory.mktemp("signs")
    files = []
    for i, text in enumerate([*WORDS, ""]):
        made = Image.new("RGB", (520, 120), "#f0e0c0")
        ImageDraw.Draw(made).text((30, 30), text, font=ImageFont.truetype(FONT, 36), fill="#302010")
        files.append(str(folder / f"{i}.png"))
        made.save(files[-1])
    return files


def encoder(**params):
    return registry.get("encode", "ocr_image")(**params)


def test_the_vector_is_the_text_encoders_of_the_words_that_are_read(signs):
    for name in ("e5_text", "hashed_text"):
        values = encoder(text=name).encode(signs[:4])
        assert np.array_equal(values, registry.make("encode", name).encode(WORDS))


@pytest.mark.slow
def test_a_picture_without_text_is_skipped_with_a_reason_or_zeros_where_that_was_asked_for(signs):
    values, notes = encoder().attempt(signs)
    assert list(notes) == [4]
    assert (notes[4][0].code, notes[4][0].skipped) == ("no_words", True)
    assert np.linalg.norm(values[:4], axis=1) == pytest.approx(np.ones(4), abs=1e-5)
    with pytest.raises(ChiasmError, match="no_words"):
        encoder().encode(signs)
    values, told = encoder(wordless="zeros").encode_told(signs)
    assert not values[4].any()
    assert (told[4][0].code, told[4][0].skipped) == ("no_words", False)


def test_a_picture_that_cannot_be_decoded_is_skipped_whatever_becomes_of_wordless_ones(signs, tmp_path):
    (tmp_path / "cut.png").write_bytes(Path(signs[0]).read_bytes()[:300])
    for wordless in ("skip", "zeros"):
        items = [signs[0], str(tmp_path / "cut.png"), str(tmp_path / "none.png"), signs[1]]
        values, notes = encoder(wordless=wordless).attempt(items)
        assert {place: (n[0].code, n[0].skipped) for place, n in notes.items()} == {
            1: ("broken", True),
            2: ("missing", True),
        }
        assert np.array_equal(values[[0, 3]], encoder().encode([signs[0], signs[1]]))


@pytest.mark.slow
def test_an_item_has_the_same_numbers_alone_and_in_any_company(signs):
    one = encoder()
    whole = one.attempt(signs)[0]
    assert np.array_equal(one.attempt(signs[::-1])[0][::-1], whole)
    assert all(np.array_equal(one.encode([sign])[0], row) for sign, row in zip(signs[:4], whole, strict=False))


def test_the_fingerprint_follows_the_parameters_and_survives_saving(signs, tmp_path):
    seen = {encoder().fingerprint, encoder(text="hashed_text").fingerprint, encoder(wordless="zeros").fingerprint}
    assert len(seen) == 3
    one = encoder()
    one.encode(signs[:1])
    recipe.save(one, tmp_path / "one.chiasm")
    again = chiasm.load(tmp_path / "one.chiasm")
    assert again.fingerprint == one.fingerprint
    assert np.array_equal(again.encode(signs[:4]), one.encode(signs[:4]))


def test_a_text_encoder_that_learns_does_so_from_what_is_read(signs):
    fitted = encoder(text="bow_text").fit(signs)
    assert "bread" in fitted.text_encoder_.words_
    assert fitted.encode(signs[:1]).any()
    with pytest.raises(ChiasmError, match="pictures with words to learn from, got 1 without"):
        encoder(text="bow_text").fit(signs[4:])


def test_an_encoder_of_anything_but_texts_is_refused():
    with pytest.raises(ChiasmError, match="ocr_image: wanted a text encoder, got 'pixel_image', which reads image"):
        encoder(text="pixel_image").encode([])


def test_beside_another_encoder_a_wordless_picture_stays_where_zeros_were_asked_for(signs):
    views = Views({"image": Column("image", signs)})
    encoded = Encoding({"image": "pixel_image+ocr_image:wordless=zeros:text=hashed_text"}).fit_transform(views)
    assert encoded.present("image").all()
    report = Encoding({"image": "pixel_image+ocr_image:text=hashed_text"}).fit(views).apply(views)[1]
    assert [note.code for _, _, note in report.skipped] == ["no_words"]


def test_words_find_signs_without_a_pair_and_in_the_other_language(signs):
    from chiasm.tasks.retrieve import Retrieve

    views = Views({"image": Column("image", signs[:4])})
    model = Retrieve({"image": "ocr_image"}).fit(views)
    asked = ["bread", "is parking allowed at night?", "fruit", "a railway"]
    keys, _ = model.answer({"text": asked}, to="image", k=1)
    assert [str(key[0]).rsplit("/", 1)[-1] for key in keys] == ["0.png", "1.png", "2.png", "3.png"]
