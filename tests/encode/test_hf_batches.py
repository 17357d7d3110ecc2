"""Many items a call of a user's own network, on the CPU here: what one by one gives, whatever is in a batch."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
import wave
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import _tiny
import _tiny_time
import chiasm
from chiasm import registry
from chiasm.cli import cli
from chiasm.device import place, preferring
from chiasm.encode._hf_read import by_pillow
from chiasm.encode.hf_audio import HfAudio
from chiasm.encode.hf_audio_text import HfAudioText
from chiasm.encode.hf_image import HfImage
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encode.hf_text import HfText
from chiasm.encode.hf_video import HfVideo
from chiasm.encode.hf_video_text import HfVideoText
from chiasm.encoding import Encoding
from chiasm.errors import ChiasmError, ChiasmWarning
from chiasm.media.images import decode_image
from chiasm.tokens import Tokens
from chiasm.views import Column, Views

LACKING = registry.entries("encode")["hf_text"].missing
if LACKING:
    pytest.skip(f"needs {', '.join(LACKING)}", allow_module_level=True)

TEXTS = [
    "a red circle",
    " ",
    "a red circle on the white ground, a blue square on the black ground.",
    "a",
    7,
    "绿色的三角形, a green triangle.",
    "zebra xylophone",
    "一只红色的圆,",
    "blue squares on the white ground",
]
TEXT_NOTES = {1: ("empty", True), 2: ("cut", False), 4: ("not_text", True), 6: ("unknown_words", False)}
TEXT_KINDS = ("clip", "siglip", "siglip2", "chinese_clip")


def roberta(folder: Path) -> Path:
    """A tiny RoBERTa, which counts positions by the token of padding; that is not 0 here."""
    from transformers import RobertaConfig, RobertaModel

    shutil.copytree(_tiny.tiny("bert"), folder)
    config = RobertaConfig(vocab_size=len(_tiny.WORDS), max_position_embeddings=18, pad_token_id=1, **_tiny.SIZE)
    RobertaModel(config).save_pretrained(folder)
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"pad_token": "[UNK]"}))
    return folder


def fnet(folder: Path) -> Path:
    """A tiny FNet, which mixes all tokens and takes no mask: padding would change its numbers."""
    from transformers import FNetConfig, FNetModel

    shutil.copytree(_tiny.tiny("bert"), folder)
    size = {name: value for name, value in _tiny.SIZE.items() if name != "num_attention_heads"}
    config = FNetConfig(vocab_size=len(_tiny.WORDS), max_position_embeddings=16, pad_token_id=0, **size)
    FNetModel(config).save_pretrained(folder)
    return folder


def pictures(folder: Path) -> list[Any]:
    from PIL import Image

    rng = np.random.default_rng(0)
    made: list[Any] = [rng.integers(0, 255, (a, b, 3), dtype=np.uint8) for a, b in ((40, 64), (90, 70), (33, 33))]
    Image.fromarray(made[0]).save(folder / "图.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    return [*made, str(folder / "broken.jpg"), str(folder / "图.png"), made[1][:, ::-1]]


def shown(notes: dict[int, list[Any]]) -> dict[int, tuple[str, bool]]:
    return {i: (of[0].code, of[0].skipped) for i, of in notes.items()}


def same(make: Any, items: list[Any], noted: dict[int, tuple[str, bool]]) -> tuple[Any, Any]:
    """Both encoders, after a comparison of vectors, tokens and notes; batches of 3 and of all."""
    alone = make(device="cpu")
    known, told = alone.attempt(items)
    assert shown(told) == noted
    good = [i for i in range(len(items)) if i not in told or not told[i][0].skipped]
    states = alone.tokens([items[i] for i in good])
    for size in (3, 32):
        batched = make(device="cpu", batch_size=size)
        found, notes = batched.attempt(items)
        assert notes == told
        np.testing.assert_allclose(rows(found)[good], rows(known)[good], atol=1e-4)
        for one, other in zip(batched.tokens([items[i] for i in good]), states, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-4)
    assert np.ptp(rows(known)[good], axis=0).max() > 0.01  # the comparison is not one of equal rows
    return alone, batched


def rows(values: Any) -> np.ndarray:
    return np.asarray(values)


@pytest.mark.parametrize("pool", ["auto", "mean", "cls", "pooler"])
def test_texts_in_batches_are_those_one_by_one(pool: str) -> None:
    folder = str(_tiny.tiny("bert"))
    _, batched = same(lambda **o: HfText(folder, pool, **o), TEXTS, TEXT_NOTES)
    assert batched._opened.pads


@pytest.mark.parametrize("mode", ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"])
def test_every_pooling_passes_over_padding(mode: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(_tiny.tiny("bert"), tmp_path / "st"))
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    entries = [{"name": k, "path": p, "type": f"sentence_transformers.models.{k}"} for p, k in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(entries))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": mode}))
    (folder / "2_Normalize").mkdir()
    same(lambda **o: HfText(str(folder), **o), TEXTS, TEXT_NOTES)


def test_roberta_counts_positions_from_behind_the_padding_in_batches_too(tmp_path: Path) -> None:
    folder = str(roberta(tmp_path / "roberta"))
    noted = {i: note for i, note in TEXT_NOTES.items() if i != 6}
    _, batched = same(lambda **o: HfText(folder, **o), [t for t in TEXTS if t != "zebra xylophone"], noted)
    assert batched._opened.pads


def test_a_network_that_does_not_ignore_padding_is_given_texts_of_one_length(tmp_path: Path) -> None:
    folder = str(fnet(tmp_path / "fnet"))
    _, batched = same(lambda **o: HfText(folder, **o), TEXTS, TEXT_NOTES)
    assert not batched._opened.pads


def test_texts_share_a_call_with_others_of_like_length() -> None:
    encoder = HfText(str(_tiny.tiny("bert")), device="cpu", batch_size=2)
    encoder.encode(["a"])
    network, seen = encoder._opened.network, []
    network.register_forward_pre_hook(
        lambda _, args, named: seen.append(named["attention_mask"].sum(1).tolist()), with_kwargs=True
    )
    encoder.encode(["a a a a a", "a", "a a a a", "a a", "a a a a a a", "a a a"])
    assert seen == [[8, 7], [6, 5], [4, 3]]


@pytest.mark.parametrize("kind", ["resnet", "vit", "dinov2"])
def test_images_in_batches_are_those_one_by_one(kind: str, tmp_path: Path) -> None:
    same(lambda **o: HfImage(str(_tiny.tiny(kind)), **o), pictures(tmp_path), {3: ("not_an_image", True)})


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_both_towers_in_batches_are_those_one_by_one(kind: str, tmp_path: Path) -> None:
    folder = str(_tiny.tiny(kind))
    same(lambda **o: HfImageText(folder, **o), pictures(tmp_path), {3: ("not_an_image", True)})
    other = {2: None, 8: ("unknown_words", False)} if kind == "siglip2" else {}  # its tokenizer cuts words otherwise
    noted = {i: note for i, note in (TEXT_NOTES | other).items() if note}
    same(lambda **o: HfImageText(folder, "text", **o), TEXTS, noted)


def test_images_that_no_processor_cuts_to_one_shape_share_calls_with_their_like(tmp_path: Path) -> None:
    from transformers import ViTImageProcessorPil

    folder = Path(shutil.copytree(_tiny.tiny("resnet"), tmp_path / "free"))
    ViTImageProcessorPil(do_resize=False).save_pretrained(folder)
    same(lambda **o: HfImage(str(folder), **o), pictures(tmp_path), {3: ("not_an_image", True)})


def sounds(folder: Path, rate: int) -> list[Any]:
    """Four sounds of three lengths, one of them beyond every tiny network's window; the third is too short."""
    made = []
    for i, seconds in enumerate((0.5, 0.5, 0.03, 3.1, 0.9)):
        samples = np.random.default_rng(i).normal(0, 0.1 * (i + 1), round(seconds * rate)).clip(-1, 1)
        made.append(str(folder / f"{i}.wav"))
        with wave.open(made[-1], "wb") as file:
            file.setparams((1, 2, rate, 0, "NONE", ""))
            file.writeframes((samples * 32767).astype("<i2").tobytes())
    return made


