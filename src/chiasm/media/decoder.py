"""The one place that opens audio and video, run as a child process: `python -m chiasm.media.decoder`.

Requests come as lines of JSON on standard input; answers go to standard output, a line of JSON and the arrays' bytes.
The process may take 2 GiB and writes no file; `chiasm.media.clips` starts it, waits for it and ends it. FFmpeg may
open the named file alone: its demuxer is fixed by the file's first bytes and its protocols are file and pipe, so that
no playlist leads to another file or an address.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from itertools import islice
from typing import Any

import numpy as np

from chiasm.media.container import RefusedError, length_of, opened, short, streams
from chiasm.media.mixing import Mix
from chiasm.media.reading import GAP, Frames, turn_of

__all__ = ["GRAY_SECONDS", "MEMORY", "SOUND_SECONDS", "serve"]

MEMORY = 2 << 30
GRAY_SECONDS = 60.0
SOUND_SECONDS = 600.0
_LEAST_RATE, _MOST_RATE = 4_000, 384_000
_MAX_PIXELS = 50_000_000
_LOUD = 2.0
"""Beyond this a sample is no overshoot of a coder."""
_SILENT = 1e-5
"""Up to this a sample is less than the last of 16 bits."""
_FIRST = 64
"""Packets in which the first picture is sought."""


def serve() -> None:
    """Answer requests until standard input ends."""
    from chiasm.media.limits import bound

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    bound(MEMORY)
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            found = _ANSWERS[request["do"]](request)
        except RefusedError as refusal:
            found = [({"error": refusal.code, "message": refusal.message}, [])]
        except MemoryError:
            found = [({"error": "too_big", "message": f"needs more than {MEMORY >> 30} GiB to decode"}, [])]
        except Exception as error:  # FFmpeg's own errors, and whatever damaged data leads to
            found = [({"error": "broken", "message": f"damaged or cut short ({short(error)})"}, [])]
        for header, arrays in found:
            header["arrays"] = [[name, str(array.dtype), array.shape] for name, array in arrays]
            answers.write(json.dumps(header).encode() + b"\n")
            for _, array in arrays:
                answers.write(array.tobytes())
        answers.flush()


def _picture(request: dict[str, Any]) -> list[tuple[dict[str, Any], list]]:
    """A still picture, by Pillow."""
    from chiasm.media.odd import decode_file

    code, message, notes, pixels = decode_file(request["path"], request["size"])
    if pixels is None:
        raise RefusedError(code, message)
    return [({"notes": notes}, [("pixels", pixels)])]


def _watch(parent: int) -> None:
    """End this process when its parent has ended: it may be decoding something that never does."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _probe(request: dict[str, Any]) -> list[tuple[dict[str, Any], list]]:
    length, notes = length_of(request)
    with opened(request) as container:
        pictures, sound = streams(container)
        facts: dict[str, Any] = {"seconds": length, "notes": notes, "width": 0, "height": 0, "fps": 0.0, "rate": 0}
        facts["aspect"] = 0.0
        if pictures is not None:
            width, height = pictures.codec_context.width, pictures.codec_context.height
            aspect = width * float(pictures.sample_aspect_ratio or 1) / max(height, 1)
            if width * height <= _MAX_PIXELS and _turned(container, pictures):
                width, height, aspect = height, width, 1 / max(aspect, 1e-6)
            facts |= {"width": width, "height": height, "aspect": aspect}
            facts["fps"] = float(pictures.average_rate or 0)
        if sound is not None:
            facts["rate"] = sound.codec_context.sample_rate
    return [(facts, [])]


def _turned(container: Any, stream: Any) -> bool:
    """Whether rows of the first picture are shown as columns."""
    with contextlib.suppress(Exception):  # what cannot be decoded will be told when it is asked for
        for packet in islice(container.demux(stream), _FIRST):
            for frame in packet.decode():
                return turn_of(frame, stream).swap
    return False


