"""A user's own networks: ours against sentence-transformers on the CPU, and against a plain script on a GPU.

`python -m benchmarks.speed.hub_encoders [cpu] [gpu] [--rounds 5] [--texts 512] [--images 128]`: random weights at real
size: a text model of 6 layers, 384 wide, and the image tower of CLIP ViT-B/32; texts of 3 to 60 words, JPEG files of
500 x 375 pixels. No data is needed.

cpu: items a second by sentence-transformers at batch 32 and by ours, as it comes (batches of 32) and at one item a
call, same process, interleaved. Bar: 1.0x, equal to 1e-4. gpu: half precision, 64 items a call. The plain script reads
by processes (torch's DataLoader, 16 workers at most) and by the tokenizer's own threads, texts in order of length. Bar:
.8x. Skipped where torch sees no GPU.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks._trials import Figure, against, arguments, finish, ratios, say
from chiasm.encode.hf_image_text import HfImageText
from chiasm.encode.hf_text import HfText
from chiasm.scale import cores

BATCH = {"cpu": 32, "gpu": 64}
OURS = "ours"
WHAT = {"text": "texts, 6 layers, 384 wide", "image": "JPEG files, CLIP ViT-B/32"}
GPU = {"plain": "a plain script, half precision", "ready": "the network alone, inputs in memory"}

FIGURES = [
    figure
    for kind, said in WHAT.items()
    for figure in (
        *(
            Figure(f"{kind}.cpu{short}", ("cpu", kind, key), f"{said}, CPU: {words}", "x", ".2f", "{n} rounds",
                   interval="least and most")
            for short, key, words in (
                ("", "faster", "ours, so many times as fast as sentence-transformers"),
                (".alone", "alone faster", "ours at one item a call, the same bits in any company"),
            )
        ),
        *(
            Figure(f"{kind}.gpu.{key}", ("gpu", kind, key), f"{said}, GPU: ours beside {words}", "x", ".2f",
                   "{n} rounds", interval="least and most")
            for key, words in GPU.items()
        ),
        Figure(f"{kind}.gpu.rate", ("gpu", kind, "rate"), f"{said}, GPU: ours, items a second", "", ",.0f"),
        Figure(f"{kind}.gpu.gap", ("gpu", kind, "gap"), f"{said}, GPU: largest difference to the CPU", "", ".1e"),
        Figure(f"{kind}.cpu.gap", ("cpu", kind, "gap"), f"{said}, CPU: largest difference", "", ".1e"),
    )
]  # fmt: skip


# ---- what is encoded, and by what ----
def models(home: Path) -> dict[str, str]:
    """Folders of both networks, of random weights, with a tokenizer of made-up words."""
    import torch
    import transformers as t

    torch.manual_seed(0)
    text, image = home / "text", home / "image"
    t.BertModel(
        t.BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    ).save_pretrained(text)
    (text / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words()]))
    t.BertTokenizer.from_pretrained(text).save_pretrained(text)
    t.CLIPModel(t.CLIPConfig()).save_pretrained(image)
    (image / "vocab.json").write_text(json.dumps({"<|startoftext|>": 0, "<|endoftext|>": 1, "a</w>": 2, "a": 3}))
    (image / "merges.txt").write_text("#version: 0.2\n")
    t.CLIPProcessor(t.CLIPImageProcessorPil(), t.CLIPTokenizer.from_pretrained(image)).save_pretrained(image)
    return {"text": str(text), "image": str(image)}


def words() -> list[str]:
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    rng = np.random.default_rng(0)
    return sorted({"".join(rng.choice(letters, rng.integers(3, 9))) for _ in range(5000)})


def texts(count: int) -> list[str]:
    rng, known = np.random.default_rng(1), words()
    return [" ".join(rng.choice(known, n)) for n in rng.lognormal(2.5, 0.6, count).clip(3, 60).astype(int)]


def images(home: Path, count: int) -> list[str]:
    """So many names of at most 256 files: noise of several scales, as much work to decode as photographs."""
    rng, made = np.random.default_rng(2), []
    for i in range(min(count, 256)):
        layers = [rng.integers(0, 256, (3 * s, 4 * s, 3), dtype=np.uint8) for s in (3, 12, 60)]
        wide = [np.asarray(Image.fromarray(one).resize((500, 375)), dtype=float) for one in layers]
        made.append(str(home / f"{i}.jpg"))
        Image.fromarray(np.mean(wide, axis=0).astype(np.uint8)).save(made[-1], quality=90)
    return [made[i % len(made)] for i in range(count)]


def ours(kind: str, folder: str, **options: Any) -> Any:
    return (HfText if kind == "text" else HfImageText)(folder, **options)


def faster(seconds: dict[str, list[float]], other: str, mine: str = OURS) -> dict[str, float]:
    found = against(seconds, mine)[other]
    return {key: found[key] for key in ("value", "low", "high", "n")}


# ---- the CPU ----
def sentence_transformers(kind: str, folder: str) -> Callable[[Sequence[str]], np.ndarray]:
    """What that library gives of texts, or of files."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device="cpu")

    def run(items: Sequence[str]) -> np.ndarray:
        given = list(items) if kind == "text" else [Image.open(file) for file in items]
        return model.encode(given, batch_size=BATCH["cpu"], normalize_embeddings=kind == "image")

    return run


