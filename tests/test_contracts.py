"""The promise of every kind, for every file in its folder: a new method is tested by being there.

What the promises are stands in `chiasm.contracts`, where people outside try them on parts of their own.
"""

from functools import cache

import pytest

import _tiny
from chiasm import registry
from chiasm.contracts import promises
from chiasm.contracts._probe import Probe, SkippedError

NOT_HERE = {
    ("encode", "speech_audio"): "it reads words alone: tests/media/test_speech.py has some that are spoken",
    ("index", "postgres"): "its copies share one table: tests/index/test_contract.py asks all of this of a real server",
    ("encode", "ocr_image"): "it reads words alone: tests/encode/test_ocr_image.py has some that are written",
    ("tasks", "caption"): "it wants texts: tests/tasks/test_caption.py",
    ("tasks", "contents"): "it learns nothing, and has no score: tests of its own",
    ("tasks", "summarize"): "it learns nothing, and has no score: tests of its own",
}
"""Parts that the generated data does not suit; what parts of all kinds promise is tried on them too."""

SLOW = {
    ("encode", "effnet_image"),
    ("encode", "effnet2_image"),
    ("fuse", "cross_attention"),
    ("fuse", "joint"),
    ("fuse", "transformer"),
}
"""Parts that take a minute and more."""


@cache
def trial(kind, name):
    """One for all promises of a part, which share what is fitted; numbers are equal bit for bit, in batches to 1e-5."""
    given = registry.get(kind, name)(**_tiny.params(name))
    other = {}
    if kind in ("encode", "tune") and (kind, name) not in NOT_HERE:
        other = {p: _tiny.other(name, p, value) for p, value in given.get_params(deep=False).items()}
    batched = kind == "encode" and "batch_size" in given.get_params(deep=False)
    return Probe(kind, given, other=other, within=1e-5 if batched else 0.0)


def cases():
    """Every promise of every part."""
    found = []
    of_all = set.intersection(*(set(promises(kind)) for kind in registry.KINDS))
    for kind in registry.KINDS:
        for name in registry.names(kind):
            for promise in promises(kind):
                reason = None if promise in of_all else NOT_HERE.get((kind, name))
                mark = [pytest.mark.skip(reason=reason)] if reason else []
                mark += [pytest.mark.slow] if (kind, name) in SLOW else []
                found.append(pytest.param(kind, name, promise, id=f"{kind}-{name}-{promise.name}", marks=mark))
    return found


@pytest.mark.parametrize(("kind", "name", "promise"), cases())
def test_a_part_keeps_the_promises_of_its_kind(kind, name, promise):
    if missing := registry.entries(kind)[name].missing:
        pytest.skip(f"{name} needs {', '.join(missing)}")
    try:
        note = promise.keep(trial(kind, name))
    except SkippedError as why:
        pytest.fail(f"a part of chiasm's own must not be passed over: {why}")
    assert note is None


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_part_is_listed_with_a_sentence(kind):
    for name, entry in registry.entries(kind).items():
        assert entry.doc, name
        assert not entry.fault