@pytest.mark.parametrize("kind", ["ast", "clap", "clap_fused", "hubert", "wav2vec2", "whisper"])
def test_sounds_in_batches_are_those_one_by_one(kind: str, tmp_path: Path) -> None:
    folder, items = str(_tiny_time.tiny(kind)), sounds(tmp_path, 16000)
    same(lambda **o: HfAudio(folder, **o), items, {2: ("too_short", True)})
    good = items[:2] + items[3:]
    steps = HfAudio(folder, steps=2, device="cpu", batch_size=3).encode(good)
    assert isinstance(steps, Tokens)
    np.testing.assert_allclose(rows(steps), rows(HfAudio(folder, steps=2, device="cpu").encode(good)), atol=5e-3)
    if kind.startswith("clap"):
        same(lambda **o: HfAudioText(folder, **o), items, {2: ("too_short", True)})
        same(lambda **o: HfAudioText(folder, "text", **o), TEXTS, TEXT_NOTES)


@pytest.mark.parametrize("kind", ["videomae", "xclip"])
def test_videos_in_batches_are_those_one_by_one(kind: str, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    items = []
    for i in range(4):
        items.append(str(tmp_path / f"{i}.mkv"))
        with av.open(items[-1], "w") as container:
            stream = container.add_stream("mpeg4", 10)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for k in range(10 + i):
                picture = np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8)
                picture[10:30, 2 * k : 2 * k + 16] = 60 * i
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode(None))
    (tmp_path / "no.mkv").write_bytes(b"no film")
    items.insert(1, str(tmp_path / "no.mkv"))
    folder = str(_tiny_time.tiny(kind))
    code = HfVideo(folder).attempt(items)[1][1][0].code
    same(lambda **o: HfVideo(folder, **o), items, {1: (code, True)})
    if kind == "xclip":
        same(lambda **o: HfVideoText(folder, **o), items, {1: (code, True)})
        same(lambda **o: HfVideoText(folder, "text", **o), TEXTS, TEXT_NOTES)


