"""HTML whose every text is escaped, and the dress of a report: one file, light or dark, no script, no network."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable

__all__ = ["Html", "card", "document", "el", "grid", "join", "percent", "plot", "section"]


class Html(str):
    """Markup, which is not escaped again."""


def el(name: str, /, *inner: str, **attributes: str) -> Html:
    """An element. What is not `Html` already is text and is escaped; `class_` is the attribute class.

    >>> el("p", "a < b", el("b", "!"), class_="note")
    '<p class="note">a &lt; b<b>!</b></p>'
    """
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"' for key, value in attributes.items())
    content = join(inner)
    return Html(f"<{name}{given}>" if name in ("img", "meta") else f"<{name}{given}>{content}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Markup and texts one after another."""
    return Html("".join(part if isinstance(part, Html) else _escaped(part) for part in parts))


def grid(head: Iterable[str], rows: Iterable[Iterable[str]], *, strong: Iterable[int] = ()) -> Html:
    """A table: the first column names the row, the others hold figures; `head` may be empty.

    `strong` are the places of rows that stand out.
    """
    marked = set(strong)
    lines = []
    for place, row in enumerate(rows):
        first, *others = row
        cells = join([el("th", first, scope="row"), *(el("td", cell) for cell in others)])
        lines.append(el("tr", cells, class_="strong") if place in marked else el("tr", cells))
    titles = [el("th", title, scope="col") for title in head]
    top = [el("thead", el("tr", *titles))] if titles else []
    return el("div", el("table", *top, el("tbody", *lines), class_="figures"), class_="scroll")


def section(title: str, note: str, *parts: str) -> Html:
    """A headed part of the page; the note says how to read it."""
    return el("section", el("h2", title), *([el("p", note, class_="soft")] if note else []), *parts)


def card(*parts: str) -> Html:
    """A box."""
    return el("div", *parts, class_="card")


def plot(svg: str, caption: str) -> Html:
    """A drawing (`<svg>`) under its caption."""
    drawn = svg.replace("<svg", f'<svg role="img" aria-label="{_escaped(caption)}"', 1)
    figcaption = el("figcaption", caption[:1].upper() + caption[1:])
    return el("figure", figcaption, el("div", Html(drawn), class_="drawn"))


def percent(share: float) -> str:
    """A share as `71.3 %`."""
    return f"{100 * share:.1f} %"


def document(title: str, body: Html) -> bytes:
    """The whole file. A browser is told to load nothing from anywhere and to run nothing."""
    policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="color-scheme", content="light dark"),
        el("title", title),
        el("style", Html(_STYLE)),
    )
    page = el("html", head, el("body", el("main", body)), lang="en")
    return f"<!doctype html>\n{page}\n".encode()


