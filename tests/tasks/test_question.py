"""Questions of several terms: how they are read, where they lie, and what refuses them."""

import json

import numpy as np
import pytest

from chiasm.errors import ChiasmError
from chiasm.stats.composed import composed
from chiasm.tasks.retrieve import Question, Retrieve
from chiasm.views import Column, Views, normalize
from conftest import make_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("asked")
    make_pictures(place, 2)
    (place / "notes.txt").write_text("a dog")
    (place / "my cat.JPG").write_bytes((place / "0000.png").read_bytes())
    return place


def terms(written, **options):
    return [(term.weight, term.view, term.said) for term in Question(written, **options).terms]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("a dog", [(1, "a dog")]),
        ("dog + cat - 2*people in snow", [(1, "dog"), (1, "cat"), (-2, "people in snow")]),
        ("0.5* dog+cat", [(0.5, "dog+cat")]),
        ("2 * cat + 5e-1 * dog", [(2, "cat"), (0.5, "dog")]),
        ("a 2 * 3 board", [(1, "a 2 * 3 board")]),
        ("2:30 - 4 pm", [(1, "2:30"), (-1, "4 pm")]),
        ("2:30-4 pm", [(1, "2:30-4 pm")]),
        ("C++", [(1, "C++")]),
        ("C＋＋", [(1, "C＋＋")]),
        ("e-mail -5 +7", [(1, "e-mail -5 +7")]),
        ("park -car at night", [(1, "park at night"), (-1, "car")]),
        ("-red a circle -2*big", [(1, "a circle -2*big"), (-1, "red")]),
        ('circle -red "a -b" + 2*bar', [(1, 'circle "a -b"'), (2, "bar"), (-1, "red")]),
        ("圆形 −红色", [(1, "圆形"), (-1, "红色")]),
        ("m*a*s*h", [(1, "m*a*s*h")]),
        ("+ dog", [(1, "dog")]),
        ("dog \u2212 cat", [(1, "dog"), (-1, "cat")]),
        ("海滩 + 日落 - 2*人", [(1, "海滩"), (1, "日落"), (-2, "人")]),
        ("海滩＋日落－２＊人", [(1, "海滩"), (1, "日落"), (-2, "人")]),
        ("狗\u3000＋\u3000雪", [(1, "狗"), (1, "雪")]),
        ("what is a .gif", [(1, "what is a .gif")]),
    ],
)
def test_a_lone_sign_joins_terms_and_all_else_is_words(written, wanted):
    assert terms(written) == [(weight, "text", said) for weight, said in wanted]


@pytest.mark.parametrize("written", ["-dog", "- dog", "-dog -cat"])
def test_a_question_that_only_takes_out_is_refused(written):
    with pytest.raises(ChiasmError, match="something to look for beside what is taken out, got - dog"):
        Question(written)