def crowded(encoder: Any, most: int) -> Any:
    """The encoder, opened, whose network has memory for so many items a call."""
    import torch

    encoder.encode(["a"])

    def check(_: Any, args: Any, named: Any) -> None:
        if len(named["input_ids"]) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    encoder._opened.network.register_forward_pre_hook(check, with_kwargs=True)
    return encoder


def test_out_of_memory_halves_the_batch_says_so_once_and_goes_on() -> None:
    folder = str(_tiny.tiny("bert"))
    texts = [f"a {word}" for word in ("red", "blue", "green", "一", "只")] * 5
    encoder = crowded(HfText(folder, device="cpu", batch_size=8), 3)
    with pytest.warns(ChiasmWarning) as told:
        found = encoder.encode(texts)
    assert [str(one.message) for one in told] == [
        "8 items a call do not fit in the memory of cpu: going on with 2 a call (batch_size=2 asks for that at once)."
    ]
    np.testing.assert_allclose(found, HfText(folder, device="cpu").encode(texts), atol=1e-4)
    assert encoder.batch == 64
    with pytest.raises(ChiasmError, match=r'wanted memory for 1 item a call on cpu, got too little: .* device="cpu"'):
        crowded(HfText(folder, device="cpu", batch_size=8), 0).encode(texts)
    with pytest.raises(ChiasmError, match="wanted memory for 1 item"):
        crowded(HfText(folder, device="cpu"), 0).encode(texts)