def _escaped(text: str) -> str:
    """Escaped, and rid of what HTML can't hold: control characters and halves of surrogate pairs."""
    kept = "".join(c if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs") else "�" for c in text)
    return html.escape(kept)


_STYLE = """
:root {
  --back: #fbfbfa; --card: #ffffff; --ink: #1b1f24; --soft: #5f6b78; --line: #e3e6ea; --accent: #2563c9;
  --good: #15803d; --bad: #c02626; --heat: 37 99 201; --heat-bad: 214 69 40;
}
@media (prefers-color-scheme: dark) {
  :root {
    --back: #14171b; --card: #1b1f25; --ink: #e7eaee; --soft: #9aa6b3; --line: #2e353d; --accent: #6ea3f5;
    --good: #4ec97b; --bad: #f2766b; --heat: 58 112 214; --heat-bad: 190 70 45;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--back); color: var(--ink); font-size: 15px; line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Noto Sans", Arial, "PingFang SC",
    "Hiragino Sans GB", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC",
    "WenQuanYi Micro Hei", sans-serif;
}
main { max-width: 1040px; margin: 0 auto; padding: 40px 28px 80px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; overflow-wrap: anywhere; letter-spacing: -.01em; }
h2 { font-size: 20px; margin: 52px 0 4px; letter-spacing: -.005em; }
h3 { font-size: 15px; margin: 24px 0 4px; }
p { margin: 4px 0 12px; max-width: 78ch; }
.soft, .facts { color: var(--soft); }
.facts { margin: 0 0 26px; max-width: none; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin: 14px 0;
}
.result { display: flex; flex-wrap: wrap; align-items: baseline; gap: 4px 14px; margin: 0 0 16px; }
.result b { font-size: 44px; line-height: 1.1; letter-spacing: -.02em; }
.result span { color: var(--soft); font-size: 17px; }
.verdict { font-size: 22px; line-height: 1.35; margin: 12px 0; padding-left: 14px; border-left: 4px solid var(--soft); }
.verdict, .said { max-width: none; overflow-wrap: anywhere; text-wrap: balance; }
.verdict::first-letter, .said::first-letter { text-transform: uppercase; }
.said { padding-left: 14px; border-left: 4px solid var(--line); margin: 8px 0; }
.gain { border-left-color: var(--good); }
.loss { border-left-color: var(--bad); }
.warn { border-left: 4px solid var(--bad); padding-left: 14px; }
figure { margin: 0; }
figure svg { display: block; width: 100%; height: auto; }
figcaption { font-weight: 600; margin-bottom: 6px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; margin: 14px 0; }
.pair > * { margin: 0; min-width: 0; }
.columns > div { display: flex; flex-direction: column; gap: 14px; }
.columns .card { margin: 0; }
.columns .card:last-child { flex: 1; }
.pair .figures th, .pair .figures td { padding: 5px 7px; }
.card > h3:first-child { margin-top: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.figures { width: 100%; }
.figures th, .figures td { padding: 5px 12px; border-bottom: 1px solid var(--line); white-space: nowrap; }
.figures td, .figures thead th { text-align: right; }
.figures thead th { color: var(--soft); font-weight: 500; font-size: 13px; white-space: normal; }
.figures tbody th, .figures thead th:first-child { text-align: left; }
.figures thead th { vertical-align: bottom; }
.figures tbody th { font-weight: 400; white-space: normal; overflow-wrap: anywhere; min-width: 9em; }
.figures tr.strong td, .figures tr.strong th { font-weight: 650; }
.figures tbody tr:last-child > * { border-bottom: 0; }
.heat { font-size: 13px; }
.heat th { font-weight: 400; padding: 2px 8px; }
.heat thead th { vertical-align: bottom; color: var(--soft); }
.heat.standing thead th span { display: inline-block; writing-mode: vertical-rl; white-space: nowrap; }
.heat.standing thead th span.turned { transform: rotate(180deg); }
.heat tbody th { text-align: right; white-space: nowrap; position: sticky; left: 0; background: var(--card); }
.heat td {
  text-align: center; border: 1px solid var(--card); min-width: 4.2em; padding: 6px 4px; line-height: 1.2;
  background: rgb(var(--heat-bad) / var(--p, 0));
}
.heat td.right { background: rgb(var(--heat) / var(--p, 0)); }
.heat td.full { color: #fff; }
.heat td small { display: block; opacity: .75; font-size: 11px; }
.heat.tall { font-size: 11px; }
.heat.tall th { padding: 1px 5px; }
.heat.tall td { min-width: 26px; padding: 3px 2px; border-color: var(--line); }
.heat.dense { font-size: 9px; }
.heat.dense th { padding: 0 2px; }
.heat.dense td { min-width: 16px; padding: 2px 0; }
.key { font-size: 13px; color: var(--soft); margin: 10px 0 0; }
.errors { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; margin-top: 14px; }
.error { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px;
  min-width: 0; }
.error header { display: flex; gap: 10px; justify-content: space-between; margin-bottom: 10px; }
.error header b { font-weight: 650; overflow-wrap: anywhere; }
.error .was { color: var(--bad); }
.error .body { display: flex; gap: 16px; align-items: flex-start; }
.error .texts { flex: 1 1 0; min-width: 0; }
.error .others { flex: 0 1 auto; min-width: 0; display: flex; flex-wrap: wrap; gap: 10px 16px; }
.error .texts + .others { flex: 0 0 160px; }
.error .item { min-width: 0; margin-bottom: 10px; }
.error img { display: block; max-width: 160px; max-height: 160px; border-radius: 6px; background: var(--line); }
.error .name { color: var(--soft); font-size: 12px; margin: 0 0 3px; overflow-wrap: anywhere; }
.error .text { white-space: pre-line; overflow-wrap: anywhere; font-size: 14px; margin: 0; }
.error .record { font-size: 13px; }
.error .record th, .error .record td { text-align: left; padding: 1px 10px 1px 0; font-weight: 400;
  vertical-align: top; }
.error .record th { color: var(--soft); }
.bar { white-space: nowrap; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 13px; margin: 8px 0; }
code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .93em;
  overflow-wrap: anywhere; }
summary { cursor: pointer; color: var(--soft); font-size: 13px; }
@media (max-width: 760px) {
  main { padding: 24px 14px 60px; }
  .pair, .errors { grid-template-columns: 1fr; }
  .drawn { overflow-x: auto; }
  .drawn svg { min-width: 440px; }
  .drawn svg[viewBox^="0 0 648"] { min-width: 640px; }
  .result b { font-size: 36px; }
  .verdict { font-size: 19px; }
}
@media print {
  body { font-size: 11px; }
  .card, .error, tr { break-inside: avoid; }
}
"""
