"""Clips: audio and video, decoded in child processes that cannot harm this one; moments of files by seconds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from chiasm.errors import ChiasmError
from chiasm.media.children import ask
from chiasm.media.images import MediaError, Note

__all__ = [
    "AUDIO_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Clip",
    "Decoded",
    "Facts",
    "Wants",
    "clip_content",
    "decode",
    "decode_many",
    "encoded_kind",
    "one_decode",
    "probe",
    "runs",
]

AUDIO_SUFFIXES = (
    *(".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".wave", ".aifc"),
    *(".au", ".snd", ".caf", ".amr", ".mka", ".weba", ".spx", ".mp2", ".m4b", ".m4r"),
    *(".f4a", ".f4b", ".mpga"),
)
VIDEO_SUFFIXES = (
    *(".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp", ".3g2", ".ogv"),
    *(".mts", ".m2ts", ".vob", ".mpe", ".asf", ".qt", ".f4v", ".divx", ".m2t", ".mk3d"),
)
_RUN_SECONDS = 60.0
_RUN_ITEMS = 16
_MAGIC = (
    (0, b"OggS", "ogg"),
    (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"),
    (0, b"\x1a\x45\xdf\xa3", "matroska,webm"),
    (0, b"FLV\x01", "flv"),
    (0, b"caff", "caf"),
    (0, b".snd", "au"),
    (0, b"#!AMR", "amr"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"\x00\x00\x01\xba", "mpeg"),
    (0, b"RF64", "wav"),
    (8, b"WAVE", "wav"),
    (8, b"AVI ", "avi"),
    (8, b"AIFF", "aiff"),
    (8, b"AIFC", "aiff"),
    *((4, kind, "mov,mp4,m4a,3gp,3g2,mj2") for kind in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip")),
)
"""(place, bytes, FFmpeg's demuxer) that a file may begin with."""
_OTHER_MAGIC = ((b"YUV4MPEG2 ", "a YUV4MPEG film"), (b"\x89PNG\r\n", "PNG pictures"), (b"GIF8", "a GIF"))


@dataclass(frozen=True)
class Clip:
    """A moment of an audio or video file: from `start` to `end`, in seconds; `end` None is the file's end."""

    path: str
    start: float = 0.0
    end: float | None = None

    def __str__(self) -> str:
        return f"{self.path} {self.start:.1f}-{'' if self.end is None else format(self.end, '.1f')} s"


@dataclass(frozen=True)
class Wants:
    """What is wanted of a clip; of several streams together with `|`, and one decode serves all.

    Args:
        pictures: so many, each from the middle of one of as many equal parts of the clip, RGB, `size x size` pixels
            (aspect not kept).
        gray: height and width of every frame as gray, at most `fps` of them a second.
        rate: of the sound, mono, in samples a second.

    >>> Wants(pictures=4) | Wants(rate=16000)
    Wants(pictures=4, size=288, gray=None, fps=25.0, rate=16000)
    """

    pictures: int = 0
    size: int = 288
    gray: tuple[int, int] | None = None
    fps: float = 25.0
    rate: int = 0

    def __or__(self, other: Wants) -> Wants:
        """Both; a ChiasmError where they ask for the same stream in two ways."""
        made = self
        for asked, names in (("pictures", ("pictures", "size")), ("gray", ("gray", "fps")), ("rate", ("rate",))):
            theirs = {name: getattr(other, name) for name in names}
            if not getattr(other, asked):
                continue
            if getattr(self, asked) and theirs != {name: getattr(self, name) for name in names}:
                raise ChiasmError(f"wanted one way of reading {asked}, got {self} and {other}: decode twice.")
            made = replace(made, **theirs)
        return made


@dataclass
class Decoded:
    """What was decoded of a clip; times in seconds from the clip's start."""

    seconds: float
    pictures: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))
    """`(f, size, size, 3)` uint8."""
    picture_times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gray: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))
    """`(t, h, w)` uint8."""
    gray_times: np.ndarray = field(default_factory=lambda: np.zeros(0))
    sound: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """`(s,)` float32, -1..1."""
    rate: int = 0
    notes: list[Note] = field(default_factory=list)
    gaps: list[tuple[float, float]] = field(default_factory=list)
    """From where to where there is no picture: damaged, not begun or ended. What `pictures` has there is a neighbor."""
    over: bool = False
    """Whether no picture follows either."""
    absent: dict[str, Note] = field(default_factory=dict)
    """Why there are no "pictures" or no "sound", where they were wanted."""


class Facts(NamedTuple):
    """What a file holds; zeros where a stream is absent. Width and height as it is turned when shown."""

    seconds: float
    width: int
    height: int
    fps: float
    rate: int
    notes: list[Note]
    aspect: float = 0.0
    """Width by height as it is shown, also where pixels are no squares."""