@pytest.mark.parametrize("kind", ["resnet", "vit", "dinov2", "clip", "siglip", "chinese_clip"])
def test_a_processor_that_is_known_is_spared_where_many_go_into_a_call(kind: str, tmp_path: Path) -> None:
    make = HfImageText if kind in TEXT_KINDS else HfImage
    encoder = make(str(_tiny.tiny(kind)), device="cpu", batch_size=2)
    encoder.encode(pictures(tmp_path)[:1])
    encoder._opened.reader = None
    known = make(str(_tiny.tiny(kind)), device="cpu", batch_size=1)
    items = pictures(tmp_path)[:3]
    np.testing.assert_allclose(encoder.encode(items), known.encode(items), atol=1e-5)
    assert known._opened.pixels is None


def test_a_processor_that_is_unknown_or_does_otherwise_than_its_settings_say_does_the_work_itself() -> None:
    from transformers import CLIPImageProcessorPil

    class Mirrored(CLIPImageProcessorPil):
        def __call__(self, images: Any, **options: Any) -> Any:
            return super().__call__(images=images.transpose(0), **options)

    settings = {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}}
    assert by_pillow(CLIPImageProcessorPil(**settings))
    assert by_pillow(CLIPImageProcessorPil(**settings, do_rescale=False, do_normalize=False))
    Mirrored.__name__ = CLIPImageProcessorPil.__name__
    assert Mirrored(**settings).to_dict() == CLIPImageProcessorPil(**settings).to_dict()
    assert by_pillow(Mirrored(**settings)) is None
    encoder = HfImageText(str(_tiny.tiny("siglip2")), device="cpu", batch_size=2)
    picture = np.full((40, 40, 3), 20, np.uint8)
    encoder.encode([picture])
    assert encoder._opened.pixels is None
    encoder._opened.reader = None
    with pytest.raises(TypeError):
        encoder.encode([picture])


