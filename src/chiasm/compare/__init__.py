"""Compare: methods under the same rows, seeds and budget, with intervals; killed and started again, it goes on."""

from chiasm.compare.aligners import compare_align
from chiasm.compare.answers import AnswerComparison
from chiasm.compare.comparison import Comparison
from chiasm.compare.fusers import compare_fuse

__all__ = ["AnswerComparison", "Comparison", "compare_align", "compare_fuse"]