def _decode(request: dict[str, Any]) -> list[tuple[dict[str, Any], list]]:
    """One answer a span; spans are sorted by their starts and near one another."""
    wants = request["wants"]
    length, notes = length_of(request)
    spans = [(max(start, 0.0), length if end is None else min(end, length)) for start, end in request["spans"]]
    answers: list[tuple[dict[str, Any], list]] = []
    for start, end in spans:
        if end - start <= 0:
            raise RefusedError("empty_clip", f"the file ends at {length:.2f} s")
        answers.append(({"seconds": end - start, "notes": list(notes), "absent": {}, "gaps": []}, []))
    for (header, _), (_, asked) in zip(answers, request["spans"], strict=True):
        if asked is not None and asked > length + 0.1:
            header["notes"].append(["cut_short", f"the file ends at {length:.1f} s"])
    if wants["pictures"] or wants["gray"]:
        _pictures(request, spans, answers)
    if wants["rate"]:
        _sound(request, spans, answers)
    return answers


_ANSWERS = {"probe": _probe, "decode": _decode, "picture": _picture}


def _pictures(request: dict[str, Any], spans: list[tuple[float, float]], answers: list) -> None:
    wants = request["wants"]
    with opened(request) as container:
        stream = streams(container)[0]
        if stream is None:
            return _missing(answers, "pictures", "no_picture", "no moving pictures in it")
        if stream.codec_context.width * stream.codec_context.height > _MAX_PIXELS:
            return _missing(answers, "pictures", "too_many_pixels", f"over {_MAX_PIXELS // 10**6} million pixels")
        count, begin, end = wants["pictures"], min(s for s, _ in spans), max(e for _, e in spans)
        targets = sorted(
            (start + (i + 0.5) * (stop - start) / count, k, i)
            for k, (start, stop) in enumerate(spans)
            for i in range(count)
        )
        gray = _Gray(wants, begin, min(end, begin + GRAY_SECONDS)) if wants["gray"] else None
        chosen: dict[tuple[int, int], tuple[float, np.ndarray]] = {}
        sizes = set()
        before = first = None
        trouble, ended, sought = "", False, -1.0
        reader = Frames(container, stream, begin)
        try:
            while True:
                if (frame := reader.next()) is None:
                    ended = True
                    break
                if frame.width * frame.height > _MAX_PIXELS:
                    trouble = f"over {_MAX_PIXELS // 10**6} million pixels"
                    break
                sizes.add((frame.width, frame.height))
                now = reader.time
                first = now if first is None else first
                while targets and targets[0][0] < now - 1e-6:
                    best = before if before is not None else (now, frame)
                    _, k, i = targets.pop(0)
                    chosen[k, i] = best[0], _square(best[1], stream, wants["size"], chosen, best[0])
                if gray:
                    gray.take(frame, stream, now)
                if now >= end or (not targets and (gray is None or now >= gray.end)):
                    break
                before = now, frame
                if gray is None and reader.gains and targets and targets[0][0] - now > GAP and targets[0][0] != sought:
                    sought = targets[0][0]  # once: the key frame before it may lie behind us
                    reader.jump(sought)
        except MemoryError:
            raise
        except Exception as error:
            trouble = short(error)
        trouble = trouble or (reader.lost if ended else "")
        if before is None and not chosen and (gray is None or not gray.frames):
            return _missing(answers, "pictures", "no_picture", "not one picture could be decoded" + _because(trouble))
        for _, k, i in targets:  # the file ended before them
            time, frame = before if before is not None else (0.0, None)
            if frame is not None:
                chosen[k, i] = time, _square(frame, stream, wants["size"], chosen, time)
        for k, (start, stop) in enumerate(spans):
            header, arrays = answers[k]
            header["notes"] += _damage(reader, start, stop)
            if trouble and stop > reader.time:
                header["notes"].append(["cut_short", f"damaged from {max(reader.time, 0):.1f} s on ({trouble})"])
            elif ended and stop - reader.end > 1.0:
                header["notes"].append(["cut_short", f"its pictures end at {reader.end:.1f} s"])
            if first is not None and first - start > 1.0 and not any(low <= start for low, _ in reader.holes):
                header["notes"].append(["late", f"its pictures begin at {first:.1f} s"])
            gaps = [*reader.holes, (start, first or 0.0), *([(reader.end, stop)] if ended or trouble else [])]
            header["gaps"] = [[max(a, start) - start, min(b, stop) - start] for a, b in gaps if a < stop and b > start]
            header["over"] = bool(ended or trouble)
            if len(sizes) > 1:
                header["notes"].append(["resized", "pictures of several sizes"])
            mine = [chosen[k, i] for i in range(count) if (k, i) in chosen]
            if count:
                arrays.append(("pictures", np.stack([picture for _, picture in mine])))
                arrays.append(("picture_times", np.array([max(time - start, 0.0) for time, _ in mine])))
            if gray:
                frames, times = gray.between(start, stop)
                if not len(times):
                    header["absent"]["pictures"] = ["no_picture", "no picture in these seconds"]
                    continue
                if stop > gray.end + 1e-6:
                    header["notes"].append(["cut", f"motion of the first {GRAY_SECONDS:.0f} s of {stop - start:.0f}"])
                arrays += [("gray", frames), ("gray_times", times - start)]
    return None


