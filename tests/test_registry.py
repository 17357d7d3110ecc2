"""The folder is the registry: read without importing, wrong names and missing packages told in a sentence."""

import subprocess
import sys

import pytest

from chiasm import registry
from chiasm.errors import ChiasmError


def test_listing_imports_no_part():
    code = (
        "import sys; from chiasm import registry\n"
        "for kind in registry.KINDS: registry.entries(kind)\n"
        "print([m for m in sys.modules if m.startswith(('chiasm.align.', 'chiasm.encode.', 'sklearn', 'torch'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_file_is_the_class_in_snake_case():
    for kind in registry.KINDS:
        for name, entry in registry.entries(kind).items():
            assert entry.target.split(":")[1].lower() == name.replace("_", "")


def test_a_file_without_its_class_is_an_error_by_name(tmp_path):
    path = tmp_path / "lonely.py"
    path.write_text('"""Nothing here."""\n')
    with pytest.raises(ChiasmError, match=r"lonely\.py: wanted a class"):
        registry._read("align", path)


def test_a_part_whose_package_is_missing_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "needy.py"
    path.write_text('"""Needs what is not there."""\nrequires = ("no_such_package",)\nclass Needy: pass\n')
    entry = registry._read("align", path)
    assert entry.missing == ["no_such_package"]
    monkeypatch.setitem(registry.entries("align"), "needy", entry)
    with pytest.raises(ChiasmError, match="pip install no-such-package"):
        registry.get("align", "needy")


def test_an_unknown_name_is_told_with_the_closest_known_one():
    with pytest.raises(ChiasmError, match="no align named 'ca'; did you mean 'cca'"):
        registry.get("align", "ca")
    with pytest.raises(ChiasmError, match="no kind named 'aline'"):
        registry.names("aline")


def test_a_name_carries_values_for_a_part_of_any_kind():
    assert registry.make("generate", "captioner:beam=2:axes=8", seed=3).get_params() == (
        registry.make("generate", "captioner", seed=3).set_params(beam=2, axes=8).get_params()
    )
    assert registry.make("generate", "hf_captioner:a/b:beam=1").get_params()["model"] == "a/b"
    assert registry.make("generate", "consensus:k=5").get_params()["k"] == 5  # left open by default
    for wanted, match in (
        ("consensus:k=x", "wanted consensus alone, got consensus:k=x: it takes no such value here"),
        ("captioner:bean=2", "no parameter of captioner named 'bean'; did you mean 'beam'"),
        ("captioner:beam=two", "wanted captioner:beam=NUMBER, got captioner:beam=two"),
        ("hf_captioner:a/b:beam=x", "wanted hf_captioner:a/b:beam=NUMBER, got hf_captioner:a/b:beam=x"),
        ("caption:beam=2", "no generate named 'caption'"),
    ):
        with pytest.raises(ChiasmError, match=match):
            registry.make("generate", wanted)


def test_a_package_outside_adds_a_part_by_an_entry_point(tmp_path):
    (tmp_path / "outside.py").write_text('"""A method."""\nfrom chiasm.align.cca import CCA\nclass Mine(CCA): pass\n')
    info = tmp_path / "outside-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[chiasm.align]\nmine = outside:Mine\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import chiasm; print(chiasm.names('align'), chiasm.get('align', 'mine').__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-2:] == ["'mine']", "Mine"]
    assert done.stdout.startswith(str(registry.names("align"))[:-1])


@pytest.mark.parametrize(
    ("kind", "wanted", "told"),
    [
        ("fuse", "coattention:zig=1", "no parameter of coattention named 'zig'"),
        ("fuse", "attention:devcie=cpu", "no parameter of attention named 'devcie'; did you mean 'device'"),
        ("fuse", "coattention:cpu", "no kind of coattention named 'cpu'"),
        ("encode", "adapter:zig=3", "no parameter of adapter named 'zig'"),
        ("fuse", "subnetwork:join=zig", "no join of subnetwork named 'zig'"),
        ("fuse", "temporal:head=text=gruu", "temporal: wanted head to be one of gru, lstm, .* got {'text': 'gruu'}"),
        ("fuse", "temporal:steps=text=x", "wanted temporal:steps=VIEW=VALUE,VIEW=VALUE, each view once"),
        ("fuse", "temporal:head=text=gru,text=lstm", "wanted temporal:head=VIEW=VALUE,VIEW=VALUE, each view once"),
        ("fuse", "temporal:head==gru", "each view once"),
        ("fuse", "graph:k=3:k=4", "wanted k of graph once, got graph:k=3:k=4"),
        ("align", "cca:ridges=1,x", "wanted cca:ridges=NUMBER,NUMBER, got cca:ridges=1,x"),
        ("fuse", "ensemble:fuser=early", "no parameter of ensemble named 'fuser'; did you mean 'fusers'"),
    ],
)
def test_a_setting_that_a_part_lacks_is_no_value_of_its_first_parameter(kind, wanted, told):
    with pytest.raises(ChiasmError, match=told):
        registry.make(kind, wanted)
    assert registry.make("encode", "hf_text:a=b").model == "a=b"  # a folder may be called so


def test_several_values_stand_between_commas_and_those_of_views_by_name():
    cascade = registry.make("fuse", "subnetwork:join=cascade:order=b, a:seed=3")
    assert (cascade.join, cascade.order, cascade.seed) == ("cascade", ["b", "a"], 3)
    ensemble = registry.make("fuse", "ensemble:fusers=early,late:rounds=5")
    assert (ensemble.fusers, ensemble.rounds) == (["early", "late"], 5)
    assert registry.make("fuse", "ensemble:fusers=").fusers == []
    heads = registry.make("fuse", "temporal:head=video=gru,a=b=conv:steps=video=25")
    assert (heads.head, heads.steps) == ({"video": "gru", "a=b": "conv"}, {"video": 25})
    assert (registry.make("fuse", "temporal:head=gru:steps=8").head, heads.join) == ("gru", "concat")
    assert registry.make("fuse", "graph:by=tags,文字").by == ["tags", "文字"]
    assert registry.make("fuse", "cascade:order=b,a").order == ["b", "a"]
    assert registry.make("align", "cca:ridges=0.5,2").ridges == [0.5, 2.0]
    assert registry.make("align", "stacked_autoencoder:layers=64,32").layers == [64, 32]


def test_what_is_left_open_takes_a_number_or_a_text_as_it_may():
    assert registry.make("align", "cca:ridge=0.5").ridge == 0.5
    assert registry.make("align", "ridge:target=text").target == "text"
    assert registry.make("align", "dcca:start=3").start == "3"  # a part's name: told when it is made
