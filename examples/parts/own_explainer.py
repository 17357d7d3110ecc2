"""An explainer of one's own: the quarter and the word that count. `python examples/parts/own_explainer.py`."""

import numpy as np

from chiasm.contracts import Explainer, check_part
from chiasm.media.images import decode_image


class Quarters(Explainer):
    """Each quarter of a picture is blackened in turn, and each word left out; no chance is looked at."""

    def told(self, modality, item, score, patches):
        """The quarter that costs most, or what share every word has."""
        if modality == "text":
            words = item.split()
            whole, *less = score([item, *(" ".join(words[:i] + words[i + 1 :]) or "." for i in range(len(words)))])
            lost = np.maximum(whole - np.array(less), 0)
            if lost.max() <= 0:
                return {"score": float(whole), "withheld": "no word counts"}
            starts = [len(" ".join([*words[:i], ""])) for i in range(len(words))]
            shares = (lost / lost.sum()).tolist()
            words = [
                {"word": word, "start": start, "end": start + len(word), "share": share}
                for word, start, share in zip(words, starts, shares, strict=True)
            ]
            return {"score": float(whole), "words": words}
        picture = np.asarray(decode_image(item, 96)[0])
        copies = []
        for quarter in range(4):
            top, left = 48 * (quarter // 2), 48 * (quarter % 2)
            copies.append(picture.copy())
            copies[-1][top : top + 48, left : left + 48] = 0
        whole, *less = score([picture, *copies])
        lost = np.maximum(whole - np.array(less), 0)
        if lost.max() <= 0:
            return {"score": float(whole), "withheld": "no quarter counts"}
        best = int(lost.argmax())
        left, top = best % 2 / 2, best // 2 / 2
        mask = ["".join("01"[best == 2 * row + column] for column in range(2)) for row in range(2)]
        found = {"box": [left, top, left + 0.5, top + 0.5], "mask": mask, "share": float(lost[best] / lost.sum())}
        return {"score": float(whole), "region": found | {"drop": float(lost[best]), "random": 0.0}}


if __name__ == "__main__":
    print(check_part(Quarters()))