class _Gray:
    """Small gray frames, at most so many a second."""

    def __init__(self, wants: dict[str, Any], begin: float, end: float):
        self.height, self.width = wants["gray"]
        self.gap = 1.0 / wants["fps"]
        self.begin, self.end = begin, end
        self.frames: list[np.ndarray] = []
        self.times: list[float] = []

    def take(self, frame: Any, stream: Any, time: float) -> None:
        """Keep a frame where it is wanted."""
        if not self.begin - 1e-6 <= time < self.end:
            return
        if self.times and time - self.times[-1] < self.gap - 2e-3:
            return
        turn = turn_of(frame, stream)
        width, height = (self.height, self.width) if turn.swap else (self.width, self.height)
        small = frame.reformat(width, height, "gray", interpolation="AREA", threads=1)
        self.frames.append(turn.of(small.to_ndarray()))
        self.times.append(time)

    def between(self, start: float, end: float) -> tuple[np.ndarray, np.ndarray]:
        """Frames `(t, h, w)` and times `(t,)` of a span."""
        times = np.array(self.times)
        rows = np.flatnonzero((times >= start - 1e-6) & (times < end))
        if not len(rows):
            return np.zeros((0, self.height, self.width), np.uint8), times[rows]
        return np.stack([self.frames[i] for i in rows]), times[rows]


def _square(frame: Any, stream: Any, size: int, chosen: dict[Any, tuple[float, np.ndarray]], time: float) -> np.ndarray:
    """A frame as RGB `(size, size, 3)`; one that was made for another moment is taken from there."""
    last = next(reversed(chosen.values()), None)
    if last is not None and last[0] == time:
        return last[1]
    picture = frame.reformat(size, size, "rgb24", interpolation="BICUBIC", threads=1).to_ndarray()
    return turn_of(frame, stream).of(picture)