def decode(item: Any, wants: Wants) -> Decoded:
    """What is wanted of one clip.

    Args:
        item: a path, a `Clip`, or the bytes of an encoded file.

    Raises a MediaError with a reason code: missing, denied, not_a_file, empty, not_media (an unknown container),
    no_picture, no_sound, not_finite, bad_rate, broken, too_big (over 2 GiB to decode), timeout (over 30 s),
    empty_clip (a moment beyond the end), too_many_pixels.
    """
    (found,) = decode_many([item], wants)
    if isinstance(found, MediaError):
        raise found
    return found


def decode_many(items: Sequence[Any], wants: Wants) -> list[Decoded | MediaError]:
    """As `decode`, near moments of one file in one pass (see `runs`); an item that fails is its MediaError."""
    held = _shared.get()
    shared = held if held is not None and held.covers(wants) else None
    found: list[Decoded | MediaError] = []
    for positions in runs(items):
        run = [items[i] for i in positions]
        found += shared.take(run) if shared else _ask(run, wants)
    return [_serving(one, wants) for one in found]


def runs(items: Sequence[Any]) -> list[list[int]]:
    """Positions of the items in groups that `decode_many` reads in one pass: near moments of one file.

    >>> runs([Clip("a", 0, 2), Clip("a", 1, 3), "b.wav", Clip("a", 90, 92)])
    [[0, 1], [2], [3]]
    """
    groups: list[list[int]] = []
    for i, item in enumerate(items):
        if groups and isinstance(item, Clip) and item.end is not None:
            first, last = items[groups[-1][0]], items[groups[-1][-1]]
            near = isinstance(first, Clip) and isinstance(last, Clip) and last.end is not None
            if (
                near
                and item.path == first.path
                and last.start <= item.start <= last.end + 5
                and item.end - first.start <= _RUN_SECONDS
                and len(groups[-1]) < _RUN_ITEMS
            ):
                groups[-1].append(i)
                continue
        groups.append([i])
    return groups


def probe(item: Any) -> Facts:
    """Length and streams of a file; raises a MediaError as `decode` does."""
    with _file(item) as (path, demuxer):
        (answer,) = ask({"do": "probe", "path": path, "format": demuxer}, 1)
    if isinstance(answer, MediaError):
        raise answer
    facts = answer[0]
    notes = [Note(code, message) for code, message in facts["notes"]]
    return Facts(facts["seconds"], facts["width"], facts["height"], facts["fps"], facts["rate"], notes, facts["aspect"])


@contextlib.contextmanager
def one_decode(wanted: Sequence[Wants]) -> Iterator[None]:
    """Inside, an item that several encoders ask for is decoded once for all of `wanted`, and kept until the end.

    Where the wants cannot be joined, each is decoded on its own. It holds for the calling thread and for what that
    hands to other threads by `scale.threads`; others decode for themselves.
    """
    shared = None
    with contextlib.suppress(ChiasmError):
        union = Wants()
        for one in wanted:
            union = union | one
        shared = _Shared(union)
    before = _shared.set(shared)
    try:
        yield
    finally:
        _shared.reset(before)


class _Shared:
    """What was decoded for several encoders."""

    def __init__(self, union: Wants):
        self.union = union
        self.held: dict[Any, Decoded | MediaError] = {}
        self.lock = threading.Lock()

    def covers(self, wants: Wants) -> bool:
        try:
            return self.union | wants == self.union
        except ChiasmError:
            return False

    def take(self, items: Sequence[Any]) -> list[Decoded | MediaError]:
        with self.lock:
            found = [self.held.get(item) for item in items]
        if None not in found:
            return [one for one in found if one is not None]
        decoded = _ask(items, self.union)
        with self.lock:
            self.held.update(zip(items, decoded, strict=True))
        return decoded


_shared: ContextVar[_Shared | None] = ContextVar("shared", default=None)


def _serving(found: Decoded | MediaError, wants: Wants) -> Decoded | MediaError:
    """An error where a wanted stream is absent."""
    if isinstance(found, MediaError):
        return found
    streams = (("pictures", bool(wants.pictures or wants.gray)), ("sound", bool(wants.rate)))
    for stream, asked in streams:
        if asked and stream in found.absent:
            return MediaError(found.absent[stream].code, found.absent[stream].message)
    return found


def clip_content(item: Any) -> bytes:
    """The bytes that make a clip what it is: the hash of its file, start and end; of bytes, themselves."""
    if isinstance(item, bytes):
        return item
    path, start, end = (item.path, item.start, item.end) if isinstance(item, Clip) else (item, 0.0, None)
    digest = _digest(path)
    return digest if (start, end) == (0.0, None) else digest + repr((float(start), end and float(end))).encode()


