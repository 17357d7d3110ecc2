"""A fitted model as a folder that needs no Chiasm and no PyTorch: ONNX files, vectors and a short reader."""

from chiasm.export.folder import Export, export

__all__ = ["Export", "export"]
