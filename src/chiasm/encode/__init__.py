"""Encoders: items of one modality -> vectors; one file, one encoder."""

from chiasm.encode._encoder import Encoder

__all__ = ["Encoder"]
