"""What is in a clip: the classes against the network's own forward pass; scenes and sounds against what was put in."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from chiasm.cli.contents import contents_command
from chiasm.encode._effnet import weights_file
from chiasm.encode._effnet_classes import class_names, class_shares
from chiasm.encode.effnet_image import EffnetImage
from chiasm.errors import ChiasmError
from chiasm.media.clips import Clip
from chiasm.media.images import MediaError, decode_image
from chiasm.tasks.classify import Classify
from chiasm.tasks.contents import Contents
from chiasm.views import Column, Views
from conftest import pack

RATE, FPS = 16000, 10


def tone(seconds, seed=0):
    """A tone of some pitch with a little noise."""
    rng = np.random.default_rng(seed)
    wave = 0.3 * np.sin(np.arange(int(seconds * RATE)) * rng.uniform(0.2, 0.6))
    return (wave + rng.normal(0, 0.003, len(wave))).astype(np.float32)


def hiss(seconds, seed=0):
    """Noise."""
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE)).astype(np.float32)


def wav(path, sound):
    import wave

    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
    return str(path)


@pytest.fixture(scope="module")
def hearing(tmp_path_factory):
    """A classifier of tones and hisses."""
    folder = tmp_path_factory.mktemp("sounds")
    made = {"tone": tone, "hiss": hiss}
    names = [name for name in made for _ in range(20)]
    paths = [wav(folder / f"{i}.wav", made[name](4, i)) for i, name in enumerate(names)]
    views = Views({"sound": Column.from_cells("audio", paths)})
    return Classify(encoders={"sound": "mel_audio"}, fuse="early").fit(views, np.array(names, dtype=object))


def test_the_shares_are_those_of_the_networks_own_forward_pass():
    torch = pytest.importorskip("torch")
    from efficientnet_lite_pytorch import EfficientNet

    picture = np.random.default_rng(0).integers(0, 255, (288, 288, 3), dtype=np.uint8)
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(weights_file(), weights_only=True, map_location="cpu"))
    pixels = torch.from_numpy(((picture.astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None])
    with torch.no_grad():
        known = torch.softmax(network(pixels), dim=1).numpy()
    ours = class_shares(EffnetImage().encode([picture]))
    np.testing.assert_allclose(ours, known, atol=1e-4)
    assert ours.sum() == pytest.approx(1, abs=1e-5)


def test_the_names_stand_in_the_usual_order():
    names = class_names()
    assert len(names) == 1000
    known = {0: "tench", 1: "goldfish", 281: "tabby cat", 340: "zebra", 404: "airliner", 954: "banana", 963: "pizza"}
    assert {i: names[i] for i in known} == known


def write(path, pictures, seconds, sound=None):
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": str(FPS)})
        video.width, video.height, video.pix_fmt = 288, 288, "yuv420p"
        audio = None if sound is None else file.add_stream("aac", rate=RATE, layout="mono")
        for picture in pictures:
            for _ in range(int(seconds * FPS)):
                file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode(None))
        for start in range(0, 0 if sound is None else len(sound), 1024):
            block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
            block.rate, block.pts = RATE, start
            file.mux(audio.encode(block))
        if audio is not None:
            file.mux(audio.encode(None))
    return str(path)


def photos(*words):
    """A photo of the real pack whose caption has each word, as 288 pixels."""
    folder = pack("coco2k")
    table = pq.read_table(folder / "data.parquet").to_pylist()
    found = [next(r for r in table if word in r["caption"].lower().split()) for word in words]
    return [np.asarray(decode_image(str(folder / r["image"]), 288)[0]) for r in found]


def test_a_film_of_a_zebra_and_a_pizza_has_two_scenes_with_their_names(tmp_path):
    film = write(tmp_path / "two.mp4", photos("zebras", "pizza"), 3)
    found = Contents().answer(film)
    assert [scene["objects"][0]["name"] for scene in found["scenes"]] == ["zebra", "pizza"]
    first, second = found["scenes"]
    assert first["end"] == second["start"] == pytest.approx(3, abs=0.5)
    times = {one["name"]: one["time"] for one in found["objects"]}
    assert times["zebra"] < 3 < times["pizza"]
    assert found["seconds"] == pytest.approx(6, abs=0.1)
    assert found["events"] == []
    json.dumps(found)


def test_a_picture_is_named_as_the_file_and_as_an_array(tmp_path):
    from PIL import Image

    (zebra,) = photos("zebras")
    Image.fromarray(zebra).save(tmp_path / "zebra.png")
    as_file, as_array = Contents(top=2).answer(tmp_path / "zebra.png"), Contents(top=2).answer(zebra)
    assert as_file == as_array
    assert as_file["objects"][0]["name"] == "zebra"
    assert len(as_file["objects"]) == 2


def test_sounds_have_their_names_and_times_and_silence_has_none(hearing, tmp_path):
    quiet = np.zeros(6 * RATE, np.float32)
    sound = wav(tmp_path / "both.wav", np.concatenate([tone(10, 99), quiet, hiss(10, 98)]))
    found = Contents(hearing=hearing).answer(sound)
    assert found["objects"] == found["scenes"] == []
    assert found["seconds"] == pytest.approx(26, abs=0.1)
    assert [event["name"] for event in found["events"]] == ["tone", "hiss"]
    (one, other) = found["events"]
    assert one["start"] == 0
    assert one["end"] == pytest.approx(10, abs=2.1)
    assert other["start"] == pytest.approx(16, abs=2.1)
    assert other["end"] == pytest.approx(26, abs=0.1)
    later = Contents(hearing=hearing).answer(Clip(sound, 14.0, 22.0))["events"]
    assert [event["name"] for event in later] == ["hiss"]
    assert 14 <= later[0]["start"] <= 18
    assert later[0]["end"] == pytest.approx(22, abs=0.1)


def test_a_film_with_sound_has_scenes_and_events(hearing, tmp_path):
    pictures = [np.full((288, 288, 3), shade, np.uint8) for shade in (40, 220)]
    film = write(tmp_path / "film.mp4", pictures, 4, np.concatenate([hiss(4, 5), tone(4, 6)]))
    found = Contents(hearing=hearing).answer(film)
    assert found["scenes"]
    assert found["events"][0]["name"] == "hiss"
    assert found["events"][-1]["name"] == "tone"


def test_a_model_of_something_else_is_refused_in_words(tmp_path):
    sound = wav(tmp_path / "s.wav", hiss(3))
    rng = np.random.default_rng(0)
    numbers = Classify(fuse="early").fit({"a": rng.normal(size=(40, 3))}, np.array(["p", "q"] * 20, dtype=object))
    with pytest.raises(ChiasmError, match="audio='COL'"):
        Contents(hearing=numbers).answer(sound)
    with pytest.raises(MediaError):
        Contents().answer(tmp_path / "none.mp4")


def test_the_command_prints_names_and_times(hearing, tmp_path):
    film = write(tmp_path / "two.mp4", photos("zebras", "pizza"), 3, np.concatenate([hiss(6, 3)]))
    hearing.save(tmp_path / "ears")
    plain = CliRunner().invoke(contents_command, [film, "--hearing", str(tmp_path / "ears")])
    assert plain.exit_code == 0, plain.output
    assert "zebra" in plain.stdout
    assert plain.stdout.count("scene") == 2
    assert "hiss" in plain.stdout
    found = json.loads(CliRunner().invoke(contents_command, [film, "--json", "--top", "3"]).stdout)
    assert len(found["objects"]) == 3
    assert found["events"] == []


def test_a_sound_without_a_model_that_hears_is_refused(tmp_path):
    path = wav(tmp_path / "a.wav", tone(2))
    with pytest.raises(ChiasmError, match=r"a sound: name a classify model of sounds \(hearing=MODEL\)"):
        Contents().answer(path)
    assert CliRunner().invoke(contents_command, [path, "--json"]).exit_code == 1
