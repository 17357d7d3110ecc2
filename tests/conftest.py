"""What tests share: a cache of their own, the command line as a real process, toy pictures, the real data packs."""

from __future__ import annotations

import os

# On a busy machine the threads of BLAS wait for one another in small factorizations: 3.5 s instead of 0.03 s each.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
from hypothesis import settings

from chiasm.cache import Cache
from chiasm.data.toy import COLORS, SHAPES, shape_image

settings.register_profile("claims", deadline=None)  # a busy machine is no counterexample
settings.load_profile("claims")

DATA = Path(__file__).parents[2] / "shared" / "data"
"""The real data packs, beside the checkout."""

Run = Callable[..., subprocess.CompletedProcess[str]]


def pack(name: str) -> Path:
    """The folder of a real data pack; skips the test where it is absent."""
    if not (DATA / name).is_dir():
        pytest.skip(f"no data pack {name!r} in {DATA}: real data is not part of the checkout")
    return DATA / name


def make_pictures(folder: Path, n: int, seed: int = 0) -> list[tuple[str, str]]:
    """Write n small PNGs of one colored shape each; returns (file name, caption) pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = list(product(COLORS, SHAPES))
    pairs = []
    for i in range(n):
        color, shape = kinds[i % len(kinds)]
        name = f"{i:04d}.png"
        shape_image(color, shape, seed=seed * 100_003 + i).save(folder / name)
        pairs.append((name, f"a {color} {shape}"))
    return pairs


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The session's cache folder: CHIASM_TEST_CACHE where set (keeps the exported ONNX model), else a temporary one."""
    named = os.environ.get("CHIASM_TEST_CACHE")
    folder = Path(named) if named else tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CHIASM_CACHE", str(folder))
        yield folder


@pytest.fixture
def cache(session_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A fresh, empty cache; exported models are linked from the session's, since an export takes 15 s."""
    root = tmp_path / "fresh_cache"
    for model in (session_cache / "models").rglob("*"):
        if model.is_file():
            copy = root / "models" / model.relative_to(session_cache / "models")
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(model, copy)
            except OSError:
                shutil.copy2(model, copy)
    monkeypatch.setenv("CHIASM_CACHE", str(root))
    return Cache()


@pytest.fixture(scope="session")
def run() -> Run:
    """Run `python -m chiasm ...` as a real process."""

    def process(
        *args: object, env: dict[str, str] | None = None, timeout: float = 120, cwd: Path | None = None, input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "chiasm", *map(str, args)],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONUTF8": "1", **(env or {})},
            timeout=timeout,
            input=input,
            cwd=cwd,
            check=False,
        )

    return process


CHEAP = ("--encoder", "image=pixel_image")
"""For tests whose claim is not about the default encoders: few texts take e5_text less time than importing sklearn."""


@dataclass(frozen=True)
class Toy:
    """A folder of 160 toy pictures, a table of them, and a model fitted on it by the command line."""

    folder: Path
    table: Path
    model: Path

    @property
    def columns(self) -> tuple[object, ...]:
        """The arguments that name the table and its columns."""
        return self.table, "--text", "caption", "--image", "path", "--label", "shape", *CHEAP


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Toy:
    """The toy table and model; tests read them and write elsewhere."""
    home = tmp_path_factory.mktemp("toy")
    made = Toy(home / "pictures", home / "pictures" / "t.csv", home / "toy.chiasm")
    lines = [
        f"{name},{caption} number {i},{caption.split()[-1]}"
        for i, (name, caption) in enumerate(make_pictures(made.folder, 160))
    ]
    made.table.write_text("\n".join(["path,caption,shape", *lines]), encoding="utf-8")
    done = run("fit", "retrieve", *made.columns, "--to", made.model)
    assert done.returncode == 0, done.stderr
    return made
