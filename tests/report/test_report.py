"""The page of a score: every figure is the table's, every text is escaped, nothing comes from elsewhere."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageFont

from chiasm.errors import ChiasmError
from chiasm.report.html import el
from chiasm.report.matrix import matrix
from chiasm.report.page import page
from chiasm.report.plots import coverage_points
from chiasm.report.text import MOST_LINES, MOST_WIDE, lines, wide
from chiasm.stats import answers as classification
from chiasm.tasks.classify import Classify
from chiasm.tasks.regress import Regress
from chiasm.tasks.tag import Tag
from chiasm.views import Column, Views

HOSTILE = '<script>alert("盗")</script> & $x^2$ http://evil.example/a.js'
NAMES = ["猫", '狗 <b onmouseover="x">', "鸟 &amp;"]
ENCODERS = {"text": "hashed_text", "image": "pixel_image", "record": "tabular_record"}


class Read(HTMLParser):
    """What a browser would see: tags, attributes, headings, paragraphs and the cells of the tables."""

    def __init__(self, content):
        super().__init__()
        self.tags, self.attributes, self.tables, self.texts, self._open = set(), [], [], [], []
        self.feed(content.decode("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")
        if tag in ("h1", "h2", "h3", "p", "text", "figcaption"):
            self.texts.append((tag, ""))
        if tag not in ("meta", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self._open):
            self.tables[-1][-1][-1] += data
        elif self.texts and self.texts[-1][0] in self._open:
            self.texts[-1] = (self.texts[-1][0], self.texts[-1][1] + data)

    def of(self, *tags):
        return [text for tag, text in self.texts if tag in tags]

    def table(self, head):
        return next(table for table in self.tables if head in table[0])


def percent(entry, sign=""):
    if entry["value"] is None:
        return "-"
    figures = [round(100 * entry[k], 1) + 0.0 for k in ("value", "low", "high")]
    return f"{figures[0]:{sign}.1f} [{figures[1]:.1f}, {figures[2]:.1f}]"


def picture(rng, y, size=(400, 200)):
    """Bytes of a JPEG with a comment and a place in it."""
    pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8) // 2 + np.uint8(60 * y)
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", exif=exif, comment=b"secret note", quality=40)
    return out.getvalue()


def other(rng):
    """Words that no two texts share, or whole texts would be called nearly equal."""
    return " ".join(f"w{number}" for number in rng.integers(0, 10**6, 30))


def things(n=200, seed=0):
    """Three classes with Chinese names: a text, a picture, a record; no view is told the whole truth."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    words = np.where(rng.random(n) < 0.6, y, rng.integers(0, 3, n))
    shown = np.full(n, -1)
    shown[::5] = np.arange(len(shown[::5]))  # four in five have no picture, some an unreadable one
    shown[1::5] = n // 5
    columns = {
        "标题": Column("text", [f"word{w} {other(rng)} {HOSTILE}" for w in words]),
        "image": Column("image", [*(picture(rng, c) for c in y[::5]), b"no picture"], shown),
        "<i>record": Column("record", [{"age": float(rng.normal(4 * c, 6)), "<u>性别": "女", "gone": None} for c in y]),
    }
    label = np.array(NAMES, dtype=object)[y]
    split = np.array(["train"] * (n // 2) + ["test"] * (n - n // 2), dtype=object)
    return Views(columns, np.arange(n), {"label": label, "split": split})[rng.permutation(n)]


@pytest.fixture(scope="module")
def scored():
    views = things()
    model = Classify(encoders=ENCODERS, fuse="early", allow_leaks=True).fit(views)
    return model, model.score(views[views.split == "test"], split="test")


@pytest.fixture(scope="module")
def read(scored):
    score = scored[1]
    return Read(page(score.table, score.wrong, data="动物.csv", command="chiasm score a.chiasm <b>.csv"))


def vectors(task, y, k=2, seed=0, **views):
    """A task scored on vectors of which all but the last tell of y."""
    rng = np.random.default_rng(seed)
    n = len(y)
    columns = {name: Column("vector", x) for name, x in views.items()}
    table = Views(columns, np.arange(n), {"label": y})
    order = rng.permutation(n)
    model = task.fit(table[order[: n // 2]])
    return model, model.score(table[order[n // 2 :]])


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(size=(3, 240, 3))
    return vectors(Regress(fuse="early"), a[:, 0] + b[:, 0] + 0.3 * rng.normal(size=240), a=a, b=b, c=c)


@pytest.fixture(scope="module")
def tagged():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 240, 3))
    y = np.empty(240, dtype=object)
    y[:] = [["暖"] * bool(u > 0) + ["<wet>"] * bool(v > 0) for u, v in zip(a[:, 0], b[:, 0], strict=True)]
    return vectors(Tag(fuse="early"), y, a=a, b=b)


@pytest.fixture(scope="module")
def single():
    rng = np.random.default_rng(0)
    y = rng.choice(["yes", "no"], 200)
    return vectors(Classify(fuse="early"), y.astype(object), a=rng.normal(size=(200, 4)) + (y == "yes")[:, None])


def test_the_page_tells_everything_in_order_the_verdict_first(read, scored):
    assert read.of("h1") == ["classify: 动物.csv"]
    assert read.of("h2") == [
        "How right the answers are",
        "What each view adds",
        "When views are absent or wrong",
        "Class by class",
        "Can the confidence be trusted?",
        "Most confident errors",
        "Leaks and suspicious views",
        "What it costs",
        "How it was made",
    ]
    table = scored[1].table
    said = read.of("p")
    verdicts = [e["verdict"] for e in table["leave_one_out"].values()]
    assert said[2 : 2 + len(verdicts)] == verdicts
    for entry in table["cross_validated"]["leave_one_out"].values():
        assert entry["verdict"] in said
    assert table["additive"]["verdict"] in said
    first = 100 * table["accuracy"]["value"], 100 * table["majority"]
    assert said[1].startswith(f"{first[0]:.1f} %accuracy [")
    assert f"gives {first[1]:.1f}" in said[1]
    assert "100 rows of split test" in said[0]


def test_every_metric_of_every_model_is_the_tables(read, scored):
    table = scored[1].table
    views = list(table["views_alone"])
    rows = {row[0]: row[1:] for row in read.table("F1 macro %")[1:]}
    models = {"all views": table}
    models |= {f"{v} alone": table["views_alone"][v] for v in views}
    models |= {f"all but {v}": table["leave_one_out"][v] for v in views}
    assert list(rows) == [*models, "the commonest class"]
    for name, entry in models.items():
        assert rows[name] == [percent(entry[m]) for m in table["metrics"]]
    changes = {row[0]: row[1:] for row in read.table("difference")[1:]}
    for v in views:
        for kind, entries in (("scored rows", table), ("out of fold", table["cross_validated"])):
            found = entries["leave_one_out"][v]["difference"]
            assert changes[f"{v}, {kind}"] == [percent(found[m], "+") for m in table["metrics"]]


def test_every_class_and_every_confusion_is_the_tables(read, scored):
    table = scored[1].table
    rows = {row[0]: row[1:] for row in read.table("precision %")[1:]}
    assert list(rows) == [*sorted(NAMES), "micro", "macro", "weighted"]
    for name, entry in zip(table["classes"], table["report"]["classes"], strict=True):
        known = [f"{100 * entry[k]:.1f}" for k in ("precision", "recall", "f1")]
        assert rows[name] == [*known, str(entry["support"])]
    for kind in ("micro", "macro", "weighted"):
        assert rows[kind][:3] == [f"{100 * table['report'][kind][k]:.1f}" for k in ("precision", "recall", "f1")]
    matrix = read.table("true \\ answered")
    assert matrix[0][1:] == [row[0] for row in matrix[1:]] == table["classes"]
    for row, counts in zip(matrix[1:], table["confusion"], strict=True):
        shares = [f"{n}{100 * n / sum(counts):.0f} %" if n else "" for n in counts]
        assert row[1:] == shares


def test_the_plots_show_the_tables_figures(read, scored):
    table = scored[1].table
    drawn = read.of("text")
    missing = table["missing"]
    shown = [table["accuracy"], *missing["only"].values(), *(e["accuracy"] for e in table["views_alone"].values())]
    for entry in shown:
        assert percent(entry) in drawn
    for entry in table["shuffled"].values():
        assert percent(entry, "+") in drawn
    for value in missing["masks"]["by_rate"].values():
        assert f"{100 * value:.1f}" in drawn
    for entry in table["reliability"]["bins"]:
        assert not entry["count"] or str(entry["count"]) in drawn
    assert "标题 alone" in drawn
    assert "all but <i>record" in drawn
    bins = read.table("mean confidence %")[1:]
    assert sum(int(row[1]) for row in bins) == table["rows"]


def test_cost_and_making_stand_in_the_page(read, scored):
    table = scored[1].table
    row = read.table("MiB")[1]
    assert row[1] == percent(table["accuracy"])
    assert row[2:6] == [f"{s:.2f}" for s in table["seconds"].values()]
    assert row[6:] == [f"{table['size']['parameters']:,}", f"{table['size']['MiB']:.2f}"]
    assert any("seed 0" in text and "cluster bootstrap" in text for text in read.of("p"))


def test_no_text_of_the_data_becomes_markup(scored):
    score = scored[1]
    content = page(score.table, score.wrong, data=HOSTILE, command=HOSTILE)
    found = Read(content)
    known = "html head meta title style body main section article header h1 h2 h3 p span b small div figure figcaption"
    known += " table thead tbody tr th td details summary pre code img"
    drawing = "svg g defs path use text clippath rect"
    assert found.tags <= set(f"{known} {drawing}".split())
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert b"&lt;script&gt;alert(" in content
    assert HOSTILE in found.of("h1")[0]
    assert any(HOSTILE in text for text in found.of("p"))  # the caption of an error
    assert "all but <i>record" in found.of("text")
    assert '狗 <b onmouseover="x">' in [row[0] for row in found.table("precision %")]


def test_the_page_asks_for_nothing_from_anywhere(scored):
    score = scored[1]
    content = page(score.table, score.wrong, data=HOSTILE)
    for name, value in Read(content).attributes:
        if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster"):
            assert value.startswith(("#", "data:image/jpeg;base64,"))
        if name not in ("alt", "title"):
            assert "//" not in (value if not value.startswith("data:") else "")
    text = content.decode()
    assert not re.search(r"""(src|href)\s*=\s*["']?\s*(https?:)?//""", text)
    assert not re.search(r"url\((?!#)|@import", text)
    assert ("content", "default-src 'none'; img-src data:; style-src 'unsafe-inline'") in Read(content).attributes


def test_plots_are_well_formed_and_take_every_color_from_the_page(scored):
    score = scored[1]
    plots = re.findall(r"<svg.*?</svg>", page(score.table, score.wrong).decode(), re.DOTALL)
    assert len(plots) == 7
    ids = []
    for plot in plots:
        root = ElementTree.fromstring(f'<r xmlns:xlink="x">{plot}</r>')
        styles = " ".join(e.get("style", "") for e in root.iter())
        assert "var(--" in styles
        assert not re.search(r"#[0-9a-fA-F]{3}|font-family", styles)
        ids += [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids))


def test_errors_show_small_pictures_of_the_right_shape_and_nothing_but_their_pixels():
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 40)
    images = [picture(rng, c) for c in y]
    views = Views(
        {"photo": Column("image", images), "words": Column("vector", rng.normal(size=(80, 2)))}, np.arange(80)
    )
    label = np.array(["a", "b"], dtype=object)[rng.permutation(y)]
    model = Classify(encoders={"image": "pixel_image"}, fuse="early").fit(views[:40], label[:40])
    score = model.score(views[40:], label[40:])
    content = page(score.table, score.wrong)
    sources = re.findall(r'src="data:image/jpeg;base64,([^"]*)"', content.decode())
    assert len(sources) == 10
    for source in sources:
        data = base64.b64decode(source)
        assert b"secret" not in data
        with Image.open(io.BytesIO(data)) as shown:
            assert shown.size == (160, 80)
    assert len(content) < 2_000_000
    assert "vector" in " ".join(Read(content).of("p"))


def test_errors_show_texts_and_records(read, scored):
    said = read.of("p")
    for error in scored[1].table["errors"]:
        assert f"id {error['id']}" in said
        shown = error["items"]["标题"]
        assert (shown if len(shown) <= 480 else shown[:479] + "…") in said
    record = next(table for table in read.tables if table[0][0] == "age")
    assert record[1] == ["<u>性别", "女"]
    assert len(record) == 2  # what is missing is not shown


def test_a_picture_that_is_gone_is_told_not_drawn(scored):
    score = scored[1]
    gone = Column("image", [b"no picture"], np.zeros(len(score.wrong), dtype=int))
    wrong = score.wrong.replace({**score.wrong.columns, "image": gone})
    table = {**score.table, "errors": [{**e, "items": {**e["items"], "image": "a.png"}} for e in score.table["errors"]]}
    found = Read(page(table, wrong))
    assert "img" not in found.tags
    assert found.of("p").count("cannot be shown: not one of PNG, JPEG, WEBP, GIF, BMP, TIFF, AVIF, HEIC") == 10


def test_a_picture_given_in_memory_is_left_as_it_is():
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (300, 200, 3), dtype=np.uint8)) for _ in range(40)]
    views = Views({"photo": Column("image", pictures)}, np.arange(40))
    label = rng.choice(["a", "b"], 40).astype(object)
    model = Classify(encoders={"image": "pixel_image"}, fuse="early").fit(views[:20], label[:20])
    score = model.score(views[20:], label[20:])
    page(score.table, score.wrong)
    assert {p.size for p in pictures} == {(200, 300)}


def test_other_rows_than_the_errors_are_refused(scored):
    score = scored[1]
    with pytest.raises(ChiasmError, match="wanted the rows of the table's 10 errors"):
        page(score.table, score.wrong[::-1])


def test_without_the_rows_their_names_are_shown(scored):
    found = Read(page(scored[1].table))
    assert "img" not in found.tags
    assert scored[1].table["errors"][0]["items"]["标题"] in found.of("p")


def test_a_regression_leaves_out_what_only_classes_have(numbers):
    table = numbers[1].table
    found = Read(page(table))
    assert found.of("h2") == [
        "How right the answers are",
        "What each view adds",
        "When views are absent or wrong",
        "How far off the numbers are",
        "Leaks and suspicious views",
        "What it costs",
        "How it was made",
    ]
    rows = {row[0]: row[1:] for row in found.table("MAE")[1:]}
    for metric, cell in zip(("r2", "mae"), rows["all views"], strict=True):
        known = [f"{table[metric][k]:.3g}" for k in ("value", "low", "high")]
        assert cell == f"{known[0]} [{known[1]}, {known[2]}]"
    rest = dict(next(t for t in found.tables if t[0][0] == "R2"))
    assert rest["RMSE"] == f"{table['report']['rmse']:.4g}"


def test_tags_have_their_own_table(tagged):
    table = tagged[1].table
    found = Read(page(table))
    assert "Tag by tag" in found.of("h2")
    assert "Most confident errors" not in found.of("h2")
    rows = found.table("precision %")[1:]
    assert [row[0] for row in rows] == [*table["report"]["names"], "micro", "macro", "weighted"]
    assert rows[0][1] == f"{100 * table['report']['tags'][0]['precision']:.1f}"


def test_of_one_view_there_is_nothing_to_compare(single):
    found = Read(page(single[1].table))
    assert "What each view adds" not in found.of("h2")
    assert "When views are absent or wrong" not in found.of("h2")
    assert "there is one view: a" in found.of("p")
    assert f"{100 * single[1].table['auc']['value']:.1f} %" in found.of("p")[1]  # judged by the AUC


def test_a_figure_that_the_rows_do_not_have_is_a_dash():
    rng = np.random.default_rng(0)
    y = rng.choice(["yes", "no"], 120).astype(object)
    told = rng.normal(size=(2, 120, 3)) + (y == "yes")[:, None]
    views = Views({"a": Column("vector", told[0]), "b": Column("vector", told[1])}, np.arange(120), {"label": y})
    model = Classify(fuse="early").fit(views[:60])
    rest = views[60:]
    score = model.score(rest[rest.label == "yes"][:10])  # of one class there is no AUC
    found = Read(page(score.table, score.wrong))
    assert score.table["auc"]["value"] is None
    assert found.of("p")[1].startswith("-AUC · accuracy")
    assert found.table("F1 macro %")[1][-1] == "-"
    assert found.of("p")[2] == "these 10 rows cannot show what the a adds over b"


def test_answering_without_a_person_is_drawn_through_exact_points(scored, single):
    for _model, score in (scored, single):
        bins = score.table["reliability"]["bins"]
        sure = np.concatenate([np.full(b["count"], b["low"] + 0.01) for b in bins])
        right = np.concatenate([np.arange(b["count"]) < round(b["count"] * (b["accuracy"] or 0)) for b in bins])
        share, risk, _ = classification.risk_coverage(sure, right)
        points = dict(coverage_points(score.table))
        for x, y in zip(share, risk, strict=True):
            assert points[min(points, key=lambda p: abs(p - x))] == pytest.approx(y, abs=1e-9)
        for a in score.table["automation"].values():
            assert not a["share"] or min(abs(p - a["share"]) for p in points) < 1e-9


def test_the_same_score_gives_the_same_bytes(scored):
    score = scored[1]
    assert page(score.table, score.wrong) == page(score.table, score.wrong)


def many(names, table):
    """The table as if it had these classes, with a count in every cell."""
    k = len(names)
    counts = np.arange(k * k).reshape(k, k) % 7 + 900 * np.eye(k, dtype=int)
    return {**table, "classes": names, "confusion": counts.tolist(), "report": classification.class_report(counts)}


def test_many_classes_fold_their_table_and_list_the_commonest_confusions(scored):
    names = [f"第{i}类" for i in range(60)]
    table = many(names, scored[1].table)
    found = Read(page(table))
    pairs = found.table("of the true class")
    counts = np.array(table["confusion"])
    np.fill_diagonal(counts, 0)
    assert len(pairs) == 26
    assert int(pairs[1][2]) == counts.max()
    assert counts[names.index(pairs[1][0]), names.index(pairs[1][1])] == counts.max()
    fifty = Read(page(many(names[:50], scored[1].table)))
    assert [len(row) for row in fifty.table("true \\ answered")] == [51] * 51


CLASSES = {
    "short": lambda i: f"c{i}",
    "words": lambda i: f"Positive number {i}",
    "long": lambda i: f"{i} a very long name of a class that nobody would like to read in a table head",
    "中文": lambda i: f"第{i}类很长很长的中文类别名称很长很长",
    "CAPITALS": lambda i: f"CLASS IN CAPITAL LETTERS {i}",
}
LATIN = ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), 100)


