"""The reader of an exported folder, one file that imports no Chiasm: put together from the modules here."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType

from chiasm.export import encoders

__all__ = ["script"]


def script(main: ModuleType, kinds: set[str]) -> str:
    """The text of `main` (`search` or `answer`) with what it imports from `encoders`, of these those in `kinds`."""
    unused = set(encoders.ENCODERS) - kinds
    parts = [*_parts(encoders), *_parts(main)]
    imports = dict.fromkeys(text for node, text in parts if isinstance(node, ast.Import | ast.ImportFrom))
    plain = [text for text in imports if not text.startswith("from chiasm.")]
    body = [
        text
        for node, text in parts
        if not isinstance(node, ast.Import | ast.ImportFrom)
        and not text.startswith("ENCODERS")
        and not (isinstance(node, ast.FunctionDef) and node.name in unused)
    ]
    own = {"numpy", "onnxruntime"}
    standard = sorted((text for text in plain if text.split()[1] not in own), key=lambda t: (t.startswith("from"), t))
    others = sorted(text for text in plain if text.split()[1] in own)
    head = [f'"""{main.__doc__}"""', "\n".join(standard), "\n".join(others), body[0]]
    return "\n\n".join(head) + "\n\n\n" + "\n\n\n".join(body[1:]) + "\n"


def _parts(module: ModuleType) -> Iterator[tuple[ast.stmt, str]]:
    """The statements of a module and their text, but its docstring."""
    source = inspect.getsource(module)
    lines = source.splitlines()
    for node in ast.parse(source).body[1:]:
        yield node, "\n".join(lines[node.lineno - 1 : node.end_lineno])
