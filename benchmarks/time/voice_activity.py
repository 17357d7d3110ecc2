"""Voice activity: where someone speaks in composed sounds, by a detector and by loudness.

`python -m benchmarks.time.voice_activity`. Clips of fsdd, grid_s1 and ravdess at random places in white noise and in
everyday sounds (ESC-10), 20 and 10 dB below them; settings are chosen on other clips. Intervals: 95 %, sounds drawn
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks._trials import Figure, arguments, finish
from benchmarks.time._speech import shown, sounds
from chiasm.media.speech import RATE, voiced
from chiasm.stats.resample import Draws, difference, interval_of

PACKS, GROUNDS, LEVELS = ("fsdd", "grid_s1", "ravdess"), ("white", "everyday"), (20, 10)
FIGURES = [
    Figure(
        f"{name}.{noise}.{snr}",
        (f"{name}, {noise} {snr} dB", "gain"),
        f"voice activity, {name} in {noise} noise at {snr} dB: F1 of the detector less that of a loudness threshold",
        "points",
        "+.0f",
        "{n} sounds",
        100,
    )
    for name in PACKS
    for noise in GROUNDS
    for snr in LEVELS
]


def everyday(folds: Sequence[int]) -> np.ndarray:
    """Sounds of ESC-10 (rain, dog, clock, helicopter, ...) without the voices, one after the other."""
    table, held = sounds("esc")
    some = table.esc10 & table.fold.isin(folds) & ~table.label.isin(["crying baby", "sneezing"])
    rows = np.random.default_rng(folds[0]).permutation(np.flatnonzero(some))[:60]
    return np.concatenate([held[i] / (held[i].std() + 1e-6) for i in rows])


def films(
    seed: int, count: int, snr: float, held: Sequence[np.ndarray], ground: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sounds of about 10 s: four clips at random places in noise of so many dB below them, and where they are.

    A clip is cut from the first to the last 10 ms that are within 20 dB of its loudest, so the truth is loudness too.
    """
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        parts, truth = [], []
        for i in rng.choice(len(held), 4, replace=False):
            gap = int(rng.uniform(0.7, 3.0) * RATE)
            clip = held[i] / (np.abs(held[i]).max() + 1e-9) * rng.uniform(0.2, 0.7)
            power = np.square(clip[: len(clip) // 160 * 160]).reshape(-1, 160).mean(axis=1)
            loud = np.flatnonzero(power > power.max() * 1e-2)
            clip = clip[loud[0] * 160 : (loud[-1] + 1) * 160]
            parts += [np.zeros(gap), clip]
            truth += [np.zeros(gap, bool), np.ones(len(clip), bool)]
        sound, spoken = np.concatenate([*parts, np.zeros(RATE)]), np.concatenate([*truth, np.zeros(RATE, bool)])
        start = rng.integers(len(ground) - len(sound))
        noise = ground[start : start + len(sound)]
        noise = noise / (noise.std() + 1e-9) * sound[spoken].std() * 10 ** (-snr / 20)
        out.append(((sound + noise).astype(np.float32), spoken[:: RATE // 100]))
    return out


def by_energy(sound: np.ndarray, threshold: float) -> np.ndarray:
    """The baseline: 10 ms that are so many dB above the quietest tenth, smoothed over 0.3 s."""
    power = 10 * np.log10(np.square(sound[: len(sound) // 160 * 160]).reshape(-1, 160).mean(axis=1) + 1e-12)
    high = (power - np.quantile(power, 0.1) > threshold).astype(float)
    return np.convolve(high, np.ones(31) / 31, "same") > 0.5


def by_detector(sound: np.ndarray, strict: int) -> np.ndarray:
    out = np.zeros(len(sound) // 160, bool)
    for start, end in voiced(sound, RATE, strict):
        out[round(start * 100) : round(end * 100)] = True
    return out


def agreement(found: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> np.ndarray:
    """By sound `(n, 4)`: frames of both, found, true; and the share of equal ones."""
    rows = []
    for one, two in zip(found, truth, strict=True):
        n = min(len(one), len(two))
        one, two = one[:n], two[:n]
        rows.append([(one & two).sum(), one.sum(), two.sum(), (one == two).mean()])
    return np.array(rows, float)


def f1(counts: np.ndarray, rows: Any = slice(None)) -> float:
    both, found, true = counts[rows, :3].sum(axis=0)
    return float(2 * both / max(found + true, 1))


def activity() -> dict[str, Any]:
    """Where someone speaks, in composed sounds: the detector against loudness; settings chosen on other clips."""
    result: dict[str, Any] = {}
    rng = np.random.default_rng(0)
    grounds = {
        "white": (rng.normal(size=60 * RATE), rng.normal(size=60 * RATE)),
        "everyday": (everyday([1, 2, 3]), everyday([4, 5])),
    }
    ways = (("detector", by_detector, (0, 1, 2, 3)), ("energy", by_energy, (0.5, 1, 2, 3, 5, 7, 10, 15)))
    packs = {}
    for name in PACKS:
        table, held = sounds(name)
        test = (table.split == ("val" if name == "ravdess" else "test")).to_numpy()
        packs[name] = [[held[i] for i in np.flatnonzero(side)] for side in (~test, test)]
    # One setting for everything: whoever uses it knows neither the noise nor the speaker.
    learn = [
        film
        for train, _ in packs.values()
        for ground, _ in grounds.values()
        for k, snr in enumerate(LEVELS)
        for film in films(k, 6, snr, train, ground)
    ]
    best = {}
    for kind, run, settings in ways:
        scored = [f1(agreement([run(s, x) for s, _ in learn], [t for _, t in learn])) for x in settings]
        best[kind] = (run, settings[int(np.argmax(scored))])
    for name, (_, test) in packs.items():
        for noise, (_, ground) in grounds.items():
            for snr in LEVELS:
                asked = films(2, 40, snr, test, ground)
                draws, sampled, frames = Draws(np.arange(len(asked))), {}, {}
                for kind, (run, setting) in best.items():
                    counts = agreement([run(s, setting) for s, _ in asked], [t for _, t in asked])
                    sampled[kind] = draws.repeated(lambda r, c=counts: f1(c, r))
                    frames[kind] = interval_of(*draws.mean(counts[:, 3]))
                one = {kind: interval_of(*sampled[kind]) for kind in best}
                gap = difference(sampled["detector"], sampled["energy"])
                key = f"{name}, {noise} {snr} dB"
                result[key] = {"n": len(asked), "f1": one, "frames": frames, "gain": gap}
                print(
                    f"voice {key:24s} n {len(asked)}: F1 detector {shown(one['detector'])}"
                    f"  energy {shown(one['energy'])}  difference {shown(gap)};"
                    f"  frames {shown(frames['detector'])}, {shown(frames['energy'])}"
                )
    result["settings"] = {kind: setting for kind, (_, setting) in best.items()}
    print(f"   chosen on other clips: {result['settings']}")
    return result


def main() -> None:
    args = arguments(__doc__).parse_args()
    finish(activity(), FIGURES, args)


if __name__ == "__main__":
    main()
