"""A late-fusion transformer as a researcher would write it in PyTorch: a token a view, a class token, two layers.

The strongest of 19 deep methods on nine sets where all were tuned (Fusion or Confusion, 2025). Each view is scaled
column by column and mapped to one token; an absent view's token is masked. Learning rate and dropout are chosen by the
log loss of a fifth of the rows, early stopping with them, of which two members with other starts then learn from all
rows for so many epochs; their probabilities are averaged.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from chiasm.fuse import Fuser
from chiasm.stats.blocks import Blocks, presence

__all__ = ["LateTransformer"]

WIDTH, HEADS, LAYERS = 128, 4, 2
RATES, DROPOUTS = (3e-4, 1e-3), (0.1, 0.4)
EPOCHS, PATIENCE, BATCH = 40, 6, 64
MEMBERS = 2
DECAY = 0.01


class LateTransformer(Fuser):
    """The peer. Args: kind: "classes" alone. seed: of starts, batches and the rows that choose."""

    def __init__(self, kind: str = "classes", seed: int = 0):
        self.kind = kind
        self.seed = seed

    def _learn(self, held: Blocks, truth: np.ndarray, folds: np.ndarray) -> None:
        self.views_ = list(held)
        self.means_, self.scales_ = {}, {}
        for name, block in held.items():
            rows = np.asarray(block.values[block.present], dtype=np.float64)
            self.means_[name], self.scales_[name] = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-6)
        x, here, y = self._read(held, len(truth)), presence(held, self.views_, len(truth)), truth.argmax(axis=1)
        apart = folds == folds.max()
        tried = [
            (*self._trained(x, here, y, ~apart, rate, dropout, EPOCHS, self.seed, apart), rate, dropout)
            for rate, dropout in product(RATES, DROPOUTS)
        ]
        _, _, epochs, rate, dropout = min(tried, key=lambda one: one[1])
        every = np.ones(len(y), dtype=bool)
        self.members_ = [
            self._trained(x, here, y, every, rate, dropout, epochs, self.seed + 1 + i)[0] for i in range(MEMBERS)
        ]
        self.chosen_ = {"rate": rate, "dropout": dropout, "epochs": epochs}

    def _answer(self, held: Blocks, n: int) -> np.ndarray:
        x, here = self._read(held, n), presence(held, self.views_, n)
        answers: np.ndarray = np.mean([said(member, x, here) for member in self.members_], axis=0)
        return answers

    def _read(self, held: Blocks, n: int) -> list[np.ndarray]:
        found = []
        for name in self.views_:
            values = np.zeros((n, len(self.means_[name])), dtype=np.float32)
            if name in held:
                rows = held[name].present
                values[rows] = (np.asarray(held[name].values[rows]) - self.means_[name]) / self.scales_[name]
            found.append(values)
        return found

    def _trained(
        self,
        x: list[np.ndarray],
        here: np.ndarray,
        y: np.ndarray,
        learn: np.ndarray,
        rate: float,
        dropout: float,
        epochs: int,
        seed: int,
        apart: np.ndarray | None = None,
    ) -> tuple[Any, float, int]:
        """A network, and where rows are kept apart their least log loss and after how many epochs it was reached."""
        import torch

        torch.manual_seed(seed)
        net = network([part.shape[1] for part in x], self.prior_.shape[0], dropout)
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=DECAY)
        rng, rows = np.random.default_rng(seed), np.flatnonzero(learn)
        best, at, since = np.inf, epochs, 0
        for epoch in range(1, epochs + 1):
            net.train()
            order = rng.permutation(rows)
            for start in range(0, len(order), BATCH):
                part = order[start : start + BATCH]
                out = net([torch.from_numpy(view[part]) for view in x], torch.from_numpy(here[part]))
                loss = torch.nn.functional.cross_entropy(out, torch.from_numpy(y[part]))
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if apart is not None:
                likely = said(net, [view[apart] for view in x], here[apart])
                lost = float(-np.log(np.maximum(likely[np.arange(len(likely)), y[apart]], 1e-7)).mean())
                since += 1
                if lost < best:
                    best, at, since = lost, epoch, 0
                if since >= PATIENCE:
                    break
        return net.eval(), best, at


def said(net: Any, x: list[np.ndarray], here: np.ndarray) -> np.ndarray:
    """`(n, c)` probabilities."""
    import torch

    net.eval()
    with torch.no_grad():
        out = net([torch.from_numpy(view) for view in x], torch.from_numpy(here))
        found: np.ndarray = torch.softmax(out, dim=1).numpy().astype(np.float64)
    return found


def network(widths: list[int], classes: int, dropout: float) -> Any:
    """Tokens of views and of the class through `LAYERS` layers, the class token to a linear head."""
    import torch
    from torch import nn

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.ModuleList(nn.Sequential(nn.Linear(d, WIDTH), nn.Dropout(dropout)) for d in widths)
            self.places = nn.Parameter(0.02 * torch.randn(len(widths) + 1, WIDTH))
            layer = nn.TransformerEncoderLayer(
                WIDTH, HEADS, 2 * WIDTH, dropout, activation="gelu", batch_first=True, norm_first=True
            )
            self.layers = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
            self.head = nn.Sequential(nn.LayerNorm(WIDTH), nn.Dropout(dropout), nn.Linear(WIDTH, classes))

        def forward(self, views: list[Any], here: Any) -> Any:
            first = self.places[0].expand(len(here), 1, WIDTH)
            rest = [token(view)[:, None] for token, view in zip(self.tokens, views, strict=True)]
            tokens = torch.cat([first, torch.cat(rest, dim=1) + self.places[1:]], dim=1)
            gone = torch.cat([torch.zeros(len(here), 1, dtype=torch.bool), ~here.bool()], dim=1)
            return self.head(self.layers(tokens, src_key_padding_mask=gone)[:, 0])

    return Network()
