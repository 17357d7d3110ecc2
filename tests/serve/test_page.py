"""The page in a real browser, over a real server: what a person sees, types, drops, and reaches by keys."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import chiasm
from _media import write_sound, write_video
from _served import Server, start
from chiasm.collection import Collection
from chiasm.data.toy import shape_image
from chiasm.serve.tokens import Tokens
from chiasm.tasks.retrieve import Retrieve
from conftest import make_pictures

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHINESE = {"red": "红色", "green": "绿色", "blue": "蓝色", "yellow": "黄色"} | {
    "circle": "圆形",
    "square": "方形",
    "triangle": "三角形",
    "bar": "长条",
}
PAGE = Path(chiasm.__file__).parent / "serve" / "page"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over 65 pictures: 60 square ones, 4 of other ratios and a copy; and a file that is no picture."""
    home = tmp_path_factory.mktemp("page")
    pairs = make_pictures(home / "learned", 96)
    said = [text if i // 16 % 2 else "".join(map(CHINESE.get, text.split()[1:])) for i, (_, text) in enumerate(pairs)]
    views = chiasm.Views.of(
        {"text": said, "image": [str(home / "learned" / name) for name, _ in pairs]},
        {"text": "text", "image": "image"},
        split=["val" if i % 3 == 2 else "train" for i in range(96)],
    )
    model = Retrieve(encoders={"text": "hashed_text", "image": "pixel_image"}, align="cca").fit(views)
    folder = home / "Pictures"
    for i, (name, text) in enumerate(make_pictures(folder, 60, seed=5)):
        (folder / name).with_suffix(".txt").write_text(text)
        os.utime(folder / name, (day := 1.7e9 + 86400 * (7 * i % 60), day))
    for i, size in enumerate([(320, 160), (120, 240), (300, 200), (160, 200)]):
        shape_image("red", "circle", size=200, seed=i).resize(size).save(folder / f"ratio{i}.png")
    shutil.copy(folder / "0000.png", folder / "copy.png")
    (folder / "broken.png").write_bytes(b"no picture")
    Collection.build(home / "p.index", model, folder)
    made = start(home)
    yield made
    made.process.terminate()
    made.process.wait(20)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        if CHROMIUM is None and not Path(play.chromium.executable_path).exists():
            pytest.skip("no Chromium is installed")
        made = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


class Tab:
    """A tab of the browser: it notes what went wrong, and where requests went."""

    def __init__(self, browser: Any, server: Server, width: int = 1440, **options: Any):
        options = {"locale": "en-US", "reduced_motion": "reduce"} | options
        self.server, self.at = server, f"http://127.0.0.1:{server.port}/"
        self.context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        self.context.set_default_timeout(10_000)
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda told: told.type in ("error", "warning") and self.wrong.append(told.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, hash_: str = "") -> Any:
        """The page at an address, with its first answers."""
        self.page.goto(self.at + hash_)
        self.page.wait_for_selector(".tile:not(.waiting) .face, .state:not([hidden])")
        return self.page

    def found(self) -> list[int]:
        """The ids that are shown, in order."""
        return self.page.eval_on_selector_all(".tile", "all => all.map(one => Number(one.dataset.id))")

    def shows(self, ids: list[int]) -> None:
        """Wait until these ids are shown first."""
        until(self.page, lambda: self.found()[: len(ids)] == ids)


def until(page: Any, holds: Callable[[], Any] | str) -> None:
    """Wait until something holds: a call, or JavaScript. (Playwright's own way is eval, which the page forbids.)"""
    for _ in range(400):
        try:
            if holds() if callable(holds) else page.evaluate(holds):
                return
        except Exception as error:  # the page is loaded anew meanwhile, as after a login
            if "context was destroyed" not in str(error):
                raise
        page.wait_for_timeout(25)
    pytest.fail(f"it never came true: {holds}")


@pytest.fixture
def tab(browser: Any, server: Server) -> Iterator[Any]:
    """Makes tabs. None of them may tell of an error, or ask anyone but this machine."""
    tabs: list[Tab] = []

    def make(served: Server = server, **options: Any) -> Tab:
        tabs.append(Tab(browser, served, **options))
        return tabs[-1]

    yield make
    for one in tabs:
        one.context.close()
        assert one.wrong == []
        assert {url for url in one.asked if not url.startswith((one.at, "blob:" + one.at))} == set()


def needs(server: Server, *names: str) -> None:
    """Skip where the server does not do these things."""
    missing = set(names) - set(server.ask("GET", "/what")[1]["can"])
    if missing:
        pytest.skip(f"this server does not {', '.join(sorted(missing))}")


def ids(server: Server, words: str, n: int = 5, **more: Any) -> list[int]:
    return [hit["id"] for hit in server.search(words, k=n, **more)["hits"]]


def give(page: Any, event: str, at: str, *files: tuple[str, str, bytes]) -> None:
    """Drop or paste files on an element."""
    page.evaluate(
        """([event, at, files]) => {
            const held = new DataTransfer();
            for (const [name, type, data] of files) {
                held.items.add(new File([Uint8Array.from(atob(data), c => c.charCodeAt(0))], name, { type }));
            }
            const place = document.querySelector(at);
            const init = { bubbles: true, cancelable: true };
            if (event === "paste") place.dispatchEvent(new ClipboardEvent("paste", { ...init, clipboardData: held }));
            else for (const one of ["dragenter", "dragover", "drop"]) {
                place.dispatchEvent(new DragEvent(one, { ...init, dataTransfer: held }));
            }
        }""",
        [event, at, [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files]],
    )


def test_words_are_answered_while_they_are_typed_and_only_the_last_count(tab, server):
    one = tab()
    page = one.open()
    page.type("#words", "a red circle", delay=15)
    one.shows(ids(server, "a red circle"))
    assert sum(url.endswith("/search") for url in one.asked) <= 2
    page.evaluate(
        """() => { const plain = fetch; window.fetch = (path, { signal, ...rest } = {}) => rest.body?.includes("blue")
            ? new Promise(done => setTimeout(done, 700)).then(() => plain(path, rest))
            : plain(path, { signal, ...rest }); }"""
    )
    page.fill("#words", "a blue bar")
    page.wait_for_timeout(300)
    page.fill("#words", "a green square")
    one.shows(ids(server, "a green square"))
    page.wait_for_timeout(700)  # the answer to what was asked before arrives
    one.shows(ids(server, "a green square"))


def test_all_pictures_stand_there_before_anything_is_asked_and_more_follow_below(tab, server):
    one = tab(width=500)
    page = one.open()
    assert page.inner_text("#status") == f"{server.ask('GET', '/what')[1]['held']['image']} items"
    page.mouse.wheel(0, 4000)
    until(page, "document.querySelectorAll('.tile').length > 48")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_that_is_dropped_or_pasted_finds_itself(tab, server, event):
    one = tab()
    page = one.open()
    wanted = next(item for item in server.ask("GET", "/items?k=100")[1]["items"] if item["path"] == "0007.png")
    data = (server.home / "Pictures" / "0007.png").read_bytes()
    give(page, event, "#drop-ask" if event == "drop" else "body", ("mine.png", "image/png", data))
    one.shows([wanted["id"]])
    assert page.inner_text(".chip") == "mine.png"
    page.click(".chip button")
    until(page, "!document.querySelector('.chip')")
    one.shows([1])


def test_the_page_is_chinese_where_the_browser_is_and_finds_by_chinese_words(tab, server):
    one = tab(locale="zh-CN")
    page = one.open()
    assert page.get_attribute("html", "lang") == "zh-Hans"
    assert page.get_attribute("#words", "placeholder") == "输入文字，或拖入一张图片"
    page.fill("#words", "红色圆形")
    one.shows(ids(server, "红色圆形"))
    assert "个结果" in page.inner_text("#status")
    page.click("#language")
    until(page, "document.documentElement?.lang === 'en'")
    one.shows(ids(server, "红色圆形"))
    assert page.evaluate("import('/page/words.js').then(words => words.complete())")


def test_letters_that_are_still_being_put_together_are_not_asked(tab):
    one = tab()
    page = one.open()
    page.evaluate(
        """() => { const box = document.getElementById("words"); box.focus();
            box.dispatchEvent(new CompositionEvent("compositionstart")); box.value = "hong";
            box.dispatchEvent(new InputEvent("input", { isComposing: true })); }"""
    )
    page.wait_for_timeout(350)
    assert not any(url.endswith("/search") for url in one.asked)


def test_a_filter_chooses_and_back_and_reload_keep_the_question(tab, server):
    needs(server, "filter")
    one = tab()
    page = one.open("#q=a+circle")
    page.click("#filters-open")
    page.get_by_label("Caption holds").fill("yellow")
    page.keyboard.press("Enter")
    one.shows(ids(server, "a circle", where=["caption~yellow"]))
    page.reload()
    one.shows(ids(server, "a circle", where=["caption~yellow"]))
    page.click("#filters-open")
    page.get_by_label("To", exact=True).fill("1999-12-31")
    page.wait_for_selector("text=/Nothing (that )?meets these filters/")
    page.click("text=Clear the filters")
    one.shows(ids(server, "a circle"))
    page.go_back()
    page.wait_for_selector("text=/Nothing (that )?meets these filters/")


def test_what_is_there_can_be_chosen_and_put_in_order_before_anything_is_asked(tab, server):
    needs(server, "filter")
    one = tab()
    page = one.open()
    page.click("#filters-open")
    assert not page.get_by_label("Only true matches").is_visible()
    page.get_by_label("Order").select_option("Newest first")
    newest = [item["id"] for item in server.ask("GET", "/items?state=searchable&k=48&sort=-date")[1]["items"]]
    one.shows(newest)
    assert newest != sorted(newest)
    page.get_by_label("Caption holds").fill("yellow")
    page.keyboard.press("Enter")
    chosen = server.ask("GET", "/items?state=searchable&k=48&sort=-date&where=caption~yellow")[1]["items"]
    until(page, lambda: one.found() == [item["id"] for item in chosen])
    assert page.inner_text("#status") == f"{len(chosen)} items"
    page.get_by_label("Caption holds").fill("nothing of this kind")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Nothing meets these filters")
    page.click("text=Clear the filters")
    one.shows(newest)


def test_nothing_matches_is_said_and_the_nearest_are_one_click_away(tab, server):
    needs(server, "reject")
    words = next(w for w in ("zzz qqq", "999", "xylophone concert", "@@@") if server.search(w, reject=0.1)["rejected"])
    one = tab()
    page = one.open(f"#q={words}")
    assert page.inner_text("#state h2") == "Nothing here matches"
    page.click("text=Show the nearest all the same")
    one.shows(ids(server, words))
    page.click("#filters-open")
    assert not page.get_by_label("Only true matches").is_checked()
    page.get_by_label("Only true matches").check()
    page.wait_for_selector("text=Nothing here matches")
    page.get_by_label("To", exact=True).fill("1999-12-31")
    page.wait_for_selector("text=Nothing that meets these filters matches")


def test_half_a_word_takes_no_answers_away_while_it_is_typed_and_is_said_to_match_nothing_afterwards(tab, server):
    needs(server, "reject")
    words = next(w for w in ("zzz qqq", "999", "xylophone concert", "@@@") if server.search(w, reject=0.1)["rejected"])
    one = tab()
    page = one.open("#q=a+red+circle")
    page.fill("#words", words)
    before = len(one.asked)
    until(page, lambda: any(url.endswith("/search") for url in one.asked[before:]))
    page.wait_for_timeout(300)
    assert page.is_hidden("#state")
    assert one.found()[:5] == ids(server, "a red circle")
    page.fill("#words", "a green square")  # the letters after it came in time
    one.shows(ids(server, "a green square"))
    page.fill("#words", words)
    page.wait_for_selector("text=Nothing here matches")
    assert one.found() == []


def test_what_nobody_can_judge_is_answered_all_the_same(tab, server):
    words = "zzz qqq - xylophone"
    assert server.search(words, reject=0.1, lenient=True)["judged"] is False
    status, told, _ = server.ask("POST", "/search", {"terms": [{"words": words}], "reject": 0.1})
    assert (status, told["error"]["code"]) == (422, "not_possible")
    one = tab()
    one.open("#q=zzz+qqq+-+xylophone")
    one.shows(ids(server, words))


@pytest.mark.parametrize(
    ("locale", "box", "several", "script", "alike"),
    [
        ("en-US", "Only true matches", "wanted one term", "too few captions in its script", "how alike"),
        ("zh-CN", "只要真正匹配的", "几项合起来", "说明太少", "要多像"),
    ],
)
def test_what_is_not_judged_is_said_with_the_reason_and_its_box_is_not_ticked(
    tab, server, locale, box, several, script, alike
):
    needs(server, "reject")
    one = tab(locale=locale)
    page = one.open("#q=999&sort=-date")
    page.click("#filters-open")
    only, order = page.get_by_label(box), page.locator("#filters select")
    assert [only.is_checked(), order.is_visible()] == [True, True]
    asked = {"q=a+circle+-red&sort=-date": several, "q=красный+круг&sort=-date": script, "like=9&sort=-date": alike}
    for question, said in asked.items():
        page.goto(f"{one.at}#{question}")
        page.locator("#status", has_text=said).wait_for()
        assert [only.is_checked(), only.is_disabled(), order.is_visible()] == [False, True, False]
    one.shows([9])


PLACES = """() => [...document.querySelectorAll(".tile:not(.waiting)")].map(one => {
    const box = one.getBoundingClientRect(); return [box.left, box.top, box.width, box.height]; })"""


def test_answers_stand_in_their_places_before_their_pictures_come_and_stay_there(tab):
    one = tab()
    held: list[Any] = []
    one.context.route("**/still?**", lambda route: held.append(route))
    one.page.goto(one.at + "#q=a+red+circle")
    until(one.page, "document.querySelectorAll('.tile:not(.waiting)').length >= 20")
    before = one.page.evaluate(PLACES)
    assert one.page.evaluate("[...document.images].every((one) => !one.src.includes('still') || !one.naturalWidth)")
    assert len({round(wide / high, 2) for _, _, wide, high in before}) >= 3
    for route in held:
        route.continue_()
    until(one.page, "[...document.querySelectorAll('.tile img')].every((one) => one.naturalWidth)")
    one.page.wait_for_timeout(300)
    assert one.page.evaluate(PLACES) == before


@pytest.mark.parametrize("known", [True, False], ids=["sizes known", "an older index"])
def test_pictures_keep_their_ratios_in_rows_that_end_at_one_edge(tab, known):
    one = tab()
    if not known:

        def older(route: Any) -> None:
            answer = route.fetch()
            told = answer.json()
            told["hits"] = [{**hit, "width": None, "height": None} for hit in told["hits"]]
            route.fulfill(response=answer, json=told)

        one.context.route("**/search", older)
    page = one.open("#q=a+red+circle")
    until(page, "[...document.querySelectorAll('.tile img')].slice(0, 20).every((one) => one.naturalWidth)")
    page.wait_for_timeout(300)
    boxes = page.eval_on_selector_all(
        ".tile",
        """all => all.slice(0, 20).map(one => { const box = one.getBoundingClientRect(), img = one.querySelector("img");
            return [box.width / box.height, img.naturalWidth / img.naturalHeight, box.top, box.right]; })""",
    )
    assert len({round(true, 2) for _, true, _, _ in boxes}) >= 3
    assert [shown for shown, _, _, _ in boxes] == pytest.approx([true for _, true, _, _ in boxes], rel=0.02)
    rows = sorted({top for _, _, top, _ in boxes})
    ends = [max(right for _, _, top, right in boxes if top == row) for row in rows[:-1]]
    assert max(ends) - min(ends) < 1


def test_nothing_jumps_while_answers_come(tab):
    page = tab().open()
    page.evaluate(
        """() => { window.moved = 0; const add = list => list.getEntries().forEach(one => window.moved += one.value);
            new PerformanceObserver(add).observe({ type: "layout-shift", buffered: true }); }"""
    )
    for words in ("a red circle", "a green bar"):
        before = page.inner_html("#grid")
        page.fill("#words", words)
        until(page, lambda before=before: page.inner_html("#grid") != before)
    page.wait_for_timeout(100)
    assert page.evaluate("moved") < 0.02  # "good" is below .1 (web.dev, Cumulative Layout Shift)


def test_more_and_less_are_marks_that_can_be_taken_away(tab, server):
    needs(server, "mark")
    one = tab()
    page = one.open("#q=a+red+circle")
    first, second = one.found()[:2]
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("m")
    page.wait_for_selector(f"[aria-label='Remove: more like no. {first}']")
    page.locator(".tile .face").nth(one.found().index(second)).focus()
    page.keyboard.press("n")
    page.wait_for_selector(f"[aria-label='Remove: not like no. {second}']")
    assert f"more={first}&less={second}" in page.url
    for left in (1, 0):
        page.click(".chip button >> nth=0")
        until(page, lambda left=left: page.locator(".chip").count() == left)
    one.shows(ids(server, "a red circle"))
    assert page.url.endswith("#q=a+red+circle")


def test_marks_set_faster_than_they_are_kept_all_count(tab, server):
    needs(server, "mark")
    one = tab()
    page = one.open("#q=a+green+bar")
    first, second = one.found()[:2]
    page.evaluate(
        """() => [...document.querySelectorAll(".tile .face")].slice(0, 2).forEach((face) => {
            face.focus();
            face.dispatchEvent(new KeyboardEvent("keydown", { key: "m", bubbles: true }));
        })"""
    )
    until(page, lambda: f"more={first}%2C{second}" in page.url)
    for left in (1, 0):  # what is kept counts for whoever asks next
        page.click(".chip button >> nth=0")
        until(page, lambda left=left: page.locator(".chip").count() == left)


def test_by_keyboard_alone(tab, server):
    one = tab()
    page = one.open()
    focus = "document.activeElement"
    page.keyboard.press("/")
    page.keyboard.type("a red circle")
    found = ids(server, "a red circle", 20)
    one.shows(found)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(f"{focus}.closest('.tile').dataset.id") == str(found[2])
    page.keyboard.press("ArrowDown")
    below = page.evaluate(f"{focus}.closest('.tile').getBoundingClientRect().top")
    assert below > page.evaluate("document.querySelector('.tile').getBoundingClientRect().top")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_selector("#viewer[open]")
    page.keyboard.press("ArrowRight")
    until(page, f"document.querySelector('.frame img').src.includes('/media/{found[1]}/')")
    for _ in range(12):
        page.keyboard.press("Tab")
        assert page.evaluate(f"{focus} === document.body || document.getElementById('viewer').contains({focus})")
    page.keyboard.press("Escape")
    until(page, "!document.querySelector('dialog[open]')")
    until(page, f"{focus}.closest('.tile')?.dataset.id === '{found[1]}'")
    until(page, lambda: "open=" not in page.url)


def test_the_focus_is_seen_wherever_it_goes(tab):
    page = tab().open("#q=a+red+circle")
    seen = set()
    for _ in range(16):
        page.keyboard.press("Tab")
        at, outline = page.evaluate(
            """() => { const on = document.activeElement, box = on.id === "words" ? on.closest(".ask") : on;
                const style = getComputedStyle(box);
                const line = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
                return [on.id || on.className, box === on ? line : style.boxShadow !== "none"]; }"""
        )
        assert outline or not at, f"no focus is seen on {at}"
        seen.add(at)
    assert {"skip", "words", "about-open", "theme"} <= seen


HEARD = {"low": (250, (30, 30, 200)), "middle": (500, (30, 200, 30)), "shrill": (1300, (220, 30, 30))}
"""By name: a pitch in Hz, and the color of a third of the picture: the left one, the middle, the right."""


def seen(name: str) -> np.ndarray:
    """A picture of a name, 96 x 48."""
    picture = np.full((48, 96, 3), 20, np.uint8)
    place = 32 * list(HEARD).index(name)
    picture[:, place : place + 32] = HEARD[name][1]
    return picture


def heard_and_seen(stem: Path, film: str, *parts: tuple[str, float]) -> tuple[str, str]:
    """A sound and a film, whose name ends so, of parts: (name, seconds)."""
    sounds, films = stem.with_suffix(".wav"), stem.with_suffix(film)
    times = [np.arange(int(16000 * seconds)) / 16000 for _, seconds in parts]
    tones = [0.5 * np.sin(2 * np.pi * HEARD[name][0] * time) for (name, _), time in zip(parts, times, strict=True)]
    write_sound(sounds, np.concatenate(tones))
    frames = [np.stack([seen(name)] * int(10 * seconds)) for name, seconds in parts]
    write_video(films, np.concatenate(frames), codec="libvpx" if film == ".webm" else "mpeg4", gop=10)
    return str(sounds), str(films)


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server over sounds and films of 12 seconds, each of which is shrill, and red, from second 6 to 8."""
    home = tmp_path_factory.mktemp("moments")
    for folder in ("learned", "Media"):
        (home / folder).mkdir()
    names = [name for name in HEARD for _ in range(4)]
    files = [heard_and_seen(home / "learned" / str(i), ".mp4", (name, 2)) for i, name in enumerate(names)]
    views = chiasm.Views.of(
        {
            "text": [f"{name} thing {i}" for i, name in enumerate(names)],
            "sound": [sound for sound, _ in files],
            "film": [film for _, film in files],
        },
        {"text": "text", "sound": "audio", "film": "video"},
        split=["val" if i % 4 == 3 else "train" for i in range(len(names))],
    )
    encoders = {"text": "hashed_text", "sound": "mel_audio", "film": "pixels_video"}
    model = Retrieve(encoders=encoders, align="cca").fit(views)
    heard_and_seen(home / "Media" / "long", ".webm", ("low", 6), ("shrill", 2), ("middle", 4))
    heard_and_seen(home / "Media" / "short", ".webm", ("low", 2))
    Collection.build(home / "p.index", model, home / "Media")
    made = start(home)
    yield made
    made.process.terminate()
    made.process.wait(20)


PLAYED = "document.querySelector('#viewer audio, #viewer video')"
PLAYS = f"({PLAYED}?.readyState > 1 && !{PLAYED}.paused && {PLAYED}.currentTime)"


@pytest.mark.parametrize(("kind", "tag"), [("audio", "audio"), ("video", "video")])
def test_a_moment_is_found_plays_from_its_second_and_opens_there_again(tab, moments, kind, tag):
    one = tab(moments)
    page = one.open(f"#q=shrill+thing&kind={kind}")
    assert page.inner_text(".tile .moment >> nth=0") == "0:06–0:08"
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    until(page, f"({PLAYS}) >= 6")
    assert page.evaluate(PLAYS) < 8
    assert "0:06 to 0:08" in page.inner_text("#viewer")
    assert page.locator(f"#viewer {tag}").get_attribute("src").endswith("#t=6,8")
    assert "@6.00" in page.url
    until(page, f"{PLAYED}.paused")  # at its end
    assert page.evaluate(f"{PLAYED}.currentTime") == pytest.approx(8, abs=0.5)
    page.reload()
    page.wait_for_selector("#viewer[open]")
    assert page.locator(f"#viewer {tag}").get_attribute("src").endswith("#t=6,8")


def test_more_like_a_moment_asks_with_that_moment(tab, moments):
    one = tab(moments)
    page = one.open("#kind=video&q=shrill+thing")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.click("#viewer >> text=Only what is like this")
    until(page, "document.querySelector('#chips .chip .text')?.textContent === '0:06'")
    until(page, "document.querySelector('.tile .moment')?.textContent === '0:06–0:08'")
    found = moments.ask("POST", "/search", {"terms": [{"item": one.found()[0], "start": 6.0}], "to": "film", "k": 1})
    hit = found[1]["hits"][0]
    assert (hit["start"], hit["score"]) == (6.0, pytest.approx(1, abs=1e-3))


def test_which_kind_is_searched_is_seen_and_the_others_are_one_press_away(tab, moments):
    one = tab(moments)
    page = one.open()
    pressed = page.locator("#kinds [aria-pressed=true]")
    buttons = page.locator("#kinds button")
    assert buttons.all_inner_texts() == ["All", "Sounds", "Videos"]
    assert pressed.inner_text() == "All"
    buttons.nth(2).click()
    until(page, lambda: page.inner_text("#status") == "2 items" and pressed.inner_text() == "Videos")
    page.fill("#words", "shrill thing")
    until(page, lambda: buttons.all_inner_texts() == ["Sounds", "Videos"] and pressed.inner_text() == "Videos")
    until(page, "document.querySelector('.tile .moment')?.textContent === '0:06–0:08'")
    found = one.found()
    buttons.nth(0).press("Enter")
    until(page, lambda: one.found() and one.found() != found and pressed.inner_text() == "Sounds")
    page.fill("#words", "")
    until(page, lambda: pressed.inner_text() == "Sounds" and page.inner_text("#status") == "2 items")


def test_stills_of_moments_are_pictures_of_their_seconds(moments):
    hits = moments.search("shrill thing", to="film", k=9)["hits"]
    held = {hit["start"]: hit["id"] for hit in hits if hit["start"] is not None}
    for at, color in ((7.0, "shrill"), (1.0, "low"), (11.0, "middle")):
        status, data, _ = moments.ask("GET", f"/media/{held[6.0]}/still?side=200&at={at}")
        picture = Image.open(io.BytesIO(data))
        assert (status, picture.size) == (200, (96, 48))
        assert picture.getpixel((16 + 32 * list(HEARD).index(color), 24)) == pytest.approx(HEARD[color][1], abs=25)
    assert moments.ask("GET", f"/media/{held[6.0]}/still?at=99")[0] == 404
    for wrong in ("-1", "nan", "inf", "x"):
        assert moments.ask("GET", f"/media/{held[6.0]}/still?at={wrong}")[0] == 422


def test_a_second_at_which_there_is_no_moment_is_refused(moments):
    films = moments.ask("GET", "/items?where=kind=video")[1]["items"]
    long, short = (next(one["id"] for one in films if Path(one["path"]).stem == name) for name in ("long", "short"))
    for item, second, wanted in ((long, 12.5, "ends"), (short, 0.5, "with moments")):
        for path, body in (
            ("/search", {"terms": [{"item": item, "start": second}], "to": "film"}),
            ("/explain", {"terms": [{"words": "shrill thing"}], "id": item, "start": second}),
        ):
            status, answer, _ = moments.ask("POST", path, body)
            assert (status, wanted in answer["error"]["message"]) == (422, True), answer


def test_why_a_moment_answers_is_told_of_that_moment(moments):
    found = moments.search("shrill thing", to="sound", k=1)["hits"][0]
    ask = {"terms": [{"words": "shrill thing"}], "id": found["id"]}
    told = {start: moments.ask("POST", "/explain", {**ask, "start": start}) for start in (6.0, 0.0)}
    assert [status for status, _, _ in told.values()] == [200, 200]
    assert [word["word"] for word in told[6.0][1]["why"]["words"]] == ["shrill", "thing"]
    assert told[6.0][1] != told[0.0][1]


def test_long_files_count_once_and_sounds_stand_in_low_rows_that_a_phone_shows_whole(tab, moments):
    one = tab(moments, width=375)
    page = one.open()
    assert page.inner_text("#status") == "4 items"
    page = one.open("#q=shrill+thing&kind=audio")
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate("document.querySelector('#ask').getBoundingClientRect().right") <= 375 - 8
    boxes = page.eval_on_selector_all(".tile", "all => all.map(one => one.getBoundingClientRect().height)")
    assert max(boxes) < 100
    apart = page.evaluate(
        """() => { const [name, time] = [".caption", ".moment"].map(one => { const range = document.createRange();
            range.selectNodeContents(document.querySelector(".tile:has(.moment) " + one));
            return range.getBoundingClientRect(); }); return time.top - name.bottom; }"""
    )
    assert apart > -2


def test_why_is_told_and_drawn_or_said_to_be_withheld(tab, server):
    needs(server, "explain")
    one = tab()
    page = one.open("#q=a+red+circle")
    page.locator(".face").first.click()
    page.click("#viewer >> text=Why")
    page.wait_for_selector(".told :is(mark, .quiet:not([role]))")
    answer = server.ask("POST", "/explain", {"terms": [{"words": "a red circle"}], "id": one.found()[0]})[1]["why"]
    assert page.eval_on_selector_all(".told mark", "all => all.map(one => one.textContent)") == [
        word["word"] for word in answer.get("words", [])
    ]
    assert page.locator(".frame .outline").count() == ("region" in answer)
    for reason in answer.get("withheld", {}).values():
        assert reason in page.inner_text(".told")


def test_a_name_is_taught_from_selected_pictures_listed_and_forgotten(tab, server):
    needs(server, "teach")
    page = tab().open("#q=a+red+circle")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.locator(".tile .pick").nth(4).click(modifiers=["Shift"])
    assert "5 selected" in page.inner_text("#picked")
    page.click("#picked .strong")
    page.fill("#name", "rex")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=“rex” is known now.")
    assert re.search(
        r"Taught by 5 files.\s+Each searched for by the others, among \d+ files: ", page.inner_text("#teach")
    )
    assert not re.search("median_rank|first_10|by luck", page.inner_text("#teach"))
    page.keyboard.press("Escape")
    assert [one["name"] for one in server.ask("GET", "/names")[1]] == ["rex"]
    page.click("#names-open")
    page.get_by_label("Forget: rex").click()
    page.get_by_label("Forget: rex").click()
    page.wait_for_selector("text=No name was taught yet")
    assert server.ask("GET", "/names")[1] == []


def test_files_are_added_with_a_line_each_and_what_fails_says_why(tab, server):
    needs(server, "add")
    page = tab().open()
    picture = server.home / "added.png"
    Image.new("RGB", (90, 60), "purple").save(picture)
    files = [("added.png", "image/png", picture.read_bytes()), ("bad.png", "image/png", b"none")]
    files.append(("note.txt", "text/plain", b"words"))
    give(page, "drop", "#drop-add", *files)
    until(page, "document.querySelectorAll('.tray .plain').length === 1")
    page.wait_for_selector(".tray .wrong")
    until(page, "document.querySelectorAll('.tray .wrong').length === 2")
    wrong = page.locator(".tray li:has(.wrong)").all_inner_texts()
    assert any("bad.png" in one for one in wrong)
    assert any("note.txt" in one and "no picture, sound or video" in one for one in wrong)
    page.click(".tray .plain")
    page.wait_for_selector("#viewer[open] >> text=added.png")


def test_what_is_nearly_the_same_is_folded_and_opens(tab, server):
    hits = server.search("a red circle", k=100)["hits"]
    if not any(hit["alike"] for hit in hits):
        pytest.skip("this server folds nothing")
    page = tab().open("#q=a+red+circle")
    page.locator(".alike").first.click()
    page.wait_for_selector("#viewer .strip button")


def test_an_error_is_said_with_its_number_and_can_be_tried_again(tab, server):
    one = tab()
    page = one.open("#like=999999")
    said = page.inner_text("#state")
    assert re.search(r"That did not work\s+there is no such item.* Request [0-9a-f]{12}\s+Try again", said, re.DOTALL)
    page.goto(one.at + "#upload=nothing+image+x.png")
    page.wait_for_selector("text=sent too long ago")
    one.context.set_offline(True)
    page.fill("#words", "a red circle")
    page.wait_for_selector("text=The server cannot be reached.")
    one.context.set_offline(False)
    page.click("text=Try again")
    page.click(".chip button")
    one.shows(ids(server, "a red circle"))
    assert all("Failed to load resource" in told for told in one.wrong)
    one.wrong.clear()


def test_errors_are_chinese_where_the_page_is(tab, server):
    one = tab(locale="zh-CN")
    page = one.open("#like=999999")
    said = page.inner_text("#state")
    assert re.search(r"没有成功\s+没有这一项，或其文件已不在。 请求 [0-9a-f]{12}\s+重试", said, re.DOTALL)
    if "add" in server.ask("GET", "/what")[1]["can"]:
        give(page, "drop", "#drop-add", ("bad2.png", "image/png", b"none at all"))
        page.wait_for_selector(".tray .wrong")
        assert page.inner_text(".tray .wrong") == "不是可读的图片"
    page.click("#about-open")
    page.click("text=失败的文件")
    page.wait_for_selector(".lines >> text=不是可读的图片")
    one.wrong = [told for told in one.wrong if "404" not in told]


def test_every_reason_of_the_server_is_known_in_chinese_and_an_unknown_one_is_said_as_it_came(tab):
    page = tab(locale="zh-CN").open()
    codes = {
        code
        for file in (PAGE.parent).glob("*.py")
        for code in re.findall(r'(?:Refusal\(\d+|\b4\d\d), "(\w+)"|\d{3}: "(\w+)"', file.read_text())
        for code in code
        if code
    }
    assert {"busy", "item", "too_large", "not_possible", "method"} <= codes
    said = page.evaluate(
        "codes => import('/page/words.js').then(({ sent }) => codes.map(one => sent('as it came', one)))",
        [*sorted(codes), "a new one"],
    )
    assert [
        (code, one) for code, one in zip(sorted(codes), said, strict=False) if not re.match("[\u4e00-\u9fff]", one)
    ] == []
    assert said[-1] == "as it came"


def test_the_ledger_and_the_report_are_one_click_away(tab, server):
    one = tab()
    page = one.open()
    page.click("#about-open")
    page.wait_for_selector(".numbers")
    ledger = server.ask("GET", "/ledger")[1]
    told = page.eval_on_selector_all(".numbers dd", "all => all.map(one => Number(one.textContent))")
    assert told == [ledger[name] for name in ("seen", "searchable", "failed", "waiting")]
    page.click("text=Files that failed")
    page.wait_for_selector(".lines >> text=broken.png")
    if server.ask("GET", "/report")[0] == 404:
        one.wrong = [told for told in one.wrong if "404" not in told]


def told(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.05, "high": value + 0.05}


SCORE = {
    "directions": [
        {"from": "text", "to": "image", "from_modality": "text", "to_modality": "image", "queries": 200, "gallery": 300}
        | {"R@1": told(0.3), "R@5": told(0.5), "R@10": told(0.6), "chance": {"R@1": 0.003, "R@5": 0.02, "R@10": 0.03}}
    ]
}


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_the_model_says_how_often_it_is_right_what_it_learned_from_and_what_it_cannot(tab, server, tmp_path, locale):
    model = {name: server.ask("GET", "/report")[1]["model"][name] for name in ("kind", "name", "params", "aligner")}
    (tmp_path / "score.json").write_text(json.dumps({**SCORE, "model": model}))
    served = start(server.home, "--score", str(tmp_path / "score.json"))
    try:
        page = tab(served, locale=locale).open()
        page.click("#about-open")
        page.wait_for_selector(".scores")
        cells = page.eval_on_selector_all(".scores tbody td", "all => all.map(one => one.textContent)")
        assert cells == ["30 [25, 35]", "50 [45, 55]", "60 [55, 65]", "0.3", "2", "3"]
        learned, cannot = page.eval_on_selector_all(".said", "all => all.map(one => one.innerText)")
        assert "64" in learned  # of 96 rows those that are no validation rows
        assert "40 [35, 45]" in cannot  # of 100 that are not among the first 10
        said = [*page.eval_on_selector_all(".scores th", "all => all.map(one => one.textContent)"), learned, cannot]
        english = [one for one in said if re.search("[A-Za-z]{2}", one)]
        assert english == (said if locale == "en-US" else [])
        assert not page.evaluate("document.querySelector('#about details:last-of-type').open")
    finally:
        served.process.terminate()
        served.process.wait(20)


def test_how_much_of_a_hit_its_caption_was_is_told(tab, server):
    hits = server.search("a red circle", k=48)["hits"]
    place, hit = next((i, hit) for i, hit in enumerate(hits) if hit["why"].get("caption", {}).get("share", 0) > 0)
    page = tab().open("#q=a+red+circle&all=1")
    page.locator(".face").nth(place).click()
    share = round(100 * hit["why"]["caption"]["share"])
    page.wait_for_selector(".names")
    assert page.eval_on_selector_all(".names li", "all => all.map(one => one.innerText.trim())")[:2] == [
        f"caption {share} %",
        f"picture {100 - share} %",
    ]


def test_who_has_no_token_is_asked_for_it(tab, server, tmp_path):
    token = Tokens(tmp_path / "tokens.json").add("anna", ["read"])
    served = start(server.home, "--tokens", str(tmp_path / "tokens.json"))
    try:
        one = tab(served)
        page = one.page
        page.goto(one.at + "#q=a+red+circle")
        page.fill("#token", "nonsense")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=that token is not good here")
        page.fill("#token", token)
        page.keyboard.press("Enter")
        one.shows(ids(server, "a red circle"))
        assert not page.is_visible("#add")
        page.click("#about-open")
        page.click("text=Log out")
        page.wait_for_selector("#token")
        assert all("401" in told or "404" in told for told in one.wrong)
        one.wrong.clear()
    finally:
        served.process.terminate()
        served.process.wait(20)


def test_every_route_is_described_without_the_network(tab, server):
    one = tab(width=375)
    one.page.goto(one.at + "docs")
    one.page.wait_for_selector("#described section")
    told = one.page.eval_on_selector_all("#described h2", "all => all.map(one => one.textContent)")
    paths = server.ask("GET", "/openapi.json")[1]["paths"]
    shown = one.page.inner_text("#post-items pre")
    assert f"-X POST '{one.at}items?name=cat.jpg'" in shown
    assert sorted(told) == sorted(f"{method.upper()} {path}" for path, held in paths.items() for method in held)
    assert one.page.evaluate("document.documentElement.scrollWidth") == 375
    assert one.page.inner_text("h1") == "The routes of this server"
    chinese = tab(locale="zh-CN")
    chinese.page.goto(chinese.at + "docs")
    assert chinese.page.inner_text("h1") == "服务器接口"
    assert chinese.page.locator("main > p:visible").count() == 1


def states(tab: Any, **options: Any) -> Iterator[tuple[str, Any]]:
    """The page as it is looked at: asked, filtered, one item large, about, an error."""
    one = tab(**options)
    marks = "&more=2&less=5" if "mark" in one.server.ask("GET", "/what")[1]["can"] else ""
    page = one.open(f"#q=a+red+circle{marks}")
    if page.is_visible("#filters-open"):
        page.click("#filters-open")
    page.locator(".tile").nth(1).hover()
    yield "asked", page
    page.locator(".face").nth(1).click()
    page.wait_for_selector("#viewer[open]")
    yield "large", page
    page.keyboard.press("Escape")
    page.click("#about-open")
    page.wait_for_selector(".numbers")
    until(page, "!document.querySelector('#about').textContent.match(/Looking…|正在查找/)")
    yield "about", page
    page.keyboard.press("Escape")
    page.goto(one.at + "#like=999999")
    page.wait_for_selector(".state.bad")
    yield "error", page
    one.wrong = [told for told in one.wrong if "404" not in told]


PAINTED = """() => {
    const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const rgba = color => { pen.clearRect(0, 0, 1, 1); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data].map((v, i) => i === 3 ? v / 255 : v); };
    const top = document.querySelector("dialog[open]") || document.body, told = [];
    for (const one of top.querySelectorAll("*")) {
        const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
        if (!own && !one.matches("input:not([type=checkbox], [type=file])")) continue;
        if (!one.checkVisibility({ opacityProperty: true }) || one.closest("option, .unseen, .skip")) continue;
        const grounds = [];
        for (let at = one; at; at = at.parentElement) {
            if (at.matches(".face")) { grounds.push("picture"); break; }
            const ground = rgba(getComputedStyle(at).backgroundColor);
            if (ground[3]) grounds.push(ground);
            if (ground[3] === 1) break;
        }
        told.push([one.textContent.slice(0, 40) || one.id || one.type, rgba(getComputedStyle(one).color), grounds]);
    }
    return told;
}"""


def luminance(color: list[float]) -> float:
    """Of WCAG 2: linear light, weighted."""
    linear = [v / 12.92 if (v := c / 255) <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(ink: list[float], grounds: list[Any]) -> float:
    """(lighter + .05) / (darker + .05); a picture may be white or black under what lies on it."""
    worst = 21.0
    for picture in ([255, 255, 255, 1], [0, 0, 0, 1]) if "picture" in grounds else ([0, 0, 0, 1],):
        ground = [255.0, 255.0, 255.0]
        for layer in reversed([picture if one == "picture" else one for one in grounds]):
            ground = [layer[3] * new + (1 - layer[3]) * old for new, old in zip(layer[:3], ground, strict=True)]
        written = [ink[3] * new + (1 - ink[3]) * old for new, old in zip(ink[:3], ground, strict=True)]
        high, low = sorted([luminance(written), luminance(ground)], reverse=True)
        worst = min(worst, (high + 0.05) / (low + 0.05))
    return worst


def test_the_formula_of_contrast_is_the_known_one():
    assert contrast([0, 0, 0, 1], [[255, 255, 255, 1]]) == pytest.approx(21)
    assert contrast([119, 119, 119, 1], [[255, 255, 255, 1]]) == pytest.approx(4.48, abs=0.01)
    assert contrast([255, 255, 255, 1], [[0, 0, 0, 0.5], "picture"]) == pytest.approx(3.95, abs=0.1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_themes(tab, scheme):
    texts = 0
    for state, page in states(tab, color_scheme=scheme):
        painted = page.evaluate(PAINTED)
        texts += len(painted)
        faint = [(text, round(contrast(ink, grounds), 2)) for text, ink, grounds in painted]
        assert [one for one in faint if one[1] < 4.5] == [], state
    assert texts > 25


def test_the_theme_can_be_turned_and_is_kept(tab):
    one = tab(color_scheme="light")
    page = one.open()
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.click("#theme")
    dark = page.evaluate(ground)
    page.reload()
    assert page.evaluate(ground) == dark != light


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_control_has_a_name_and_a_phone_needs_no_scrolling_aside(tab, locale):
    for state, page in states(tab, width=375, locale=locale):
        assert page.evaluate("document.documentElement.scrollWidth") == 375, state
        top = page.locator("dialog[open]" if page.locator("dialog[open]").count() else "body")
        tree = top.aria_snapshot()
        controls = "button|textbox|searchbox|combobox|checkbox|link|dialog|img"
        nameless = re.findall(rf"^\s*- (?:{controls})(?::|$)", tree, re.MULTILINE)
        assert nameless == [], (state, tree)
        roles = set(re.findall(r"- (\w+)", tree))
        assert "button" in roles


def test_the_page_holds_no_script_style_or_asset_of_elsewhere_and_its_files_are_short():
    for file in PAGE.iterdir():
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, file.name
        assert not re.search(r"""(?:src|href|url\(|from|import\()\s*=?\s*["']?(?:https?:)?//""", text), file.name
        if file.suffix == ".html":
            assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", text), file.name
