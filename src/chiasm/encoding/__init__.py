"""Encoding: the pipeline step that applies one encoder a column, or several side by side, through the cache."""

from chiasm.encoding.step import DEFAULTS, Encoding, Report, with_digests
from chiasm.scale import Progress

__all__ = ["DEFAULTS", "Encoding", "Progress", "Report", "with_digests"]
