"""The page of all results: what it holds, in a browser and without one."""

import json
import re
import subprocess
import sys
import time
from urllib.parse import unquote

import pytest
from browser import SWITCH, Browser, find_browser
from PIL import Image
from some_results import SETS, make_experiment, make_results
from tiny_sets import make_set

from simtailor.browse.page import refresh_page, write_page, written_lately

MANY = 10_000


def data_of(page):
    """Return what a page was given to draw."""
    text = page.read_text()
    return json.loads(re.search(r'<script id="data"[^>]*>(.*?)</script>', text, re.DOTALL)[1])


def entries(page):
    """Return the entries by section."""
    return {one["name"]: one["entries"] for one in data_of(page)["sections"]}


@pytest.fixture
def results(tmp_path):
    return make_results(tmp_path / "results")


def test_every_result_is_on_the_page_and_every_file_of_it_there(results):
    page = write_page(results)
    found = entries(page)
    assert list(found) == [
        "metasim", "datasets", "reward_db", "recommendations", "sets", "tasks",
    ]  # fmt: skip
    assert not data_of(page)["problems"]
    experiment = found["metasim"][0]
    assert [one["epoch"] for one in experiment["epochs"]] == [0, 2, 5]
    assert [one["title"] for one in found["sets"]] == ["backgr=0", "backgr=1"]
    explored = found["recommendations"][1]
    assert (explored["verdict"], explored["tables"][0]["rows"]) == ("use it", [[SETS[1], 80, 79]])
    files = [*experiment["target"], *(i for one in experiment["epochs"] for i in one["images"])]
    for one in (one for section in found.values() for one in section):
        files += [figure["file"] for figure in one.get("figures", [])]
        files += [one["files"], *([one["gallery"]] if "gallery" in one else [])]
    assert len(files) > 15
    assert all((results / unquote(file)).exists() for file in files)
    text = page.read_text()
    assert "fetch(" not in text
    outside = set(re.findall(r"https?://[\w./]+", text))
    assert outside == {"http://www.w3.org/2000/svg"}  # a name, which nothing reads


def test_a_result_that_is_not_whole_is_named_and_the_others_are_shown(results):
    (results / "task2sim/sets" / SETS[0] / "manifest.json").write_text("{")
    (results / "metasim/empty").mkdir()
    page = write_page(results)
    problems = data_of(page)["problems"]
    assert len(problems) == 2
    assert "metasim/empty cannot be shown" in problems[0]
    assert [one["id"] for one in entries(page)["sets"]] == SETS[1:]


def test_text_of_results_cannot_end_the_pages_data(tmp_path):
    words = "</script><script>alert(1)</script>"
    make_experiment(tmp_path / "metasim/a", words)
    page = write_page(tmp_path)
    assert "alert(1)</script>" not in page.read_text()
    assert entries(page)["metasim"][0]["description"] == words


def test_sheets_are_made_once_and_those_of_former_sets_go(results):
    gallery = results / entries(write_page(results))["datasets"][0]["gallery"]
    sheet = Image.open(gallery.with_name("000.jpg"))
    assert sheet.getpixel((32, 10))[0] < 20  # the first picture is black, the second grey
    assert 60 < sheet.getpixel((96, 10))[0] < 100
    mask = Image.open(gallery.with_name("000.png")).convert("RGBA")
    assert mask.getpixel((32, 20))[:3] == (230, 159, 0)
    assert mask.getpixel((2, 2))[3] == 0
    written = gallery.stat().st_mtime_ns
    set_gallery = results / entries(write_page(results))["sets"][0]["gallery"]
    assert gallery.stat().st_mtime_ns == written
    folder = results / "task2sim/sets" / SETS[0]
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    make_set(folder, seed=3)
    write_page(results)
    assert not set_gallery.exists()
    assert len(list((results / "index/galleries").iterdir())) == 3


def test_jobs_that_end_at_once_leave_a_whole_page(results):
    code = f"from simtailor.browse.page import write_page\nwrite_page({str(results)!r})"
    jobs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [job.wait() for job in jobs] == [0, 0]
    assert len(entries(results / "index.html")) == 6
    assert not [p for p in results.rglob("*staging*") if p.exists()]


def test_of_many_jobs_only_some_write_the_page(results, monkeypatch):
    assert not written_lately(results)
    page = write_page(results)
    took = float((results / "index/.seconds").read_text())
    assert written_lately(results)  # by a job that ended just now
    later = page.stat().st_mtime + took / 0.05 + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert not written_lately(results)