def cpu(kind: str, folder: str, items: list[str], rounds: int) -> dict[str, Any]:
    theirs = sentence_transformers(kind, folder)
    mine = {
        OURS: ours(kind, folder, device="cpu"),
        "alone": ours(kind, folder, device="cpu", batch_size=1),
    }
    known = theirs(items)
    gaps = [float(np.abs(one.encode(items) - known).max()) for one in mine.values()]
    calls = {name: lambda one=one: one.encode(items) for name, one in mine.items()}
    seconds = ratios(calls | {"theirs": lambda: theirs(items)}, rounds)
    return {
        "items": len(items),
        "items a second": {name: round(len(items) / float(np.median(took)), 1) for name, took in seconds.items()},
        "faster": faster(seconds, "theirs"),
        "alone faster": faster(seconds, "theirs", "alone"),
        "gap": max(gaps),
        "bar: 1.0x, equal to 1e-4": faster(seconds, "theirs")["value"] >= 1 and max(gaps) <= 1e-4,
    }


# ---- a GPU ----
class Files:
    """A data set of torch: a picture as the network's input."""

    def __init__(self, processor: Any, files: Sequence[str]):
        self.processor, self.files = processor, files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> Any:
        image = Image.open(self.files[i]).convert("RGB")
        return self.processor(images=image, return_tensors="pt")["pixel_values"][0]


def plain_images(folder: str, files: list[str]) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    """A loop over a DataLoader, and one over its batches when they are in memory."""
    import torch
    from transformers import AutoImageProcessor, AutoModel

    network = AutoModel.from_pretrained(folder, dtype=torch.float16).cuda().eval()
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    options = {"batch_size": BATCH["gpu"], "num_workers": min(16, cores()), "pin_memory": True}
    loader = torch.utils.data.DataLoader(Files(processor, files), persistent_workers=True, **options)
    held = list(loader)

    @torch.inference_mode()
    def run(batches: Any) -> np.ndarray:
        found = []
        for pixels in batches:
            out = network.get_image_features(pixel_values=pixels.to("cuda", torch.float16, non_blocking=True))
            found.append(torch.nn.functional.normalize(out.pooler_output.float()))
        return torch.cat(found).cpu().numpy()

    return lambda: run(loader), lambda: run(held)


def plain_texts(folder: str, items: list[str]) -> tuple[Callable[[], np.ndarray], Callable[[], np.ndarray]]:
    """A loop over texts in order of length, tokenized a batch at a time; and one over batches of tokens in memory."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    network = AutoModel.from_pretrained(folder, dtype=torch.float16).cuda().eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    order = np.argsort([-len(text) for text in items], kind="stable")
    parts = [order[i : i + BATCH["gpu"]] for i in range(0, len(order), BATCH["gpu"])]

    def tokens(part: np.ndarray) -> Any:
        return tokenizer([items[i] for i in part], padding=True, truncation=True, max_length=512, return_tensors="pt")

    held = [tokens(part) for part in parts]

    @torch.inference_mode()
    def run(batches: Any) -> np.ndarray:
        found = []
        for inputs in batches:
            there = {name: values.cuda(non_blocking=True) for name, values in inputs.items()}
            states, mask = network(**there).last_hidden_state.float(), there["attention_mask"][..., None]
            found.append((states * mask).sum(1) / mask.sum(1))
        whole = torch.cat(found).cpu().numpy()
        return whole[np.argsort(order)]

    return lambda: run(map(tokens, parts)), lambda: run(held)


def gpu(kind: str, folder: str, items: list[str], rounds: int) -> dict[str, Any]:
    plain, ready = (plain_texts if kind == "text" else plain_images)(folder, items)
    half = ours(kind, folder, device="cuda", precision="float16", batch_size=BATCH["gpu"])
    few = items[:64]
    single = ours(kind, folder, device="cuda").encode(few)
    started = time.perf_counter()
    known = ours(kind, folder, device="cpu").encode(few)
    say(kind, f"{len(few)} on the CPU in {time.perf_counter() - started:.1f} s")
    near = float(np.abs(half.encode(few) - plain()[: len(few)]).max())
    seconds = ratios({OURS: lambda: half.encode(items), "plain": plain, "ready": ready}, rounds)
    gap, ratio = float(np.abs(single - known).max()), faster(seconds, "plain")
    return {
        "items": len(items),
        "items a second": {name: round(len(items) / float(np.median(took)), 1) for name, took in seconds.items()},
        "rate": round(len(items) / float(np.median(seconds[OURS])), 1),
        "plain": ratio,
        "ready": faster(seconds, "ready"),
        "gap": gap,
        "half precision, largest difference to the plain script": near,
        "bar: .8x, equal to 1e-4": ratio["value"] >= 0.8 and gap <= 1e-4,
    }


def main() -> None:
    parser = arguments(__doc__, ("cpu", "gpu"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--texts", type=int, help="default: 512 on the CPU, 16,384 on a GPU")
    parser.add_argument("--images", type=int, help="default: 128 on the CPU, 4,096 on a GPU")
    args = parser.parse_args()
    import torch

    counts = {"cpu": (args.texts or 512, args.images or 128), "gpu": (args.texts or 16384, args.images or 4096)}
    result: dict[str, Any] = {"torch": torch.__version__, "cores": cores()}
    with tempfile.TemporaryDirectory() as home:
        folders = models(Path(home))
        for part, measured in (("cpu", cpu), ("gpu", gpu)):
            if args.parts and part not in args.parts:
                continue
            if part == "gpu" and not torch.cuda.is_available():
                result["gpu, not measured"] = "torch sees no GPU here"
                continue
            some = {"text": texts(counts[part][0]), "image": images(Path(home), counts[part][1])}
            result[part] = {}
            for kind, items in some.items():
                result[part][kind] = measured(kind, folders[kind], items, args.rounds)
                say(part, kind, result[part][kind])
    finish(result, FIGURES, args)


if __name__ == "__main__":
    main()
