"""The names that are shipped as vectors are what the encoders of today say."""

from __future__ import annotations

import numpy as np

from chiasm.encode.e5_text import E5Text
from chiasm.encode.effnet_image import EffnetImage
from chiasm.encoding.said import SHIPPED, _encoded, _told, said
from chiasm.files import read_tensors
from chiasm.views import normalize


def test_what_is_shipped_is_of_the_default_encoders_and_equals_what_they_say():
    phrasings = EffnetImage().known().phrasings
    assert read_tensors(SHIPPED)[1] == _told(E5Text(), phrasings)  # else: python -m chiasm.encoding.said
    few = np.random.default_rng(0).choice(1000, 12, replace=False)
    known = _encoded(E5Text(), [phrasings[i] for i in few], None)
    cosines = normalize(said(E5Text(), phrasings)) @ normalize(known).T
    assert cosines[few, range(len(few))].min() > 0.999  # processors round numbers of 8 bits each in their way
    assert np.sort(cosines, axis=0)[-2].max() < 0.999  # of the next name


def test_other_texts_are_encoded():
    assert said(E5Text(), [["a red bus", "一辆红色的公共汽车"]]).shape == (1, 384)
