"""The EfficientNet-Lite encoders: patches, whole numbers, a second network, and files in the cache."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm import registry
from chiasm.cache import Cache
from chiasm.encode._effnet import LITE0, LITE2, onnx_file, weights_file
from chiasm.encode._effnet_classes import class_shares
from chiasm.encode._export_effnet import samples
from chiasm.encode.effnet_image import EffnetImage
from chiasm.errors import ChiasmError

LACKING = registry.entries("encode")["effnet2_image"].missing
lite2 = pytest.mark.skipif(bool(LACKING), reason=f"effnet2_image needs {', '.join(LACKING)}")


def photographs(count: int = 12, seed: int = 3) -> list[np.ndarray]:
    """Parts of matplotlib's portrait, which no range was taken from."""
    import matplotlib

    portrait = Image.open(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg").convert("RGB")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        left, top = rng.integers(0, 200, 2)
        found.append(np.asarray(portrait.crop((left, top, left + 300, top + 300))))
    return found


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.mark.parametrize(("size", "patches"), [(288, 81), (224, 49)])
@pytest.mark.parametrize("precision", ["float32", "int8"])
@pytest.mark.slow
def test_the_mean_of_an_images_patches_is_its_vector(precision: str, size: int, patches: int, tmp_path: Path) -> None:
    path = tmp_path / "照片 一.png"
    Image.fromarray(photographs(1)[0]).save(path)
    encoder = EffnetImage(size, precision)
    items = [str(path), *photographs(2)]
    found = encoder.tokens(items)
    assert [(one.shape, one.dtype) for one in found] == [((patches, 1280), np.float32)] * 3
    np.testing.assert_allclose(np.stack([one.mean(0) for one in found]), encoder.encode(items), atol=1e-4)


def test_patches_lie_row_by_row() -> None:
    """What changes in the picture's lower right changes the last patch most and the first hardly."""
    picture = photographs(1)[0].copy()
    other = picture.copy()
    other[-60:, -60:] = 255 - other[-60:, -60:]
    one, two = EffnetImage().tokens([picture, other])
    moved = np.linalg.norm(one - two, axis=1).reshape(9, 9)
    assert moved[-1, -1] > 5 * moved[0, 0]
    assert moved[-1, -1] > moved[-1, 0]
    assert moved[-1, -1] > moved[0, -1]


def test_patches_of_what_is_no_picture_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "坏.jpg").write_bytes(b"no picture")
    with pytest.raises(ChiasmError, match=r"cannot encode image '.*坏\.jpg'"):
        EffnetImage().tokens([str(tmp_path / "坏.jpg")])


def test_whole_numbers_give_nearly_the_vectors_of_floats_on_other_photographs() -> None:
    pictures = photographs()
    floats, whole = EffnetImage().encode(pictures), EffnetImage(precision="int8").encode(pictures)
    near = cosine(floats, whole)
    assert near.mean() > 0.985
    assert near.max() < 1 - 1e-6, "int8 must not be the float32 network under another name"
    assert (class_shares(floats).argmax(1) == class_shares(whole).argmax(1)).mean() >= 0.75


def test_whole_numbers_are_a_quarter_of_the_bytes_and_the_same_in_any_company() -> None:
    sizes = [Path(onnx_file(LITE0, precision)).stat().st_size for precision in ("int8", "float32")]
    assert sizes[0] < 0.35 * sizes[1]
    encoder, pictures = EffnetImage(precision="int8"), photographs(5)
    together = encoder.encode(pictures)
    assert all(np.array_equal(encoder.encode([one])[0], row) for one, row in zip(pictures, together, strict=True))


def test_ranges_are_taken_from_the_same_pictures_on_every_run() -> None:
    first, second = (list(samples(64, 4)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert first[0].shape == (1, 3, 64, 64)
    assert not np.array_equal(first[0], first[2])


def test_floats_keep_the_fingerprint_of_before_there_was_a_choice() -> None:
    """Caches of earlier versions stay good: this one was written down before `precision` came."""
    assert EffnetImage().fingerprint == EffnetImage(precision="float32").fingerprint == "effnet_image-ff6526744105f324"
    assert EffnetImage(precision="int8").fingerprint != EffnetImage().fingerprint


def test_a_precision_that_is_not_known_is_refused_in_a_sentence() -> None:
    with pytest.raises(ChiasmError, match=r"no precision named 'int4'.*float32, int8"):
        EffnetImage(precision="int4").check_params()


@pytest.mark.slow
def test_an_int8_network_that_was_damaged_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = onnx_file(LITE0, "int8")
    float32 = onnx_file(LITE0)
    monkeypatch.setenv("CHIASM_CACHE", str(tmp_path))
    folder = Cache().models()
    folder.mkdir(parents=True)
    (folder / Path(float32).name).symlink_to(float32)
    broken = folder / Path(made).name
    broken.write_bytes(Path(made).read_bytes()[:-9])
    again = onnx_file(LITE0, "int8")
    assert Path(again).read_bytes() == Path(made).read_bytes()
    assert [path.name for path in folder.glob("effnet-int8-*")] == [Path(again).name]


def test_a_network_that_cannot_be_made_is_told_with_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHIASM_CACHE", str(tmp_path))
    failed = subprocess.CompletedProcess([], 1, "", "ModuleNotFoundError: No module named 'torch'\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(ChiasmError, match=r"Lite0's float32 network \(needs torch, onnx, onnxscript once\): Module"):
        onnx_file(LITE0)


@lite2
@pytest.mark.slow
def test_the_second_network_gives_what_pytorch_gives() -> None:
    torch = pytest.importorskip("torch")
    from efficientnet_lite_pytorch import EfficientNet

    encoder = registry.get("encode", "effnet2_image")()
    picture = photographs(1)[0][:260, :260]
    network = EfficientNet.from_name("efficientnet-lite2").eval()
    network.load_state_dict(torch.load(weights_file(LITE2), weights_only=True, map_location="cpu"))
    pixels = torch.from_numpy(((picture.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None])
    with torch.no_grad():
        known = network.extract_features(pixels).mean((2, 3)).numpy()
        shares = torch.softmax(network(pixels), dim=1).numpy()
    found = encoder.encode([picture])
    np.testing.assert_allclose(found, known, atol=1e-3)
    np.testing.assert_allclose(encoder.class_shares(found), shares, atol=1e-4)
    np.testing.assert_allclose(encoder.tokens([picture])[0].mean(0), found[0], atol=1e-4)


@lite2
def test_both_networks_stand_side_by_side_and_name_a_picture_alike() -> None:
    second = registry.get("encode", "effnet2_image")()
    flower = [np.asarray(Image.fromarray(((one[0].transpose(1, 2, 0) * 128) + 127).astype(np.uint8)))
              for one in samples(288, 2)]  # fmt: skip
    first = EffnetImage()
    names = [
        {encoder.class_names()[i] for i in np.argsort(-row)[:5]}
        for encoder in (first, second)
        for row in encoder.class_shares(encoder.encode(flower))
    ]
    assert names[0] & names[2], names
    assert names[1] & names[3], names


def test_a_second_network_that_is_not_installed_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chiasm.registry.find_spec", lambda name: None if "lite2" in name else object())
    with pytest.raises(ChiasmError, match=r"effnet2_image.*pip install 'chiasm\[lite2\]'"):
        registry.get("encode", "effnet2_image")
