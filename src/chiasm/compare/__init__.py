"""Compare: methods under the same rows, seeds and budget, with intervals; killed and started again, it goes on."""

from chiasm.compare.aligners import compare_align
from chiasm.compare.comparison import Comparison

__all__ = ["Comparison", "compare_align"]
