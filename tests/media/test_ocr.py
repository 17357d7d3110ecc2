"""Text in pictures: what is read of rendered text, where, in which order, and what is said where nothing can be."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageFont

import chiasm.report.sheet
from chiasm.cli.transcribe import transcribe_command
from chiasm.errors import ChiasmError
from chiasm.media import ocr
from chiasm.media.ocr import character_errors, read_text
from chiasm.media.text_boxes import boxes_of, cut_out, in_order
from chiasm.scale import threads

FONT = chiasm.report.sheet.font_file()
HERE = ocr.find_spec(ocr.PACKAGE) is not None
reads = pytest.mark.skipif(not HERE or FONT is None, reason=f"needs a font with Chinese and: {ocr.INSTALL}")

ENGLISH, CHINESE = "The red car stops here", "今天天气很好我们去公园"


def page(text, size=(600, 300), letters=36, at=(40, 100), back="white", ink="black"):
    made = Image.new("RGB", size, back)
    ImageDraw.Draw(made).text(at, text, font=ImageFont.truetype(FONT, letters), fill=ink)
    return made


@reads
@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
@pytest.mark.parametrize("turn", [0, 90, 180, 270, 12])
def test_rendered_text_is_read_whichever_way_it_lies(text, turn):
    found = read_text(page(text).rotate(turn, expand=True, fillcolor="white"))
    assert found.text == text
    assert 0.9 < found.confidence <= 1


@reads
@pytest.mark.parametrize(("back", "ink"), [("black", "white"), ("#2040a0", "#ffd040"), ("#999999", "#555555")])
def test_the_colors_of_letters_and_ground_do_not_change_the_text(back, ink):
    assert read_text(page(ENGLISH, back=back, ink=ink)).text == ENGLISH


@reads
def test_a_box_holds_the_line_and_little_else():
    text = page(ENGLISH)
    left, top, right, bottom = ImageDraw.Draw(text).textbbox((40, 100), ENGLISH, font=ImageFont.truetype(FONT, 36))
    (line,) = read_text(text).lines
    corners = np.array(line.box)
    assert np.abs(corners - [[left, top], [right, top], [right, bottom], [left, bottom]]).max() < 14


@reads
def test_lines_come_from_top_to_bottom_and_columns_from_left_to_right():
    text = page("first line\nsecond line\nthird line", at=(20, 40))
    ImageDraw.Draw(text).text((360, 40), "beside it", font=ImageFont.truetype(FONT, 36), fill="black")
    assert read_text(text).text == "first line\nbeside it\nsecond line\nthird line"


@reads
def test_spaces_of_small_words_are_not_lost():
    text = "A group of people walking over a bridge in the rain"
    assert character_errors(text, read_text(page(text, size=(640, 200), letters=20)).text)[0] <= 1


@reads
def test_a_line_that_is_sixty_times_as_long_as_high_is_read_to_its_end():
    text = " ".join(["the quick brown fox jumps over the lazy dog"] * 4)
    assert character_errors(text, read_text(page(text, size=(2500, 300), letters=28)).text)[0] <= 3


@reads
def test_a_picture_without_text_gives_nothing():
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    for picture in (Image.new("RGB", (300, 200), "white"), Image.fromarray(noise), Image.new("RGB", (1, 1))):
        assert read_text(picture) == ocr.Written("", 0.0)


@reads
@pytest.mark.slow
def test_pictures_of_extreme_shapes_are_bounded_in_time_and_memory():
    before = peak()
    for size in ((1, 3000), (3000, 1), (40, 4000), (8000, 6000)):
        assert read_text(Image.new("RGB", size, "gray")).text == ""
    assert peak() - before < 1 << 30


@reads
@pytest.mark.slow
def test_more_lines_than_there_is_time_for_are_counted_not_dropped_in_silence(monkeypatch):
    text = page("one line\ntwo lines\nthree lines", size=(400, 300), at=(20, 20))
    assert (len(read_text(text).lines), read_text(text).left) == (3, 0)
    monkeypatch.setattr(ocr, "MOST", 2)
    assert (len(read_text(text).lines), read_text(text).left) == (2, 1)
    monkeypatch.setattr(ocr, "COLUMNS", 400)
    assert (len(read_text(text).lines), read_text(text).left) == (1, 2)


@reads
@pytest.mark.slow
def test_a_picture_has_the_same_text_and_confidence_in_any_company():
    pictures = [page(text, letters=size) for text in (ENGLISH, CHINESE, "STOP") for size in (24, 36)]
    alone = [read_text(picture) for picture in pictures]
    assert list(threads(read_text, pictures * 2, workers=4)) == alone * 2


@reads
def test_nothing_of_the_package_but_its_files_is_used_and_no_connection_is_opened():
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a connection')\n"
        "socket.socket.connect = refuse; socket.getaddrinfo = refuse\n"
        "from PIL import Image; from chiasm.media.ocr import read_text\n"
        "assert read_text(Image.new('RGB', (64, 64))).text == ''\n"
        "print(sorted({'rapidocr_onnxruntime', 'cv2', 'shapely', 'pyclipper', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_missing_package_is_one_sentence_that_says_what_to_install(monkeypatch):
    ocr._opened.cache_clear()
    monkeypatch.setattr(ocr, "find_spec", lambda name: None)
    with pytest.raises(ChiasmError, match=r"pip install --no-deps rapidocr-onnxruntime==1\.4\.4") as error:
        read_text(Image.new("RGB", (64, 64)))
    assert "\n" not in str(error.value)


@reads
def test_another_network_than_the_one_that_was_tested_is_refused(monkeypatch):
    ocr._opened.cache_clear()
    monkeypatch.setitem(ocr.CHECKSUMS, next(iter(ocr.CHECKSUMS)), "0" * 64)
    with pytest.raises(ChiasmError, match="not the file that was tested"):
        read_text(Image.new("RGB", (64, 64)))


def test_planted_rectangles_are_found_where_they_are():
    text = np.zeros((200, 300))
    text[40:52, 30:130] = 0.9
    text[100:104, 200:202] = 0.9  # too small
    text[150:160, 20:120] = 0.4  # not sure enough
    y, x = np.mgrid[:200, :300]
    slope = np.deg2rad(20)
    along = (x - 200) * np.cos(slope) + (y - 150) * np.sin(slope)
    across = (y - 150) * np.cos(slope) - (x - 200) * np.sin(slope)
    text[(abs(along) < 50) & (abs(across) < 8)] = 0.9
    boxes, means = boxes_of(text, grow=0.0)
    assert len(boxes) == 2
    assert (means > 0.75).all()
    turned, level = boxes  # the larger first
    assert np.abs(level - [[30, 40], [130, 40], [130, 52], [30, 52]]).max() < 2
    ends = np.array([[-50, -8], [50, -8], [50, 8], [-50, 8]])
    wanted = ends @ [[np.cos(slope), np.sin(slope)], [-np.sin(slope), np.cos(slope)]] + [200, 150]
    assert np.abs(turned - wanted).max() < 2.5


def test_a_box_grows_by_its_area_over_its_perimeter():
    text = np.zeros((100, 200))
    text[40:60, 50:150] = 1
    ((small,), _), ((large,), _) = boxes_of(text, grow=0.0), boxes_of(text, grow=1.6)
    wide, high = small[1, 0] - small[0, 0], small[3, 1] - small[0, 1]
    more = 1.6 * wide * high / (2 * (wide + high))
    assert large == pytest.approx(small + more * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))


def test_what_is_cut_out_of_a_box_is_what_was_there_and_columns_are_laid_down():
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8))
    box = np.array([[10.0, 20], [50, 20], [50, 40], [10, 40]])
    assert np.array_equal(cut_out(picture, box), picture.crop((10, 20, 50, 40)))
    column = np.array([[10.0, 5], [20, 5], [20, 55], [10, 55]])
    assert cut_out(picture, column).size == (50, 10)


def test_boxes_are_read_by_lines():
    def at(x, y, wide=10, high=10):
        return [[x, y], [x + wide, y], [x + wide, y + high], [x, y + high]]

    assert in_order(np.array([at(50, 1), at(0, 40), at(0, 0), at(30, 42)], dtype=float)) == [2, 0, 1, 3]


def test_errors_are_counted_as_a_slow_search_over_all_edits_counts_them():
    def slow(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0]))

    rng = np.random.default_rng(0)
    for _ in range(40):
        a, b = ("".join(rng.choice(list("xyz"), rng.integers(0, 6))) for _ in range(2))
        assert character_errors(a, b) == (slow(a, b), len(a))
    assert character_errors("two\nlines", " two  lines ") == (0, 9)


@reads
def test_the_command_line_reads_pictures_and_names_what_it_cannot_read(tmp_path):
    page(CHINESE).save(tmp_path / "sign.png")
    Image.new("RGB", (64, 64)).save(tmp_path / "blank.png")
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    files = [str(tmp_path / name) for name in ("sign.png", "blank.png", "no.jpg")]
    done = CliRunner().invoke(transcribe_command, files)
    assert done.exit_code == 1
    assert CHINESE in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1].endswith("0.0 %  (no words)")
    assert "[not_an_image]" in done.stderr
    told = json.loads(CliRunner().invoke(transcribe_command, [files[0], "--json"]).stdout)
    assert told[0]["lines"][0]["text"] == CHINESE
    assert len(told[0]["lines"][0]["box"]) == 4


def peak():
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