def test_the_next_items_are_read_while_the_network_works(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = HfImage(str(_tiny.tiny("vit")), device="cpu", batch_size=2)
    items = [np.full((40, 40, 3), 20 * i, np.uint8) for i in range(6)]
    encoder.encode(items[:1])
    ahead, calls, opened = threading.Event(), [], encoder._opened

    def read(item: Any, size: None) -> Any:
        if item[0, 0, 0] == 40:
            ahead.set()
        return decode_image(item, size)

    monkeypatch.setattr("chiasm.encode._hf_read.decode_image", read)
    opened.network.register_forward_pre_hook(lambda *_: calls.append(ahead.wait(20)))
    encoder.encode(items)
    assert calls == [True] * 3


def test_the_fingerprint_has_the_precision_and_neither_device_nor_batch_size() -> None:
    folder = str(_tiny.tiny("bert"))
    encoder = HfText(folder, "cls")
    facts = {
        "class": "HfText",
        "version": 1,
        "params": {"model": folder, "pool": "cls"},
        "weights": encoder.weights(),
        "state": "",
    }
    before = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    assert encoder.fingerprint == f"hf_text-{before}"  # of caches that are older than the parameters
    for options in ({"device": "cpu"}, {"device": "cuda"}, {"batch_size": 32}):
        assert HfText(folder, "cls", **options).fingerprint == encoder.fingerprint
    others = {HfText(folder, "cls", precision=name).fingerprint for name in ("float32", "float16", "bfloat16")}
    assert len(others) == 3


def test_a_model_that_was_saved_beside_a_gpu_loads_where_there_is_none(tmp_path: Path) -> None:
    encoder = HfText(str(_tiny.tiny("bert")), device="cuda", batch_size=128, precision="bfloat16")
    chiasm.save(encoder, tmp_path / "saved")
    again = chiasm.load(tmp_path / "saved")
    assert (again.device, again.batch_size, again.precision) == ("auto", 0, "bfloat16")
    assert encoder.device == "cuda"
    with preferring("cpu"):
        assert again.encode(["a"]).shape == (1, 16)
    assert again._opened.place == "cpu"


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_gives_single_precision_vectors_that_are_near(precision: str, tmp_path: Path) -> None:
    for make, items in (
        (lambda **o: HfText(str(_tiny.tiny("bert")), device="cpu", **o), ["a red circle", "一只红色的圆", "a"]),
        (lambda **o: HfImage(str(_tiny.tiny("vit")), device="cpu", **o), pictures(tmp_path)[:3]),
        (lambda **o: HfAudio(str(_tiny_time.tiny("whisper")), device="cpu", **o), sounds(tmp_path, 16000)[:2]),
    ):
        known, found = make().encode(items), make(precision=precision, batch_size=2).encode(items)
        assert found.dtype == np.float32
        assert 0 < np.abs(found - known).max() < 0.1 * np.abs(known).max()


def test_a_device_is_a_gpu_where_torch_sees_one(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    for count in (0, 2):
        gpus = SimpleNamespace(is_available=lambda n=count: n > 0, device_count=lambda n=count: n)
        monkeypatch.setattr(torch, "cuda", gpus)
        assert place("auto") == ("cuda" if count else "cpu")
        assert place("cpu") == "cpu"
    assert [place("cuda"), place("cuda:1")] == ["cuda", "cuda:1"]
    with preferring("cpu"):
        assert [place("auto"), place("cuda")] == ["cpu", "cuda"]
    with pytest.raises(ChiasmError, match="wanted device 'cuda:2', and torch sees 2 GPUs here: take device 'auto'"):
        place("cuda:2")
    with pytest.raises(ChiasmError, match="wanted device to be auto, cpu, cuda or cuda:NUMBER, got 'gpu'"):
        place("gpu")
    encoder = HfText("models/any")
    assert encoder.batch == 1024
    with preferring("cpu"):
        assert encoder.batch == 512
        assert HfText("models/any", batch_size=1).batch == 64


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
def test_what_cannot_be_had_is_one_sentence() -> None:
    folder = str(_tiny.tiny("bert"))
    said = "wanted device 'cuda', and torch sees no GPU here: take device 'auto' or 'cpu'."
    views = Views({"caption": Column("text", ["a", "a red"])})
    for call in (
        lambda: HfText(folder, device="cuda").encode(["a"]),
        lambda: Encoding({"caption": HfText(folder, device="cuda")}).fit(views).transform(views),
        lambda: preferring("cuda").__enter__(),
    ):
        with pytest.raises(ChiasmError) as caught:
            call()
        assert str(caught.value) == said
    with pytest.raises(ChiasmError, match="no precision named 'float23'; did you mean 'float32'"):
        HfText(folder, precision="float23").encode(["a"])
    with pytest.raises(ChiasmError, match="wanted batch_size to be a whole number of at least 0, got -1"):
        HfText(folder, batch_size=-1).encode(["a"])


@pytest.mark.usefixtures("no_gpu")
def test_the_command_line_says_where(tmp_path: Path, cache: Any) -> None:
    (tmp_path / "表.csv").write_text("标题\n一只红色的圆\na red circle\n", encoding="utf-8")
    words = ["encode", str(tmp_path / "表.csv"), "--text", "标题", "--encoder", f"标题=hf_text:{_tiny.tiny('bert')}"]
    there = CliRunner().invoke(cli, [*words, "--device", "cpu", "--json"])
    assert json.loads(there.stdout)["views"]["标题"]["encoded"] == 2
    wrong = CliRunner().invoke(cli, [*words, "--device", "cuda"])
    assert isinstance(wrong.exception, ChiasmError)
    assert str(wrong.exception) == ("wanted device 'cuda', and torch sees no GPU here: take device 'auto' or 'cpu'.")
    assert place("auto") == "cpu"
    for command in ("fit retrieve", "compare align", "link", "doctor labels", "score", "search", "answer", "detect"):
        told = CliRunner().invoke(cli, [*command.split(), "--help"]).stdout
        assert "--device [auto|cpu|cuda]" in told, command