_digests: dict[tuple[Any, ...], bytes] = {}


def _digest(path: Any) -> bytes:
    """The hash of a file's bytes, read in pieces; remembered as long as the file is the same."""
    handle = _handle(path)
    with open(handle, "rb") as file:
        facts = os.fstat(handle)
        key = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns)
        if key not in _digests:
            if len(_digests) > 100_000:
                _digests.clear()
            _digests[key] = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).digest()
        return _digests[key]


def _handle(path: Any) -> int:
    """A descriptor of a regular file that holds something; a MediaError otherwise."""
    if not isinstance(path, str | os.PathLike):
        raise MediaError("not_media", f"wanted a path, a Clip or bytes, got {type(path).__name__}")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block us
    except FileNotFoundError:
        raise MediaError("missing", "no such file") from None
    except PermissionError:
        raise MediaError("denied", "no permission to read the file") from None
    except (OSError, ValueError) as error:
        raise MediaError("unreadable", getattr(error, "strerror", None) or str(error)) from None
    facts = os.fstat(handle)
    if stat.S_ISREG(facts.st_mode) and facts.st_size:
        return handle
    os.close(handle)
    if stat.S_ISREG(facts.st_mode):
        raise MediaError("empty", "the file is empty")
    raise MediaError("not_a_file", "not a regular file")


@contextlib.contextmanager
def _file(item: Any) -> Iterator[tuple[str, str]]:
    """The item's path and its demuxer; bytes are put in a file for as long."""
    with contextlib.ExitStack() as stack:
        if isinstance(item, bytes):
            if not item:
                raise MediaError("empty", "no bytes")
            made = stack.enter_context(tempfile.NamedTemporaryFile(prefix="chiasm-"))
            made.write(item)
            made.flush()
            path: Any = made.name
        else:
            path = item.path if isinstance(item, Clip) else item
        with open(_handle(path), "rb") as file:
            head = file.read(1024)
        yield os.path.realpath(path), _demuxer(head)


def encoded_kind(head: bytes) -> str:
    """What encoded film, sound or picture the first bytes of a stream are; "" where they may be pixels.

    Fewer kinds than a file may be: gray pixels can begin as some do by chance.

    >>> encoded_kind(b"\\x1a\\x45\\xdf\\xa3" + bytes(9)), encoded_kind(bytes(400))
    ('a film (matroska,webm)', '')
    """
    if head[:3] == b"\xff\xd8\xff" and head[6:10] in (b"JFIF", b"Exif", b"Lavc"):
        return "JPEG pictures"
    for magic, name in _OTHER_MAGIC:
        if head.startswith(magic):
            return name
    for place, magic, name in _MAGIC:
        if len(magic) > 3 and head[place : place + len(magic)] == magic:
            return f"a film ({name})"
    packets = head[: 188 * 4 : 188] if head[:1] == b"G" else head[4 : 4 + 192 * 4 : 192]
    return "a film (mpegts)" if packets == b"GGGG" and len(set(head[:188])) > 8 else ""


def _demuxer(head: bytes) -> str:
    for place, magic, name in _MAGIC:
        if head[place : place + len(magic)] == magic:
            return name
    if (len(head) > 196 and head[4] == 0x47 == head[196]) or (len(head) > 188 and head[0] == 0x47 == head[188]):
        return "mpegts"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return "aac" if head[1] & 0x06 == 0 else "mp3"
    raise MediaError("not_media", "not a container of audio or video that is read here")


def _ask(items: Sequence[Any], wants: Wants) -> list[Decoded | MediaError]:
    """What a child says of moments of one file."""
    spans = [(item.start, item.end) if isinstance(item, Clip) else (0.0, None) for item in items]
    try:
        with _file(items[0]) as (path, demuxer):
            request = {"do": "decode", "path": path, "format": demuxer, "spans": spans, "wants": asdict(wants)}
            answers = ask(request, len(items))
            if len(items) > 1 and isinstance(answers[0], MediaError):  # one bad moment must not take the others along
                answers = [ask({**request, "spans": [span]}, 1)[0] for span in spans]
    except MediaError as error:
        return [error] * len(items)
    return [answer if isinstance(answer, MediaError) else _decoded(*answer, wants) for answer in answers]


def _decoded(header: dict[str, Any], arrays: dict[str, np.ndarray], wants: Wants) -> Decoded:
    found = Decoded(header["seconds"], rate=wants.rate, notes=[Note(*note) for note in header["notes"]])
    for name, array in arrays.items():
        setattr(found, name, array)
    found.gaps = [(float(start), float(end)) for start, end in header["gaps"]]
    found.over = bool(header.get("over"))
    found.absent = {what: Note(code, message, skipped=True) for what, (code, message) in header["absent"].items()}
    return found