def _sound(request: dict[str, Any], spans: list[tuple[float, float]], answers: list) -> None:
    rate = request["wants"]["rate"]
    begin = min(s for s, _ in spans)
    end = min(max(e for _, e in spans), begin + SOUND_SECONDS)
    mix = Mix()
    try:
        first, trouble, reader = _listen(request, mix, begin, end)
    except RefusedError as refusal:
        return _missing(answers, "sound", refusal.code, refusal.message)
    if first is None or not mix.length:
        return _missing(answers, "sound", "no_sound", "no sound could be decoded" + _because(trouble))
    alone: dict[int, tuple[float, Mix]] = {}
    for (start, stop), (header, arrays) in zip(spans, answers, strict=True):
        low, high = (round((t - first) * rate) for t in (start, min(stop, start + SOUND_SECONDS)))
        mine, told = mix.between(low, high), header["notes"]
        if (channel := mix.louder(low, high)) is not None:
            if channel not in alone:
                one = Mix(channel)
                alone[channel] = _listen(request, one, begin, end)[0] or 0.0, one
            mine = alone[channel][1].between(low, high)
            told.append(["one_channel", f"its channels cancel one another: channel {channel + 1} alone is heard"])
        told += _damage(reader, start, stop)
        if trouble and stop > first + mix.length / rate:
            told.append(["cut_short", f"damaged from {first + mix.length / rate:.1f} s on ({trouble})"])
        if not len(mine):
            header["absent"]["sound"] = ["no_sound", "no sound in these seconds"]
            continue
        if low < 0:  # a track that begins late is heard late
            mine = np.concatenate([np.zeros(-low, np.float32), mine])
        if not np.isfinite(mine).all():
            header["absent"]["sound"] = ["not_finite", "samples that are not finite numbers"]
            continue
        if (loudest := np.abs(mine).max()) > _LOUD:
            told.append(["loud", "samples far beyond full scale, limited to it"])
        elif loudest <= _SILENT:
            told.append(["silent", "its sound is silence"])
        mine = np.clip(mine, -1.0, 1.0)
        if stop - start > SOUND_SECONDS + 1e-6:
            told.append(["cut", f"sound of the first {SOUND_SECONDS:.0f} s of {stop - start:.0f}"])
        arrays.append(("sound", mine.astype(np.float32)))
    return None


def _listen(request: dict[str, Any], mix: Mix, begin: float, end: float) -> tuple[float | None, str, Frames | None]:
    """Hear a file from a moment to another: when its first sample is, what went wrong, and the reader.

    Where there is no sample, the first is None. Refuses files without sound, and rates that no sound has.
    """
    import av

    rate = request["wants"]["rate"]
    with opened(request) as container:
        stream = streams(container)[1]
        if stream is None:
            raise RefusedError("no_sound", "no sound in it")
        if not _LEAST_RATE <= (told := stream.codec_context.sample_rate or 0) <= _MOST_RATE:
            raise RefusedError("bad_rate", f"{told} samples a second")
        resampler = av.AudioResampler(format="flt", rate=rate)
        first, trouble, reader = None, "", None
        try:
            reader = Frames(container, stream, begin - 0.2 if begin > GAP else begin)
            while (frame := reader.next()) is not None:
                now = mix.length / rate + (first or 0.0) if frame.time is None else reader.time
                if first is None:
                    first = coming = now
                if now - coming > 0.1 and now < end:  # nothing was heard in between
                    mix.rest(round((now - first) * rate) - mix.length)
                coming = now + frame.samples / frame.sample_rate
                for made in resampler.resample(frame):
                    mix.take(_samples(made))
                if mix.length / rate + first >= end:
                    break
            trouble = reader.lost
            for made in resampler.resample(None):
                mix.take(_samples(made))
        except MemoryError:
            raise
        except Exception as error:
            trouble = short(error)
    return first, trouble, reader


def _damage(reader: Frames | None, start: float, stop: float) -> list[list[str]]:
    """A note of where frames were lost within a span, if any were."""
    holes = [] if reader is None else [(a, b) for a, b in reader.holes if a < stop and b > start]
    if reader is None or not holes:
        return []
    more = f" and {len(holes) - 3} times more" if len(holes) > 3 else ""
    told = ", ".join(f"{a:.1f} to {b:.1f} s" for a, b in holes[:3])
    return [["damaged", f"nothing can be read from {told}{more} ({reader.damage})"]]


def _samples(frame: Any) -> np.ndarray:
    """Of a packed frame, `(s, channels)`."""
    samples: np.ndarray = frame.to_ndarray().reshape(frame.samples, -1)
    return samples


def _because(trouble: str) -> str:
    return f" ({trouble})" if trouble else ""


def _missing(answers: list, what: str, code: str, message: str) -> None:
    for header, _ in answers:
        header["absent"][what] = [code, message]


if __name__ == "__main__":
    serve()
