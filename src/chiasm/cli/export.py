"""`chiasm export MODEL`: a model as ONNX files and a short reader, to answer without Chiasm."""

from __future__ import annotations

import click

from chiasm import recipe
from chiasm.cli._shared import counted, echo_json
from chiasm.export import export


@click.command("export")
@click.argument("model")
@click.option("--to", required=True, type=click.Path(), metavar="FOLDER", help="A new folder, or an empty one.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written as JSON.")
def export_command(model: str, to: str, as_json: bool) -> None:
    """Write MODEL as a folder that answers without Chiasm and without PyTorch: of retrieve, classify, tag, regress.

    What was learned becomes ONNX files; beside them stand the indexed vectors, the network that encodes pictures, and
    reader.py, which asks: python FOLDER/reader.py "a dog in snow" prints what chiasm search prints.
    """
    done = export(recipe.load(model), to)
    if as_json:
        echo_json({"to": str(done.folder), "files": done.files, "difference": done.difference})
        return
    size = sum(done.files.values()) / 1e6
    click.echo(f"wrote {counted(len(done.files), 'file')} to {done.folder} ({size:.1f} MB)")
    click.echo(f"on generated rows its answers are within {done.difference:.1g} of the model's")
