"""Adjusted Rand and mutual information, equal to scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from chiasm.stats.partitions import adjusted_rand, mutual_information


@pytest.mark.parametrize("groups", [(1, 1), (1, 4), (3, 5), (20, 7)])
def test_both_are_scikit_learns(groups):
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, k, 60) for k in groups)
    assert adjusted_rand(one, other) == pytest.approx(adjusted_rand_score(one, other))
    assert mutual_information(one, other) == pytest.approx(normalized_mutual_info_score(one, other), abs=1e-12)


def test_names_of_groups_do_not_matter_and_one_group_of_all_tells_nothing():
    one = np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand(one, (one + 1) % 3) == mutual_information(one, (one + 1) % 3) == 1
    assert adjusted_rand(one, np.zeros(6, int)) == 0
