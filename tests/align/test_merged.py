"""Aligners that were learned apart: merged as a mean of cosines, through processes of which one dies."""

import subprocess
import sys

import numpy as np
import pytest

import chiasm
from chiasm.align.auto import Auto
from chiasm.align.cca import CCA
from chiasm.align.hashing import Hashing
from chiasm.align.merged import Merged
from chiasm.data.toy import planted_pair
from chiasm.errors import ChiasmError
from chiasm.views import normalize

WORKER = """
import os, sys
import chiasm
from chiasm.align.kcca import KCCA
from chiasm.data.toy import planted_pair

shard, folder, dies = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "dies"
a, b = planted_pair(500, correlations=(0.95,) * 6)
part = KCCA(k=6).fit({"a": a[shard:400:4], "b": b[shard:400:4]})
if dies:
    os.kill(os.getpid(), 9)
chiasm.save(part, folder)
"""


def pair():
    a, b = planted_pair(500, correlations=(0.95,) * 6)
    return [{"a": a[s:400:4], "b": b[s:400:4]} for s in range(4)], {"a": a[400:], "b": b[400:]}


def cosines(model, views):
    mapped = model.transform(views)
    return normalize(mapped["a"].items) @ normalize(mapped["b"].items).T


@pytest.mark.parametrize("make", [lambda: CCA(k=4), lambda: Hashing(k=32), Auto])
def test_a_cosine_is_the_mean_of_the_parts_cosines(make):
    shards, held = pair()
    parts = [make().fit(shard) for shard in shards]
    merged = Merged.of(parts)
    assert np.allclose(cosines(merged, held), np.mean([cosines(part, held) for part in parts], axis=0), atol=1e-5)
    assert float(merged.score(held)) > max(float(part.score(held)) for part in parts) - 0.02


def test_codes_of_shards_stay_bits():
    shards, held = pair()
    rows = Merged.of([Hashing(k=16).fit(shard) for shard in shards]).transform(held)["a"].items
    assert rows.shape == (100, 64)
    assert np.allclose(np.abs(rows), 1 / 8)


def test_a_correction_is_taken_off_and_given_back_part_by_part():
    shards, held = pair()
    parts = [Auto().fit(shard) for shard in shards]
    merged = Merged.of(parts)
    rows = merged.transform(held)["a"].items
    owed = [part.owed("a", "b", part.transform(held)["a"].items) for part in parts]
    assert np.allclose(merged.owed("a", "b", rows), np.mean(owed, axis=0), atol=1e-5)
    bare = [part.without_correction(part.transform(held)["a"].items) for part in parts]
    assert np.allclose(merged.without_correction(rows), np.concatenate(bare, axis=1) / 2, atol=1e-5)
    plain = np.mean([cosines_of(part.uncorrected(held)) for part in parts], axis=0)
    assert np.allclose(cosines_of(merged.uncorrected(held)), plain, atol=1e-5)


def cosines_of(mapped):
    return normalize(mapped["a"].items) @ normalize(mapped["b"].items).T


def test_workers_of_which_one_is_killed_give_the_same_bits(tmp_path):
    def work(place, dies=-1):
        started = {
            s: subprocess.Popen(
                [sys.executable, "-c", WORKER, str(s), str(tmp_path / f"{place}{s}"), "dies" if s == dies else "lives"]
            )
            for s in range(4)
        }
        return [one.wait() for one in started.values()]

    def merged(place):
        return Merged.of([chiasm.load(tmp_path / f"{place}{s}") for s in range(4)])

    assert work("calm") == [0] * 4
    assert work("rough", dies=2) == [0, 0, -9, 0]
    with pytest.raises(ChiasmError, match="no saved model"):
        merged("rough")
    again = [sys.executable, "-c", WORKER, "2", str(tmp_path / "rough2"), "lives"]
    subprocess.run(again, check=True)
    held = pair()[1]
    calm, rough = merged("calm").transform(held), merged("rough").transform(held)
    assert all(np.array_equal(calm[view].items, rough[view].items) for view in "ab")
    chiasm.save(merged("rough"), tmp_path / "whole")
    loaded = chiasm.load(tmp_path / "whole").transform(held)
    assert all(np.array_equal(calm[view].items, loaded[view].items) for view in "ab")


def test_what_cannot_be_merged_is_refused_by_name():
    shards, _ = pair()
    one = CCA().fit(shards[0])
    other = CCA().fit({"a": shards[1]["a"], "c": shards[1]["b"]})
    with pytest.raises(ChiasmError, match="got none"):
        Merged.of([])
    with pytest.raises(ChiasmError, match="got str at place 1"):
        Merged.of([one, "cca"])
    with pytest.raises(ChiasmError, match="not fitted"):
        Merged.of([one, CCA()])
    with pytest.raises(ChiasmError, match=r"'c': .* at place 1"):
        Merged.of([one, other])
    with pytest.raises(ChiasmError, match="two things a shard"):
        Merged(shards=300).fit({name: rows[:100] for name, rows in shards[0].items()})