def pixels(text, size):
    """How wide a text is in Noto Sans (nine tenths of DejaVu Sans); a Chinese character is as wide as high."""
    plain = "".join(c for c in text if wide(c) == 1)
    return 0.9 * size / 100 * LATIN.getlength(plain) + size * (len(text) - len(plain))


def drawn_width(names, counts):
    """The pixels of the confusion matrix by the rules of the style sheet; and whether it stands in half the page."""
    html, beside = matrix(names, counts)
    kinds = re.search(r'class="(heat[^"]*)"', html)[1].split()
    size, pad, cell, inner = (
        (9, 4, 16, 0) if "dense" in kinds else (11, 10, 26, 4) if "tall" in kinds else (13, 16, 4.2 * 13, 8)
    )
    found = Read(html.encode())
    head, *rows = found.table("true \\ answered")
    row_heads = max(pixels(row[0], size) for row in [*rows, ["answered"]]) + pad
    width = row_heads
    for j in range(1, len(head)):
        figures = [pixels(re.sub(r"(?<=\d)(\d\d?|100|<1) %$", "", row[j]), size) for row in rows]
        standing = size * 1.2 if "standing" in kinds else pixels(head[j], size)
        width += max(cell, standing + pad, max(figures, default=0) + inner) + 1
    return width, beside


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("most", [9, 950, 120_000])
def test_the_confusion_matrix_fits_its_card_for_any_names_and_counts(name, most):
    for n in (2, 3, 5, 6, 7, 12, 14, 15, 30, 31, 50):
        counts = np.full((n, n), max(most // 20, 1)) + most * np.eye(n, dtype=int)
        width, beside = drawn_width([CLASSES[name](i) for i in range(n)], counts.tolist())
        assert width <= (443 if beside else 942), (n, width, beside)


def test_six_short_classes_still_stand_beside_their_table_and_six_long_ones_below_it():
    assert matrix([f"c{i}" for i in range(6)], np.eye(6, dtype=int).tolist())[1]
    assert not matrix([CLASSES["long"](i) for i in range(6)], np.eye(6, dtype=int).tolist())[1]


def test_of_sixty_classes_the_list_of_confusions_fits_too(scored):
    html = matrix([CLASSES["long"](i) for i in range(60)], (1 + np.eye(60, dtype=int)).tolist())[0]
    row = Read(html.encode()).table("of the true class")[1]
    assert sum(pixels(cell, 13) * 15 / 13 + 24 for cell in row) <= 942


def test_long_names_leave_a_page_and_a_screen_of_the_promised_size(scored):
    score = scored[1]
    long = {
        v: f"{v} 一个很长很长的视图名称 with a very long name {i}" for i, v in enumerate(score.table["views_alone"])
    }
    table = many([f"{'长' * 20}{i}" for i in range(12)], renamed(score.table, long))
    found = lines(table)
    assert len(found) <= MOST_LINES
    assert max(map(wide, found)) <= MOST_WIDE
    drawn = Read(page(table)).of("text")
    assert any(text.endswith("…, scored rows") for text in drawn)


def renamed(value, names):
    if isinstance(value, dict):
        return {names.get(k, k): renamed(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [renamed(v, names) for v in value]
    if isinstance(value, str):
        for old, new in names.items():
            value = value.replace(old, new)
    return value


def test_scores_of_every_task_fit_on_one_screen(scored, numbers, tagged, single):
    for _, score in (scored, numbers, tagged, single):
        found = lines(score.table)
        assert len(found) <= MOST_LINES
        assert max(map(wide, found)) <= MOST_WIDE


def test_what_a_screen_leaves_out_is_named(scored):
    table = scored[1].table
    views = [f"v{i}" for i in range(9)]
    entry = table["leave_one_out"]["image"]
    table = many([f"c{i}" for i in range(12)], table)
    table |= {"views_alone": dict.fromkeys(views, entry), "leave_one_out": dict.fromkeys(views, entry)}
    found = lines(table)
    assert len(found) <= MOST_LINES
    assert found[-1].startswith("left out here, in the JSON and the HTML report: the table of classes")


def test_elements_escape_texts_and_attributes_and_drop_what_html_cannot_hold():
    assert el("p", "a<b", el("b", "&"), title='"x"') == '<p title="&quot;x&quot;">a&lt;b<b>&amp;</b></p>'
    assert el("p", "a\x00b\ud800c\n") == "<p>a�b�c\n</p>"
