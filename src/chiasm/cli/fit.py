"""`chiasm fit TASK DATA`: learn from a table or folder, save a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from chiasm.cli._fitting import fit, options_of_fit
from chiasm.cli._shared import counted, label_of, one_line
from chiasm.cli._words import flags
from chiasm.encoding.cutting import ANSWER_PARTS, PARTS
from chiasm.measure.coverage import told
from chiasm.report.asked import out_of_fold
from chiasm.report.text import LEFT_OUT, foretold


@click.group("fit")
def fit_command() -> None:
    """Learn from DATA and save a model."""


@fit_command.command("retrieve")
@click.argument("data")
@options_of_fit
@click.option("--label", metavar="COL", help="A column of class labels, for mAP.")
@click.option("--align", default="auto", show_default=True, help="The aligner (chiasm list align).")
@click.option("--rerank", metavar="NAME", help="Look at the best 20 hits again (coattention), where it pays.")
def retrieve_command(data: str, **options: Any) -> None:
    """Learn a shared space from the pairs in DATA, so that any view finds any other.

    Pictures alone are learned from the names that their encoder knows, and are found by words.

    DATA is a csv, tsv, jsonl or Parquet table, or a folder of pictures, alone or with same-named .txt files. Names of
    subfolders are captions where they are asked for: --text class --image image.
    """

    own = {"align": options["align"], **({"rerank": options["rerank"]} if options["rerank"] else {})}
    fitted = fit("retrieve", data, options, own, parts=PARTS)
    model, folder, counts = fitted.model, fitted.folder, fitted.counts
    text = next((name for name, modality in model.views_.items() if modality == "text"), None)
    following = [["score", folder, data]] if counts["test"] else []
    if text:
        following.append(["search", folder, _example(model, text)])
    choices, besides = model.aligner_.choices(), [flags(one) for one in model.besides()]
    learned = [f"learned from {fitted.paired} of {fitted.shown}; saved {folder}"]
    if not model.paired_:
        learned = [*besides[:1], f"{fitted.shown}; saved {folder}"]
    if model.paired_ or model.counts_["whole"]["all"]:
        learned += told(model.counts_, pairs=True)
    learned += besides[not model.paired_ :]
    facts = {"aligner": {"name": options["align"], **choices}, "names": model.names_}
    facts |= {"rerank": {"name": options["rerank"], **model.reranked_}} if options["rerank"] else {}
    fitted.say({**facts, "notes": [*fitted.done["notes"], *besides]}, learned, following)


def _answering(name: str, doc: str) -> None:
    """Add `chiasm fit NAME` for a task that answers."""

    @fit_command.command(name, help=doc)
    @click.argument("data")
    @options_of_fit
    @click.option("--label", metavar="COL", help="The column of what is to be answered; of class folders: class.")
    @click.option("--fuse", default="auto", show_default=True, help="The fuser (chiasm list fuse).")
    @click.option("--teacher", multiple=True, metavar="VIEW", help="There to learn from, not to answer with; repeat.")
    @click.option("--distill", metavar="NAME", help="How it is taught (chiasm list distill); default: soft_labels.")
    def command(data: str, **options: Any) -> None:
        options["label"] = label_of(data, options["label"])
        if options["distill"] and not options["teacher"]:
            raise click.UsageError("--distill wants a teacher: --teacher VIEW.")
        own = {name: options[name] for name in ("fuse", "teacher") if options[name]}
        own |= {"distill": options["distill"]} if options["distill"] else {}

        def foretell(forecast: Any) -> None:
            click.echo(foretold(options["teacher"], forecast), err=options["as_json"])

        during = {"foretell": foretell} if options["teacher"] else None
        fitted = fit(name, data, options, own, parts=ANSWER_PARTS, during=during)
        model, folder, counts = fitted.model, fitted.folder, fitted.counts
        for view, right in model.suspects_.items():
            click.echo(
                f"suspicious: {view} alone is right on {100 * right:.1f} % of held-out rows. If it holds the label "
                "itself, leave it out.",
                err=True,
            )
        chosen = model.fuser_.choices()
        facts = {
            "fuser": {"name": options["fuse"], **chosen},
            "answers": model.fuser_.target_.names_,
            "cross_validated": model.crossed_,
            "suspect_views": model.suspects_,
        }
        fuser = chosen.get("fuser", options["fuse"])
        lines = [f"learned from {counts['train'] + counts['val']} of {fitted.shown} with {fuser}; saved {folder}"]
        lines += [LEFT_OUT] if chosen.get("left_out") else []
        lines += told(model.counts_)
        lines += [f"out of fold: {one['verdict']}" for one in model.crossed_.get("leave_one_out", {}).values()]
        following = [["score", folder, data]] if counts["test"] else []
        fitted.say(facts, lines, [*following, ["answer", folder, data, "--to", "answers.csv"]])


_answering("classify", "Learn to give each row of DATA one class, from any of its views.")
_answering("regress", "Learn to give each row of DATA a number, from any of its views.")
_answering(
    "tag",
    "Learn to give each row of DATA all the tags that fit: its label is a JSON list, or tags between semicolons.",
)


@fit_command.command("ask")
@click.argument("data")
@options_of_fit
@click.option("--label", metavar="COL", required=True, help="The column of answers.")
@click.option("--fuse", default="tensor", show_default=True, help="The fuser (chiasm list fuse).")
def ask_command(data: str, **options: Any) -> None:
    """Learn from DATA to answer questions about pictures: --text question --image path --label answer.

    Rows are about the picture; where the pictures of training rows are asked about in test rows too, say what a row is
    about: --id COL.
    """
    options["answers"] = True
    fitted = fit("ask", data, options, {"fuse": options["fuse"]}, parts=ANSWER_PARTS)
    model, folder, counts = fitted.model, fitted.folder, fitted.counts
    lines = [
        f"learned {counted(len(model.heads_.names_), 'answer')} from {counted(model.crossed_['rows'], 'answered row')} "
        f"of {fitted.shown}; saved {folder}",
        *told(model.counts_),
        out_of_fold(model.crossed_),
    ]
    facts = {"answers": model.heads_.names_, "kinds": model.heads_.kinds_, "out_of_fold": model.crossed_}
    following = [["score", folder, data]] if counts["test"] else []
    fitted.say(facts, lines, [*following, ["answer", folder, "PICTURE", "--question", "..."]])


@fit_command.command("caption")
@click.argument("data")
@options_of_fit
@click.option("--caption", "to", metavar="NAME", help="The view of captions; default: the one view of texts.")
@click.option(
    "--generate",
    default="mbr",
    show_default=True,
    metavar="NAME[:FOLDER]",
    help="The generator (chiasm list generate).",
)
def caption_command(data: str, **options: Any) -> None:
    """Learn from DATA to write captions: of pictures, videos, records, whatever has texts beside it to learn from.

    A network of yours that captions pictures, --generate hf_captioner:FOLDER, learns nothing and needs no captions.
    """
    own = {name: options[name] for name in ("to", "generate") if options[name]}
    fitted = fit("caption", data, options, own, parts=ANSWER_PARTS)
    model, folder, counts = fitted.model, fitted.folder, fitted.counts
    chosen = model.generator_.choices()
    learned = min(model.captioned_, len(model.generator_.references_))  # of very many some are drawn
    following = [["score", folder, data]] if counts["test"] and model.bars_ else []
    how = f"learned from the captions of {learned} of {fitted.shown} with {options['generate']}"
    if model.generator_.reads == "items":
        how = f"{options['generate']} writes as it was trained, nothing is learned; {fitted.shown}"
    fitted.say(
        {"generator": {"name": options["generate"], **chosen}, "captioned": learned, "to": model.to_},
        [f"{how}; saved {folder}", *told(model.counts_)],
        [*following, ["answer", folder, data, "--to", "captions.csv"]],
    )


@fit_command.command("match")
@click.argument("data")
@options_of_fit
@click.option("--align", default="auto", show_default=True, help="The aligner (chiasm list align).")
@click.option(
    "--prior", default=0.5, show_default=True, help="The share of right pairs among those that will be asked about."
)
def match_command(data: str, **options: Any) -> None:
    """Learn from the pairs in DATA to say of other rows whether their forms belong together, and how probably.

    Wrong pairs are made by dealing items to other rows, at random and to rows that are alike.
    """
    own = {name: options[name] for name in ("align", "prior")}
    fitted = fit("match", data, options, own, parts=ANSWER_PARTS)
    folder, counts = fitted.folder, fitted.counts
    following = [["score", folder, data]] if counts["test"] else []
    fitted.say(
        {"aligner": {"name": options["align"], **fitted.model.aligner_.choices()}, "prior": options["prior"]},
        [f"learned from {fitted.paired} of {fitted.shown}; saved {folder}", *told(fitted.model.counts_, pairs=True)],
        [*following, ["match", folder, data]],
    )


@fit_command.command("detect")
@click.argument("data")
@options_of_fit
@click.option("--label", metavar="COL", help="A column that says which rows are normal; else all are.")
@click.option("--normal", metavar="LABEL", help="The label of normal rows; only these are learned from.")
@click.option(
    "--learn",
    type=click.Choice(["normal", "views", "pairs", "labels"]),
    default="normal",
    show_default=True,
    help="What normal rows are like, by views and by pairs; only one of these; or all labels.",
)
@click.option("--rate", default=0.05, show_default=True, help="The share of normal rows that may be called unusual.")
def detect_command(data: str, **options: Any) -> None:
    """Learn what normal rows of DATA are like, to find unusual rows, broken pairs, and moments of films.

    Without a split every row is learned from, and judged by what was learned without it.
    """
    fitted = fit("detect", data, options, {name: options[name] for name in ("normal", "learn", "rate")})
    signs, views = fitted.model.signs_, fitted.model.views_
    shown = [sign if sign in views or sign == "labels" else f"{sign.replace(', ', ' with ')}" for sign in signs]
    learned, rows = len(fitted.model.marks_), len(fitted.views)
    of = "" if learned == rows else f" of {rows}"
    fitted.say(
        {"signs": signs, "learned": learned},
        [
            f"learned from {learned}{of} rows by {'; '.join(shown)}; saved {fitted.folder}",
            *told(fitted.model.counts_),
        ],
        [["detect", fitted.folder, data]],
    )


@fit_command.command("cluster")
@click.argument("data")
@options_of_fit
@click.option("--label", metavar="COL", help="A column of classes, for chiasm score alone: nothing is learned from it.")
@click.option(
    "--groups", "k", type=click.IntRange(min=1), help="How many; default: as many as re-drawn halves agree on."
)
@click.option(
    "--learn",
    type=click.Choice(["spectral", "kmeans", "mixture"]),
    default="spectral",
    show_default=True,
    help="How groups are made: by near neighbors, around means, or as Gaussians.",
)
@click.option("--sheet", type=click.Path(), metavar="FILE", help="Draw the pictures nearest to each group as a PNG.")
def cluster_command(data: str, **options: Any) -> None:
    """Find groups among the rows of DATA, by all of its views at once, and name them by their words.

    Rows that lack a view are grouped by the others. No label is learned from.
    """
    fitted = fit("cluster", data, options, {name: options[name] for name in ("k", "learn")})
    model = fitted.model
    topics = model.topics(fitted.views)
    how = f"{len(topics)} groups"
    if tried := [one["k"] for one in model.stability_]:
        most = f" (and the most that was tried on {model.sizes_.sum()} things)" if len(topics) == tried[-1] else ""
        how += f", as many as re-drawn halves agree on{most}"
    lines = [f"{how}, of {fitted.shown}; saved {fitted.folder}", *told(model.counts_)]
    if bare := len(fitted.views) - sum(topic["rows"] for topic in topics):
        lines += [f"{bare} rows hold none of the views and are counted in no group"]
    if len(model.weights_) > 1:
        steady = ", ".join(f"{view} {weight:.2g}" for view, weight in model.weights_.items())
        lines += [f"views weigh, by how steady the groups of each alone are: {steady}"]
    lines += [f"group {topic['group']}: {topic['rows']} rows  {one_line(topic['name'])}" for topic in topics]
    if model.stability_:
        curve = ", ".join(f"{one['k']}: {one['agreement']:.2f}" for one in model.stability_)
        lines += [f"halves agree by number of groups (adjusted Rand, 1 wholly): {curve}; say --groups for another"]
    if options["sheet"]:
        from chiasm.report.sheet import groups_sheet

        groups_sheet(topics, fitted.views, Path(options["sheet"]))
        click.echo(f"wrote {options['sheet']}", err=True)
    following = [["score", fitted.folder, data]] if options["label"] else []
    ids = fitted.views.ids.tolist()
    shown = [{**topic, "nearest": [ids[row] for row in topic["nearest"]]} for topic in topics]
    fitted.say(
        {"groups": shown, "weights": model.weights_, "stability": model.stability_},
        lines,
        [*following, ["answer", fitted.folder, data, "--to", "groups.csv"]],
    )


@fit_command.command("talk")
@click.argument("data")
@options_of_fit
@click.option(
    "--slot", "label", multiple=True, required=True, metavar="COL", help="A column of a slot's values; repeat."
)
@click.option("--fuse", default="late", show_default=True, help="The fuser (chiasm list fuse).")
@click.option("--error", default=0.05, show_default=True, help="The share of wrong values among sure ones allowed.")
def talk_command(data: str, **options: Any) -> None:
    """Learn from DATA to fill slots from what is typed or said, and to ask back for those that are unsure."""
    fitted = fit("talk", data, options, {name: options[name] for name in ("fuse", "error")}, parts=PARTS)
    slots, doubts = fitted.model.slots, fitted.model.doubts()
    fitted.say(
        {"slots": slots, "doubts": doubts},
        [
            f"learned {', '.join(slots)} from {fitted.counts['train']} rows; saved {fitted.folder}",
            *told(fitted.model.counts_),
            *doubts,
        ],
        [["talk", fitted.folder]],
    )


def _example(model: Any, view: str) -> str:
    """A short text that the model knows, to show a search with."""
    known = [str(item) for item in model.items_[view]["item"][:50]] or ["a dog in snow"]
    return " ".join(min(known, key=len)[:60].split())
