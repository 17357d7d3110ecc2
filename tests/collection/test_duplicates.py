"""Near-duplicates are one answer: the same bytes, the same picture saved otherwise, a burst; each is told."""

from __future__ import annotations

import io
import itertools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from _indexed import shapes_model
from chiasm.collection import Collection
from chiasm.media.alike import BYTES, look_alike, same_picture, signature


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shapes_model(tmp_path_factory.mktemp("shapes"))


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A picture of many soft blobs and an edge, of nothing else's look."""
    rng = np.random.default_rng(seed)
    small = rng.uniform(0, 255, (12, 16, 3)).astype(np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def jpeg(image: Image.Image, quality: int = 90, taken: str = "") -> bytes:
    out, exif = io.BytesIO(), Image.Exif()
    if taken:
        exif[0x0132] = taken
    image.save(out, "JPEG", quality=quality, exif=exif)
    return out.getvalue()


def signed(*items: Any) -> np.ndarray:
    return np.frombuffer(b"".join(map(signature, items)), np.uint8).reshape(-1, BYTES)


def same(a: Any, b: Any) -> bool:
    return list(same_picture(signed(a), signed(b))) == [(0, 0)]


def altered(image: Image.Image) -> dict[str, Any]:
    w, h = image.size
    return {
        "strongly compressed": jpeg(image, 30),
        "a third as wide": jpeg(image.resize((w // 3, h // 3))),
        "twice as wide": image.resize((2 * w, 2 * h)),
        "gray levels shifted": image.point(lambda v: min(255, v + 12)),
        "2 % cut off": image.crop((w * 2 // 100, h * 2 // 100, w * 98 // 100, h * 98 // 100)),
    }


def test_a_picture_saved_otherwise_is_the_same_and_another_is_not() -> None:
    scenes = [scene(i) for i in range(12)]
    for one in scenes:
        assert [name for name, changed in altered(one).items() if not same(one, changed)] == []
    for one, other in itertools.combinations(scenes, 2):
        assert not same(one, other)


def test_a_picture_that_is_turned_or_mirrored_or_has_other_colors_is_another() -> None:
    one = scene(1)
    for other in (
        one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        one.rotate(180),
        Image.merge("RGB", one.split()[::-1]),
    ):
        assert not same(one, other)


def test_drawings_of_one_outline_are_the_same_only_where_their_colors_are() -> None:
    def drawing(color: str) -> Image.Image:
        made = Image.new("RGB", (200, 200), "white")
        made.paste(color, (60, 40, 140, 160))
        return made

    assert same(drawing("red"), jpeg(drawing("red"), 60))
    assert not same(drawing("red"), drawing("#c00000"))
    assert not same(drawing("red"), drawing("blue"))


def test_every_pair_is_compared_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    some = signed(*(scene(i % 7) for i in range(23)))
    whole = set(same_picture(some, some))
    assert whole == {(i, j) for i in range(23) for j in range(23) if i % 7 == j % 7}
    monkeypatch.setattr("chiasm.media.alike._BLOCK", 4)
    assert set(same_picture(some, some)) == whole


def test_two_frames_of_a_scene_look_alike_and_other_scenes_do_not() -> None:
    wide = scene(3, (400, 300))
    moved = [wide.crop((x, 20, x + 300, 245)) for x in (40, 52)]
    assert look_alike(signed(moved[0]), signed(moved[1])).tolist() == [True]
    others = signed(*(scene(i) for i in range(40, 60)))
    assert look_alike(np.repeat(signed(moved[0]), 20, axis=0), others).sum() <= 1


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Ten scenes; of one a copy, a small one and a cut one; of another three in two seconds and one an hour later."""
    folder = tmp_path / "Pictures"
    folder.mkdir()
    for i in range(10):
        (folder / f"{i}.jpg").write_bytes(jpeg(scene(i)))
    shutil.copy(folder / "3.jpg", folder / "3 copy.jpg")
    (folder / "3 small.jpg").write_bytes(jpeg(scene(3).resize((120, 90))))
    (folder / "3 cut.png").write_bytes(jpeg(altered(scene(3))["2 % cut off"]))
    wide = scene(77, (400, 300))
    for i, when in enumerate(("10:00:00", "10:00:01", "10:00:02", "11:00:00")):
        one = wide.crop((8 * i, 0, 300 + 8 * i, 225))
        (folder / f"burst{i}.jpg").write_bytes(jpeg(one, 80 + i, f"2024:05:06 {when}"))
    return tmp_path


def found(made: Collection, k: int = 100, **options: Any) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = made.hits({"text": ["a red circle"]}, k=k, **options)[0]
    return hits


def test_a_group_is_one_hit_that_names_the_others_by_level(home: Path, shapes: Path) -> None:
    made = Collection.build(home / "p.index", shapes, home / "Pictures")
    assert made.ledger()["searchable"] == 17
    hits = {hit["item"]: hit for hit in found(made)}
    assert len(hits) == 12  # nine lone scenes, the four of scene 3, the burst, the one of an hour later
    (three,) = [hit for name, hit in hits.items() if name.startswith("3")]
    held = {three["item"], *three.get("copies", []), *three["same_picture"]}
    assert held == {"3.jpg", "3 copy.jpg", "3 small.jpg", "3 cut.png"}
    if three["item"] in ("3.jpg", "3 copy.jpg"):
        assert {three["item"], *three["copies"]} == {"3.jpg", "3 copy.jpg"}
    (burst,) = [hit for name, hit in hits.items() if name.startswith("burst") and name != "burst3.jpg"]
    assert {burst["item"], *burst["burst"]} == {"burst0.jpg", "burst1.jpg", "burst2.jpg"}
    assert "burst" not in hits["burst3.jpg"]
    assert "same_picture" not in hits["1.jpg"]
    every = found(made, group=False)
    assert sorted(hit["item"] for hit in every) == sorted(path.name for path in (home / "Pictures").iterdir())
    assert not any({"copies", "same_picture", "burst"} & set(hit) for hit in every)


def test_k_groups_are_given_and_they_are_the_same_whatever_is_asked(home: Path, shapes: Path) -> None:
    made = Collection.build(home / "p.index", shapes, home / "Pictures")

    def groups(**options: Any) -> set[frozenset[str]]:
        return {
            frozenset(
                {hit["item"], *(name for level in ("copies", "same_picture", "burst") for name in hit.get(level, []))}
            )
            for words in ("a red circle", "a blue square", "zzz")
            for hit in made.hits({"text": [words]}, k=100, **options)[0]
        }

    assert len(groups()) == 12
    assert groups(where="size>0") == groups()
    assert groups(where="path=3 small.jpg") <= groups()
    for k in (1, 5, 12, 13):
        assert len(found(made, k)) == min(k, 12)
        assert [hit["item"] for hit in found(made, k)] == [hit["item"] for hit in found(made)][:k]


def test_groups_do_not_depend_on_the_order_in_which_files_came(home: Path, shapes: Path) -> None:
    folder = home / "Pictures"
    whole = Collection.build(home / "p.index", shapes, folder).duplicates()
    (home / "Slow").mkdir()
    slow = Collection.build(home / "slow.index", shapes, home / "Slow")
    for path in sorted(folder.iterdir(), reverse=True):
        shutil.copy2(path, home / "Slow")
        slow.update()
    assert slow.duplicates() == whole
    assert [sorted(group) for group in whole] == [["copies", "file", "same_picture"], ["burst", "file"]]


def test_no_chain_makes_one_of_pictures_of_different_moments(tmp_path: Path, shapes: Path) -> None:
    folder = tmp_path / "Pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg(scene(3), 90, "2024:05:06 10:00:00"))
    (folder / "b.jpg").write_bytes(jpeg(scene(3), 85, "2024:07:06 10:00:00"))
    for i in range(6):  # without a moment: each is like both
        (folder / f"plain{i}.jpg").write_bytes(jpeg(scene(3).resize((120 + 9 * i, 90 + 6 * i))))
    whole = Collection.build(tmp_path / "p.index", shapes, folder).duplicates()
    groups = [{one["file"], *one.get("same_picture", [])} for one in whole]
    assert not any({"a.jpg", "b.jpg"} <= group for group in groups)
    assert set().union(*groups) >= {f"plain{i}.jpg" for i in range(6)}
    (tmp_path / "Slow").mkdir()
    slow = Collection.build(tmp_path / "slow.index", shapes, tmp_path / "Slow")
    for path in sorted(folder.iterdir(), reverse=True):
        shutil.copy2(path, tmp_path / "Slow")
        slow.update()
    assert slow.duplicates() == whole


def test_what_joined_two_pictures_parts_them_when_it_goes_or_changes(home: Path, shapes: Path) -> None:
    folder = home / "Pictures"
    made = Collection.build(home / "p.index", shapes, folder)
    for name in ("3 copy.jpg", "3 cut.png", "burst1.jpg"):
        (folder / name).unlink()
    (three,) = [hit for hit in found(made) if hit["item"].startswith("3")]
    assert "copies" not in three  # at once, before the next look
    made.update()
    three, _ = made.duplicates()
    assert three == {"file": "3.jpg", "same_picture": ["3 small.jpg"]}
    (folder / "3 small.jpg").write_bytes(jpeg(scene(99)))
    (folder / "burst2.jpg").unlink()
    made.update()
    assert made.duplicates() == []
    assert len(found(made)) == made.ledger()["searchable"]


def test_signatures_are_not_made_again(home: Path, shapes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Collection.build(home / "p.index", shapes, home / "Pictures")
    before = made.duplicates()
    monkeypatch.setattr("chiasm.collection._alike._signature", lambda file: pytest.fail("read again"))
    (home / "Pictures" / "1.jpg").rename(home / "Pictures" / "renamed.jpg")
    made.update()
    made.rebuild()
    assert made.duplicates() == before


def test_a_broken_off_grouping_is_finished_at_the_next_look(home: Path, shapes: Path, monkeypatch: Any) -> None:
    whole = Collection.build(home / "p.index", shapes, home / "Pictures").duplicates()
    for step in ("_sign", "_compare", "_settle"):
        with monkeypatch.context() as patch:
            patch.setattr(f"chiasm.collection._alike.{step}", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                Collection.build(home / f"{step}.index", shapes, home / "Pictures")
        made = Collection(home / f"{step}.index")
        assert len(found(made)) >= 12  # searchable meanwhile
        made.update()
        assert made.duplicates() == whole


@pytest.mark.slow
def test_the_command_lists_groups_and_shows_every_file_when_asked(home: Path, shapes: Path, run: Any) -> None:
    Collection.build(home / "p.index", shapes, home / "Pictures")
    said = run("index", "duplicates", home / "p.index").stdout
    assert said.splitlines()[-1].startswith("2 groups of files")
    assert "same picture: 3 cut.png, 3 small.jpg" in said
    assert "burst: burst" in said
    assert run("search", home / "p.index", "x", "--k", "50").stdout.count("\n") == 12
    assert run("search", home / "p.index", "x", "--k", "50", "--all").stdout.count("\n") == 17
    assert "wanted an index together with --all" in run("search", shapes, "x", "--all").stderr