def test_a_term_that_is_a_file_is_that_file(folder):
    read = Question("0000.png + my cat.JPG - 2*red", folder=folder).terms
    assert [(term.weight, term.view) for term in read] == [(1, "image"), (1, "image"), (-2, "text")]
    assert read[1].item == str(folder / "my cat.JPG")
    assert terms("0000.png + red", folder=None, words="title") == [(1, "title", "0000.png"), (1, "title", "red")]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("", "wanted words or a file to look for"),
        ("-", "wanted words or a file after - in '-'"),
        ("dog +", "wanted words or a file after \\+"),
        ("dog + - cat", "wanted words or a file after \\+"),
        ("- snow", "something to look for beside what is taken out, got - snow"),
        ("0*dog", "a weight above 0, got '0\\*dog'"),
        ("nan*dog", "a weight above 0"),
        ("1e400*cat", "a weight above 0, got '1e400\\*cat'"),
        ("dog + inf*cat", "a weight above 0, got 'inf\\*cat'"),
        ("-2*dog", "a weight above 0"),
        ("0001.pngg + 0009.png", "0009.png looks like a picture, but there is no such file; did you mean 000"),
        ("door.wav", "door.wav looks like a sound"),
        ("notes.txt + red", "notes.txt is a file, but neither picture, sound nor video"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(folder, written, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        Question(written, folder=folder)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "wanted terms such as"),
        (7, "wanted terms such as"),
        ([(1, "dog")], "wanted terms such as"),
        ([(1, {"text": "a", "image": "b"})], "wanted terms such as"),
        ([("much", {"text": "a"})], "wanted terms such as"),
        ([(0, {"text": "a"})], "a number above 0"),
        ([(float("nan"), {"text": "a"})], "a number above 0"),
        ([(10**400, {"text": "a"})], "wanted terms such as"),
        ([(-1, {"text": "a"})], "beside what is taken out"),
        ([(1, {"text": " "})], "got an empty text"),
        ([(1, {"image": None})], "got an empty image"),
    ],
)
def test_terms_that_are_none_are_refused_in_a_sentence(given, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        Question(given)


# ---- the vector ----
def test_minus_takes_out_a_direction_and_no_other():
    rng = np.random.default_rng(0)
    plus, one, other = rng.normal(size=(3, 8))
    plus += one + other
    found = composed([(1, plus)], [(1, one), (1, other)])
    assert np.linalg.norm(found) == pytest.approx(1)
    assert [found @ one, found @ other] == pytest.approx([0, 0], abs=1e-12)
    aside = rng.normal(size=8)
    aside -= np.linalg.lstsq(np.stack([one, other]).T, aside, rcond=None)[0] @ np.stack([one, other])
    assert np.sign(found @ aside) == np.sign(plus @ aside)
    assert composed([(1, plus)], [(2, one)]) @ one < 0 < composed([(1, plus)], [(0.5, one)]) @ one


def test_a_direction_that_is_not_in_it_is_left_alone():
    plus = np.array([1.0, -1.0, 0.0])
    assert composed([(1, plus)], [(1, np.array([0, 1.0, 0]))]) == pytest.approx(plus / np.sqrt(2))


def test_plus_terms_count_by_weight_not_by_length():
    found = composed([(3, np.array([0.1, 0])), (1, np.array([0, 50.0]))])
    assert found == pytest.approx(np.array([3, 1]) / np.sqrt(10))


def test_nothing_left_is_refused():
    with pytest.raises(ChiasmError, match="nothing is left to look for"):
        composed([(1, np.ones(3))], [(1, 2 * np.ones(3))])
    with pytest.raises(ChiasmError, match="something to look for"):
        composed([], [(1, np.ones(3))])


# ---- a model ----
@pytest.fixture(scope="module")
def vectors():
    """Two views of one thing; the aligner corrects for hubs."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=(240, 6))
    columns = {n: z @ rng.normal(size=(6, d)) + 0.3 * rng.normal(size=(240, d)) for n, d in (("a", 16), ("b", 12))}
    return Views.of({n: v.astype(np.float32) for n, v in columns.items()}, split=["train"] * 180 + ["val"] * 60)


@pytest.fixture(scope="module")
def corrected(vectors):
    model = Retrieve(baseline=False).fit(vectors)
    assert model.aligner_.limit_ > 0.01
    return model


def places(hits):
    return [int(hit["id"]) for hit in hits]


def assert_alike(hits, others):
    """The same hits, and the same scores as far as a batch rounds as one row does."""
    assert [hit["id"] for hit in hits] == [hit["id"] for hit in others]
    assert [hit["score"] for hit in hits] == pytest.approx([hit["score"] for hit in others], abs=1e-6)


def test_within_a_view_scores_are_plain_cosines(vectors, corrected):
    asked = vectors["b"].items[[3, 7]]
    unit = corrected.aligner_.uncorrected({"b": np.asarray(vectors["b"].items)})["b"].items
    found = corrected.hits({"b": asked}, to="b", k=240)
    for row, hits in zip((3, 7), found, strict=True):
        products = unit @ unit[row] / (unit[row] @ unit[row])
        assert [hit["score"] for hit in hits] == pytest.approx(products[places(hits)], abs=1e-5)
        assert hits[0]["id"] == str(row)
        assert hits[0]["score"] == pytest.approx(1, abs=1e-6)
        cosines = normalize(unit) @ normalize(unit)[row]
        assert [hit["score"] for hit in hits] == pytest.approx(cosines[places(hits)], abs=0.03)
        assert places(hits) == np.argsort(-products, kind="stable").tolist()
    beside = corrected.pair_scores({"b": asked[:1]}, {"b": vectors["b"].items[places(found[0][:9])]})
    assert beside == pytest.approx([hit["score"] for hit in found[0][:9]], abs=1e-5)


def test_a_question_is_the_cosine_with_its_composed_vector(vectors, corrected):
    a, b = (np.asarray(vectors[name].items) for name in ("a", "b"))
    unit = {n: normalize(v.items) for n, v in corrected.aligner_.uncorrected({"a": a, "b": b}).columns.items()}
    question = Question([(1, {"a": a[4]}), (0.5, {"a": a[9]}), (-1, {"a": a[30]})])
    (hits,) = corrected.hits(question, to="b", k=240)
    query = composed([(1, unit["a"][4]), (0.5, unit["a"][9])], [(1, unit["a"][30])])
    cosines = unit["b"] @ query
    assert [hit["score"] for hit in hits] == pytest.approx(cosines[places(hits)], abs=0.05)
    ranks = np.argsort(np.argsort(-cosines))[places(hits)]
    assert np.corrcoef(ranks, np.arange(240))[0, 1] > 0.999


def test_beside_an_item_of_the_searched_view_one_of_another_counts_twice(vectors, corrected):
    a, b = (np.asarray(vectors[name].items) for name in ("a", "b"))
    (mixed,) = corrected.hits(Question([(1, {"b": b[4]}), (1, {"a": a[9]})]), to="b", k=240)
    unit = {n: normalize(v.items) for n, v in corrected.aligner_.uncorrected({"a": a, "b": b}).columns.items()}
    cosines = unit["b"] @ composed([(1, unit["b"][4]), (2, unit["a"][9])])
    assert np.corrcoef(np.argsort(np.argsort(-cosines))[places(mixed)], np.arange(240))[0, 1] > 0.999


def test_a_question_of_one_term_is_asked_as_ever_alone_or_among_others(vectors, corrected):
    a = np.asarray(vectors["a"].items)
    (plain,) = corrected.hits({"a": a[[5]]}, to="b", k=7)
    one = Question([(1, {"a": a[5]})])
    several = Question([(1, {"a": a[5]}), (1, {"a": a[6]})])
    alone = corrected.hits(one, to="b", k=7)
    together = corrected.hits([several, one], to="b", k=7)
    assert alone == [plain]
    assert_alike(together[1], plain)
    assert_alike(together[0], corrected.hits(several, to="b", k=7)[0])
    assert places(together[0]) != places(plain)


@pytest.fixture(scope="module")
def worded(tmp_path_factory):
    home = tmp_path_factory.mktemp("worded")
    shown = make_pictures(home, 120)
    views = Views(
        {
            "text": Column("text", [text for _, text in shown]),
            "image": Column("image", [str(home / name) for name, _ in shown], labels=[name for name, _ in shown]),
        },
        facts={"split": np.array(["val" if i % 3 == 2 else "train" for i in range(120)])},
    )
    model = Retrieve({"text": "hashed_text", "image": "pixel_image"}, align="cca", baseline=False).fit(views)
    return model, home, dict(shown)


def test_words_are_asked_as_they_stand(worded):
    model, _, _ = worded
    (wanted,) = model.hits({"text": ["a red circle"]}, k=4)
    assert model.hits("a red circle", k=4) == [wanted]
    assert_alike(model.hits(["a red circle", "a blue square - 0000.png"], k=4)[0], wanted)
    labels, scores = model.answer("a red circle", k=4)
    assert labels[0].tolist() == [hit["item"] for hit in wanted]
    assert scores.shape == (1, 4)


def test_this_but_in_another_color_is_found(worded):
    model, home, captions = worded
    picture = next(name for name, text in captions.items() if text == "a red square")
    (hits,) = model.hits(Question(f"{picture} + blue - red", folder=home), k=5)
    told = [captions[hit["item"]] for hit in hits]
    assert told.count("a blue square") >= 3
    (same,) = model.hits({"image": [str(home / picture)]}, to="image", k=5)
    assert "a blue square" not in [captions[hit["item"]] for hit in same]


def test_what_is_taken_out_is_found_less(worded):
    model, _, captions = worded
    with_, without = (model.hits(Question(words), k=12)[0] for words in ("red circle", "red circle - circle"))
    circles = [sum("circle" in captions[hit["item"]] for hit in hits) for hits in (with_, without)]
    reds = [sum("red" in captions[hit["item"]] for hit in hits) for hits in (with_, without)]
    assert circles[1] < circles[0]
    assert reds[1] >= 6


def test_pages_are_the_ranking_cut(worded):
    model, _, _ = worded
    question = Question("red - circle")
    (whole,) = model.hits(question, k=120)
    pages = [model.hits(question, k=7, skip=skip)[0] for skip in range(0, 126, 7)]
    assert [hit for page in pages for hit in page] == whole
    assert model.hits(question, k=7, skip=120) == [[]]
    assert [hit["rank"] for hit in whole] == list(range(1, 121))
    both = ["image", "text"]
    (mixed,) = model.hits("a red circle", both, k=20)
    assert [hit for skip in (0, 10) for hit in model.hits("a red circle", both, k=10, skip=skip)[0]] == mixed


def test_the_best_hits_are_sorted_and_others_left_out(worded):
    model, _, _ = worded
    (best,) = model.hits("a red circle", k=30)
    (rising,) = model.hits("a red circle", k=30, sort="item", among=30)
    assert [hit["item"] for hit in rising] == sorted(hit["item"] for hit in best)
    (falling,) = model.hits("a red circle", k=4, skip=4, sort="-item", among=30)
    assert [hit["item"] for hit in falling] == sorted((hit["item"] for hit in best), reverse=True)[4:8]


def test_what_reject_accepts_is_sorted_and_nothing_else(vectors, corrected):
    asked = {"a": vectors["a"].items[:20]}
    accepted = corrected.hits(asked, "b", k=240, sort="id", reject=0.1)
    assert sum(map(bool, accepted)) >= 5
    assert [bool(one) for one in accepted] == [bool(one) for one in corrected.hits(asked, "b", k=1, reject=0.1)]
    for told, ranked in zip(accepted, corrected.hits(asked, "b", k=240), strict=True):
        assert len(told) < 240
        assert {hit["id"] for hit in told} == {hit["id"] for hit in ranked[: len(told)]}
        assert [hit["id"] for hit in told] == sorted(hit["id"] for hit in told)
    row = max(range(20), key=lambda i: len(accepted[i]))
    some = len(accepted[row]) - 1
    pages = [corrected.hits(asked, "b", some, skip=skip, sort="id", reject=0.1)[row] for skip in (0, some)]
    assert some >= 1
    assert pages[0] + pages[1] == accepted[row]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m: m.hits("a", sort="item"), "wanted to know what is accepted before it is sorted by item"),
        (lambda m: m.hits("a", sort="date", among=5), "no column to sort by named 'date'"),
        (lambda m: m.hits("a", sort="-", among=5), "the name of a column to sort by"),
        (lambda m: m.hits("a", among=5), "wanted sort together with among"),
        (lambda m: m.hits("a", sort="item", among=0), "among of at least 1"),
        (lambda m: m.hits("a", skip=-1), "skip of at least 0, got -1"),
        (lambda m: m.hits("a", skip=1.5), "skip of at least 0, got 1.5"),
        (lambda m: m.hits("a", k=0, skip=3), "k of at least 1"),
        (lambda m: m.hits("a", ["image", "text"], sort="item", among=3), "wanted one view to reject by or to sort"),
        (lambda m: m.hits(""), "something to ask with"),
        (lambda m: m.hits(Question("a + b"), reject=0.1), "wanted one term to know what a match scores, got a \\+ b"),
        (lambda m: m.hits(Question([(1, {"audio": "x.wav"})])), "a model that knows sounds for 'x.wav'"),
        (lambda m: m.hits(Question([(1, {"title": "x"})])), "a model that knows 'title' for 'x'"),
        (lambda m: m.hits(Question("red - red")), "nothing is left to look for"),
        (lambda m: m.explain(Question("a + b"), [[]]), "wanted one term"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(worded, call, sentence):
    with pytest.raises(ChiasmError, match=sentence):
        call(worded[0])


def test_too_few_known_queries_sort_nothing(vectors):
    model = Retrieve(align="cca", baseline=False).fit(vectors[:210])
    with pytest.raises(ChiasmError, match="enough validation rows to know what is accepted"):
        model.hits({"a": vectors["a"].items[:1]}, "b", sort="id", reject=0.1)


def test_the_command_line_asks_with_several_terms(run, worded):
    model, home, captions = worded
    model.save(home / "m")
    picture = next(name for name, text in captions.items() if text == "a red square")
    done = run("search", "m", f"{picture} + 2*blue - red", "--json", "--k", 3, cwd=home)
    told = json.loads(done.stdout)
    assert told["query"] == f"{picture} + 2*blue - red"
    assert [(term["weight"], term["view"]) for term in told["terms"]] == [(1, "image"), (2, "text"), (-1, "text")]
    assert (told["from"], told["to"]) == (["image", "text"], "image")
    assert captions[told["results"][0]["item"]] == "a blue square"
    more = ("--image", picture, "--json", "--k", 2, "--page", 2)
    beside = json.loads(run("search", "m", "2*blue - red", *more, cwd=home).stdout)
    assert [hit["rank"] for hit in beside["results"]] == [3, 4]
    assert beside["results"][0] == told["results"][2]
    assert "no more" in run("search", "m", "red", "--page", 99, cwd=home).stdout
    wrong = run("search", "m", "nothere.png + red", cwd=home)
    assert wrong.returncode == 1
    assert "nothere.png looks like a picture, but there is no such file" in wrong.stderr
