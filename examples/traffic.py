"""What happens in short clips of a street: what is seen, how it moves, what is heard, each a view.

`python examples/traffic.py`: made-up clips, in which a car goes left, goes right or stands; a single picture does not
tell which. There is no traffic footage in this project: nothing is claimed for real streets. Your own clips, a
subfolder a class: `python examples/traffic.py FOLDER`.
"""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

import chiasm
from chiasm.encode.frames_video import FramesVideo
from chiasm.splits import cut
from chiasm.tasks.classify import Classify

SPEEDS = {"goes left": -3, "goes right": 3, "stands": 0}


def clip(path: Path, speed: int, rng: np.random.Generator) -> None:
    """Two seconds of a street, 10 pictures a second, 64 x 96 pixels, as an mp4 file."""
    street = np.repeat(rng.integers(90, 150, (64, 12, 3)), 8, axis=1).astype(np.int16)
    color, top = rng.integers(0, 256, 3), rng.integers(20, 44)
    left = int(rng.integers(5, 70) - 10 * speed)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=Fraction(10))
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for step in range(20):
            picture = street + rng.integers(-4, 5, street.shape)
            a = left + step * speed
            picture[top : top + 14, max(a, 0) : max(a + 24, 0)] = color
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def main() -> None:
    """Learn from two thirds of the clips, score the others."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        encoders: dict = {"video.motion": "motion_video+motion_video:direction"}
        if len(sys.argv) > 1:
            views = chiasm.read(sys.argv[1], label="class")
        else:
            rng = np.random.default_rng(0)
            for name, speed in SPEEDS.items():
                (folder / name).mkdir()
                for i in range(30):
                    clip(folder / name / f"{i}.mp4", speed, rng)
            views = chiasm.read(folder, label="class")
            views = views.replace({"video": views["video"], "video.motion": views["video"]})
            encoders["video"] = FramesVideo(4, "pixel_image")
        views.facts["split"] = cut(views, {"train": 2, "test": 1})
        model = Classify(encoders=encoders).fit(views)
        print(model.score(views[views.split == "test"], split="test"))


if __name__ == "__main__":
    main()