def test_a_page_that_cannot_be_written_costs_no_result(tmp_path):
    (tmp_path / "results").write_text("a file")
    said = []
    refresh_page(tmp_path / "results", said.append)
    assert "index.html was not written" in said[0]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A browser at a page with a large data set."""
    program = find_browser()
    if program is None:
        pytest.skip(f"no Chromium is here; {SWITCH} names one")
    folder = tmp_path_factory.mktemp("browser")
    results = make_results(folder / "results", MANY)
    with Browser(program, folder / "profile") as browser:
        browser.open(write_page(results).as_uri())
        yield browser
        assert not browser.complaints


def go(page, address, wanted):
    page.run(f"location.hash = {address!r}")
    page.wait(f"document.querySelector({wanted!r})")


def loaded(page):
    """Wait until every picture in view is there."""
    page.wait("[...document.images].every((one) => one.loading === 'lazy' || one.naturalWidth)")


def test_the_slider_moves_through_the_epochs_by_the_keyboard(page):
    go(page, "#metasim/slipper", "#epoch")
    label = "document.getElementById('epoch-label').textContent"
    first = "document.querySelector('#epoch-images img').src"
    assert page.run(label) == "epoch 5, taken, discrepancy 0.5"
    page.run("document.getElementById('epoch').focus()")
    page.press("Home")
    assert page.run(label) == "epoch 0, the start, discrepancy 3"
    assert "epoch_0000" in page.run(first)
    page.press("ArrowRight")
    assert page.run(label).startswith("epoch 2,")
    assert "epoch_0002" in page.run(first)
    page.wait("document.querySelector('#epoch-images img').naturalWidth === 8")
    ticks = page.run("document.querySelector('figure svg').getAttribute('aria-label')")
    assert ticks == "yaw: start 180 ± 10, target 90 ± 10, recovered 91 ± 9"


def test_the_heat_map_sorts_by_click_and_key_and_leads_to_sets_and_tasks(page):
    go(page, "#reward_db/reward_db", "#heat-rows")
    rows = "[...document.querySelectorAll('#heat-rows th')].map((one) => one.textContent)"
    page.run("document.querySelector('[data-by=digits]').click()")
    assert page.run(rows) == SETS[::-1]
    page.run("document.querySelector('[data-by=faces]').focus()")
    page.press("Enter")
    assert page.run(rows) == SETS
    sort = "document.querySelector('[data-by=faces]').closest('th').getAttribute('aria-sort')"
    assert page.run(sort) == "descending"
    page.press("Enter")
    assert (page.run(rows), page.run(sort)) == (SETS[::-1], "ascending")
    assert page.run("document.querySelector('.heat thead a').hash") == "#tasks/digits"
    page.run("document.querySelector('#heat-rows a').click()")
    page.wait(f"document.title.includes('backgr=1') && location.hash === '#sets/{SETS[1]}'")


def test_ten_thousand_pictures_are_there_at_once_with_masks_and_boxes(page):
    began = time.monotonic()
    go(page, "#datasets/slipper", ".thumb")
    assert time.monotonic() - began < 5
    assert page.run("document.querySelector('output').textContent") == "10,000 pictures"
    count = "document.querySelectorAll('.thumb').length"
    assert page.run(count) < 1000
    before = page.run(count)
    page.run("scrollTo(0, document.body.scrollHeight)")
    page.wait(f"{count} > {before}")
    shown = "getComputedStyle(document.querySelector('.thumb {}')).display"
    for place, part in enumerate("ib"):  # the mask, the box
        assert page.run(shown.format(part)) == "none"
        page.run(f"document.querySelectorAll('input[type=checkbox]')[{place}].click()")
        assert page.run(shown.format(part)) == "block"
    choice = "document.getElementById('class-choice')"
    page.run(f"{choice}.value = 'box'; {choice}.dispatchEvent(new Event('change'))")
    assert page.run("document.querySelector('output').textContent") == "0 pictures"
    page.run(f"{choice}.value = ''; {choice}.dispatchEvent(new Event('change'))")
    page.run("document.querySelector('.thumb').focus()")
    page.press("Enter")
    page.wait("document.getElementById('large').open")
    assert (
        page.run("getComputedStyle(document.querySelector('#large .thumb i')).display") == "block"
    )
    page.press("Escape")
    page.wait("!document.getElementById('large').open")


def test_two_sets_stand_side_by_side_and_are_chosen_by_parameter(page):
    go(page, f"#sets/{SETS[0]}", ".thumb")
    second = "document.getElementById('second-set')"
    page.run(f"{second}.selectedIndex = 1; {second}.dispatchEvent(new Event('change'))")
    page.wait("document.querySelectorAll('.sides section').length === 2")
    names = "[...document.querySelectorAll('.sides section > p a')].map((one) => one.textContent)"
    assert page.run(names) == SETS
    select = "document.querySelector('[data-parameter=backgr]')"
    page.run(f"{select}.value = 1; {select}.dispatchEvent(new Event('change'))")
    assert page.run(names) == [SETS[1], SETS[1]]


def test_keys_walk_through_the_results_and_the_recommendation_has_its_command(page):
    go(page, "#reward_db/reward_db", "#heat-rows")
    page.press("n")
    page.wait("location.hash === '#recommendations/digits' && document.querySelector('code')")
    assert SETS[1] in page.run("document.querySelector('code').textContent")
    loaded(page)
    page.press("p")
    page.wait("document.querySelector('#heat-rows')")
    page.press("/")
    assert page.run("document.activeElement.id") == "find"
    page.press("d")
    page.press("i")
    page.press("g")
    assert page.run("[...document.querySelectorAll('nav a')].map((one) => one.textContent)") == [
        "digits", "digits, tried", "digits",
    ]  # fmt: skip
    page.run("document.getElementById('find').value = ''")


def test_the_page_is_light_and_dark_as_the_reader_wants_it(page, tmp_path):
    go(page, "#metasim/slipper", "#epoch")
    shades = []
    for dark in (False, True):
        page.dark(dark)
        page.screenshot(tmp_path / "page.png")
        seen = Image.open(tmp_path / "page.png").convert("L")
        shades.append(seen.resize((1, 1), Image.Resampling.BOX).getpixel((0, 0)))
    light, dark = shades
    assert light > 200
    assert dark < 60
