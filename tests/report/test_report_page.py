"""The page in a real browser: no network, no complaints, readable, and true to the summary."""

import json
import re
import shutil
from functools import reduce

import pytest
from playwright.sync_api import sync_playwright
from xlbench_operator.analysis.report import build_report
from xlbench_operator.analysis.wording import points

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, BROWSERS)), None)
MINUS = "\N{MINUS SIGN}"
FRACTIONS = re.compile(
    r"(mean|sd|estimate|low|high|score|threshold|majority|chance|seedSd|itemSe|accuracy)$"
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: see `make setup`"),
]


@pytest.fixture(scope="module")
def report(finished):
    return build_report(finished.store, finished.plan)


@pytest.fixture(scope="module")
def address(report, tmp_path_factory):
    page = tmp_path_factory.mktemp("page") / "report.html"
    page.write_text(report.html, encoding="utf-8")
    return page.as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(
    params=[(width, scheme) for width in (400, 1600) for scheme in ("light", "dark")],
    ids=lambda param: f"{param[0]} pixels, {param[1]}",
)
def page(browser, address, request):
    """The open page, which remembers what it asked for and what it complained about."""
    width, scheme = request.param
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened.asked, opened.complaints = [], []
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.on("console", lambda message: opened.complaints.append(message.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    opened.goto(address)
    yield opened
    opened.close()


def test_loads_without_network_and_without_complaints(page, address):
    assert page.asked == [address]
    assert page.complaints == []


def test_is_no_wider_than_the_window(page):
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_text_is_large_enough_to_read(page):
    """12 CSS pixels on the page, 9 in figures, also where the figures shrink to a narrow window."""
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('p, td, th, li, figcaption, dt, dd, svg text')]
            .filter(node => node.textContent.trim() && node.getBoundingClientRect().height > 0)
            .map(node => {
                const size = parseFloat(getComputedStyle(node).fontSize);
                const svg = node.closest('svg');
                if (!svg) return ['page', size];
                const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
                return ['figure', size * scale];
            })"""
    )
    assert min(size for kind, size in sizes if kind == "page") >= 12
    assert min(size for kind, size in sizes if kind == "figure") >= 9


def test_text_stands_out_from_the_paper(page):
    """WCAG AA: a contrast ratio of 4.5 or more, in figures too."""
    ratios = page.evaluate(
        """() => {
            const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
            const light = colour => {
                const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map(channel);
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const paper = light(getComputedStyle(document.documentElement).backgroundColor);
            const texts = document.querySelectorAll('p, td, th, a, figcaption, svg text');
            return [...texts].map(node => {
                const style = getComputedStyle(node);
                const ink = light(node.closest('svg') ? style.fill : style.color);
                return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
            });
        }"""
    )
    assert min(ratios) >= 4.5


def test_every_number_on_the_page_is_the_summary_s(page, report):
    summary = json.loads(report.summary.text())
    shown = page.eval_on_selector_all(
        "[data-path]", "nodes => nodes.map(node => [node.dataset.path, node.textContent])"
    )
    assert len(shown) > 500
    for path, text in shown:
        value = _at(summary, path)
        said = text.replace(MINUS, "-").replace(",", "")
        if FRACTIONS.search(path):
            assert said in {points(value), points(value, signed=True)}, path
        else:
            assert float(said) == pytest.approx(value, rel=6e-3, abs=0.51), path


def _at(summary, path):
    steps = (int(step) if step.isdigit() else step for step in path.split("/"))
    return reduce(lambda value, step: value[step], steps, summary)


def test_the_answer_comes_first_and_every_cell_is_there(page, report):
    first = page.inner_text("main p.sentence").replace(MINUS, "-")
    assert first == report.summary.answers[0].sentence
    rows = page.locator("[id='languages-e5-small-ha-intent-ha-intent'] tbody tr")
    assert rows.count() == 17
    assert page.locator("figure.drawing svg").count() == len(report.figures)


def test_markdown_says_the_same_as_the_page(report):
    for answer in report.summary.answers:
        assert f"**{answer.sentence}**" in report.markdown
    row = report.summary.schedules[0]
    shown = f"| {row.schedule} | arm | {points(row.endpoint.mean)} ± {points(row.endpoint.sd)} |"
    assert shown in report.markdown


def test_markdown_shows_every_figure_that_lies_beside_it(report):
    shown = re.findall(r"^!\[[^]]+\]\((.+)\)$", report.markdown, re.MULTILINE)
    assert sorted(shown) == sorted(name for name in report.files() if name.endswith(".svg"))
