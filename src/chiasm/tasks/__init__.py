"""Tasks: a question over views; `fit`, `answer`, `score`. One file, one task."""

from chiasm.tasks._answering import Answering

__all__ = ["Answering"]
