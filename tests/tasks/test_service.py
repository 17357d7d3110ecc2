"""Customer service as it is measured: what an answer's confidence is, and that no question learns its own answer."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from benchmarks.search import service
from benchmarks.search._questions import ASK, HOW, dealt
from chiasm.data.toy import shape_image
from chiasm.stats.answers import automation

NAMES = ["color", "size"]


@pytest.fixture
def shop():
    """Six products, four questions about them."""
    products = {
        "color": np.array(["red", "red", "blue", "blue", "blue", "green"], dtype=object),
        "size": np.array(["1", "2", "1", "2", "3", "1"], dtype=object),
    }
    empty = np.zeros(4, dtype=object)
    field = np.array(["color", "size", "color", "size"], dtype=object)
    return service.Shop(products, None, None, np.array([0, 1, 2, 5]), field, empty, empty, empty)


def test_the_confidence_is_that_of_the_field_times_all_products_of_the_value(shop):
    rng = np.random.default_rng(0)
    odds, fields = rng.normal(size=(4, 6)), rng.dirichlet([1, 1], 4)
    found = service.answers(shop, odds, fields, NAMES, np.arange(4))
    for q in range(4):
        likely = {}
        for f, name in enumerate(NAMES):
            for p, value in enumerate(shop.products[name]):
                share = fields[q, f] * softmax(odds[q])[p]
                likely[name, value] = likely.get((name, value), 0) + share
        best = max(likely, key=likely.get)
        assert found.sure[q] == pytest.approx(likely[best])
        assert found.right[q] == (best == (shop.field[q], shop.products[shop.field[q]][shop.product[q]]))


def test_another_product_of_the_same_value_is_a_right_answer_but_not_the_product(shop):
    odds = np.full((4, 6), -9.0)
    odds[0, 1] = odds[2, 4] = 9  # red, though not the red one; blue, though not the blue one
    fields = np.array([[1.0, 0.0]] * 4)
    found = service.answers(shop, odds, fields, NAMES, np.arange(4))
    assert found.right.tolist() == [True, False, True, False]
    assert not found.found.any()


def test_products_that_cannot_be_told_apart_count_as_not_found(shop):
    odds = np.zeros((4, 6))
    odds[:, 0] = odds[:, 1] = 5
    fields = np.array([[1.0, 0.0]] * 4)
    assert not service.answers(shop, odds, fields, NAMES, np.arange(4)).found.any()


def test_the_likeliest_weights_are_those_that_made_the_choices_and_never_negative():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(3, 3000, 8))
    odds = np.tensordot([2.0, 0.5, -1.0], scores, 1)
    chosen = (odds + rng.gumbel(size=odds.shape)).argmax(axis=1)
    assert service.likeliest(scores, chosen)[2] == 0
    made = (np.tensordot([2.0, 0.5, 0.0], scores, 1) + rng.gumbel(size=odds.shape)).argmax(axis=1)
    np.testing.assert_allclose(service.likeliest(scores, made), [2, 0.5, 0], atol=0.15)


def test_a_question_is_weighed_by_what_the_other_half_of_the_products_says():
    rng = np.random.default_rng(0)
    scores, product = rng.normal(size=(2, 400, 10)), rng.integers(0, 10, 400)
    before = service.crossed(scores, product)
    mine = product % 2 == 0
    changed = scores.copy()
    changed[:, mine] = rng.normal(size=changed[:, mine].shape)
    after = service.crossed(changed, product)
    other = service.likeliest(scores[:, ~mine], product[~mine])
    np.testing.assert_allclose(before[mine], np.tensordot(other, scores[:, mine], 1))
    assert not np.allclose(before[~mine], after[~mine])


def test_learned_phrasings_are_never_asked_and_those_that_choose_never_either():
    told, wanted = (dealt(phrasings, np.random.default_rng(3)) for phrasings in (HOW, ASK))
    for mixed, known in ((told, HOW), (wanted, ASK)):
        for language, cells in known.items():
            for cell, (learned, *held) in cells.items():
                parts = [set(part) for part in mixed[language][cell]]
                assert parts[0] == set(learned)
                assert parts[1] | parts[2] == set(held[0]) | set(held[1])
                assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_customers_photograph_is_another_file_of_another_size(tmp_path):
    path = tmp_path / "a.png"
    shape_image("red", "circle", size=200).save(path)
    one, same, other = (service.photograph(str(path), np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert one == same != other
    with Image.open(io.BytesIO(one)) as photo:
        assert photo.format == "JPEG"
        assert 0.45 < photo.size[0] * photo.size[1] / 200**2 < 0.92


def test_a_threshold_of_like_questions_keeps_the_stated_error_on_others():
    rng = np.random.default_rng(0)
    sure = rng.random(40_000) ** 0.25
    right = rng.random(40_000) < sure
    for error in (0.05, 0.1):
        level = automation(sure[:20_000], right[:20_000], error)["threshold"]
        done = sure[20_000:] >= level
        assert (~right[20_000:][done]).mean() == pytest.approx(error, abs=0.01)
