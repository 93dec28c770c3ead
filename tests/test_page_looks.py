"""The page for everyone: keyboard, phone, both themes, screen readers; and a database that attacks it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from page_server import (
    ALBUMS,
    COUNT,
    GENRES,
    HOSTILE,
    MUSIC,
    PRICES,
    SENTENCE,
    Browser,
    Page,
    ask,
    check,
    column,
    expect,
    hostile_database,
    open_page,
    page_server,
    quoted,
    refuse,
    run_sql,
)

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
LINES = "SELECT release_date, price, stock FROM albums GROUP BY release_date"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    hostile = hostile_database(tmp_path_factory.mktemp("hostile") / "hostile.sqlite")
    with page_server(MUSIC, hostile) as url:
        yield url


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id || document.activeElement.className"))


def test_the_whole_story_by_keyboard(page: Page) -> None:
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(COUNT)
    page.keyboard.press("Enter")
    expect(page.locator(SENTENCE)).to_contain_text("30")
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator("#question")).to_have_value(COUNT)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.locator("#help-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help-dialog")).to_be_hidden()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.keyboard.press("/")
    expect(page.locator("#question")).to_be_focused()


def test_shift_enter_starts_a_line_and_single_keys_can_be_switched_off(page: Page) -> None:
    page.keyboard.type("one")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("two")
    expect(page.locator("#question")).to_have_value("one\ntwo")
    assert page.locator(".turn").count() == 0
    page.locator("#open-help").click()
    page.locator("#single-keys").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("h")
    expect(page.locator("#history-dialog")).to_be_hidden()


def test_the_tree_is_one_tab_stop_and_inserts_names(page: Page) -> None:
    page.fill("#schema-filter", "PRICE")
    expect(page.locator("[role=treeitem]")).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("treeitem", name="price, number")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_have_value("price")
    page.fill("#schema-filter", "")
    page.locator("#schema-filter").press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("treeitem", name="artist_id, number, primary key")).to_be_visible()
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("treeitem", name="artist_id, number, primary key")).to_have_count(0)
    assert page.locator("[role=treeitem][tabindex='0']").count() == 1
    page.locator(".tree-row", has_text="sales").hover()
    page.get_by_label("Insert sales").click()
    expect(page.locator("#question")).to_have_value("price sales")


def test_names_go_into_the_sql_quoted_where_needed(page: Page) -> None:
    page.locator(".database", has_text="hostile").click()
    expect(page.locator(".tree-row.column").first).to_be_visible()
    ask(page, COUNT)
    page.locator(".turn .notice, .turn .sentence").first.wait_for()
    page.evaluate("document.querySelector('.sql-block').hidden = false")
    page.locator(".sql-field").fill("select ")
    page.locator(".tree-row.column", has_text="</title>").click()
    expect(page.locator(".sql-field")).to_have_value('select "</title><script>"')


def test_focus_is_seen_and_goes_in_reading_order(page: Page) -> None:
    ask(page, ALBUMS)
    page.locator(".skip").focus()
    order, unseen = ["skip"], []
    for _ in range(30):
        page.keyboard.press("Tab")
        order.append(focused(page))
        if not check(page, "outlined"):
            unseen.append(order[-1])
    assert unseen == []
    landmarks = ["skip", "open-history", "open-connect", "schema-filter", "question", "send", "fold", "sql-field"]
    assert [name for name in order if name in landmarks][: len(landmarks)] == landmarks


def test_the_skip_link_leads_to_the_question(page: Page) -> None:
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#question")).to_be_focused()


def test_a_closed_dialog_gives_the_focus_back(page: Page) -> None:
    page.locator("#open-history").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#history-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#open-history")).to_be_focused()


def test_everything_has_a_name(page: Page) -> None:
    ask(page, GENRES)
    ask(page, PRICES)
    page.get_by_role("button", name="History").click()
    assert check(page, "unnamed") == []
    page.keyboard.press("Escape")
    heads = page.locator("table.rows th").evaluate_all("all => all.map(h => [h.scope, h.ariaSort])")
    assert {tuple(head) for head in heads} == {("col", "none")}
    assert all(text.strip() for text in page.locator("table.rows caption").all_text_contents())
    ids = page.locator("[id]").evaluate_all("all => all.map(n => n.id)")
    assert len(ids) == len(set(ids))
    levels = check(page, "headings")
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast_in_both_themes(browser: Browser, address: str, theme: str) -> None:
    with open_page(browser, address, color_scheme=theme) as page:
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        expect(page.locator("#example-list li")).to_have_count(3)
        assert check(page, "contrast") == []
        ask(page, PRICES)
        assert check(page, "contrast") == []
        ask(page, GENRES)
        assert check(page, "contrast") == []
        run_sql(page, "SELECT nothing FROM albums -- a comment")
        assert check(page, "contrast") == []
        for opener in ("#open-history", "#open-help", "#open-connect"):
            page.locator(opener).click()
            assert check(page, "contrast") == []
            page.keyboard.press("Escape")


def test_a_chosen_theme_is_kept(page: Page) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.locator("#toggle-theme").click()
    dark = page.evaluate(background)
    assert dark != light
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate(background) == dark


def test_a_phone_never_scrolls_sideways(browser: Browser, address: str) -> None:
    with open_page(browser, address, **PHONE) as page:
        expect(page.locator("#example-list li")).to_have_count(3)
        for question in (ALBUMS, GENRES, PRICES):
            ask(page, question)
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, question
        run_sql(page, LINES)
        expect(page.locator(".chart path.line").first).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for opener in ("#open-history", "#open-help"):
            page.locator(opener).click()
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, opener
            page.keyboard.press("Escape")


def test_the_tables_are_a_drawer_on_a_phone(browser: Browser, address: str) -> None:
    with open_page(browser, address, **PHONE) as page:
        expect(page.locator("#sidebar")).to_be_hidden()
        page.locator("#open-sidebar").click()
        expect(page.locator("#sidebar")).to_be_visible()
        assert page.evaluate("document.querySelector('#main').inert")
        page.keyboard.press("Escape")
        expect(page.locator("#sidebar")).to_be_hidden()
        expect(page.locator("#open-sidebar")).to_be_focused()
        page.locator("#open-sidebar").click()
        page.get_by_label("Insert albums").click()
        expect(page.locator("#sidebar")).to_be_hidden()
        expect(page.locator("#question")).to_have_value("albums")


def test_touch_targets_are_large_enough(browser: Browser, address: str) -> None:
    with open_page(browser, address, **PHONE) as page:
        ask(page, ALBUMS)
        small = page.locator("main button, .top button").evaluate_all(
            "all => all.filter(b => b.checkVisibility() && b.getBoundingClientRect().height < 24).map(b => b.outerHTML)"
        )
        assert small == []  # WCAG 2.2, 2.5.8


def test_names_and_cells_are_never_markup(page: Page) -> None:
    page.locator(".database", has_text="hostile").click()
    expect(page.get_by_role("treeitem", name=re.compile("table <img"))).to_be_visible()
    expect(page.locator("#example-list")).to_contain_text("<img")
    ask(page, f"Show all {HOSTILE}")
    page.evaluate("document.querySelector('.sql-block').hidden = false")
    run_sql(page, f"SELECT * FROM {quoted(HOSTILE)}")
    assert column(page, 1)[0] == HOSTILE
    assert page.locator("th").first.inner_text().strip() == HOSTILE
    run_sql(page, f'SELECT {quoted(HOSTILE)}, "</title><script>" FROM {quoted(HOSTILE)}')
    expect(page.locator(".chart rect.mark").first).to_be_attached()
    page.get_by_role("button", name="History").click()
    assert page.locator("main img, aside img, dialog img, body script").count() == 0
    assert page.title() == "text2sql"


def test_a_hostile_error_is_text_too(page: Page) -> None:
    refuse(page, "ask", 500, HOSTILE)
    ask(page, COUNT)
    expect(page.get_by_role("alert")).to_contain_text(HOSTILE)
    assert page.locator("main img").count() == 0


def test_the_page_loads_nothing_from_elsewhere(page: Page, address: str) -> None:
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    response = page.reload()
    assert response is not None
    assert "default-src 'self'" in response.headers["content-security-policy"]
    expect(page.locator("#example-list li")).to_have_count(3)
    assert len(seen) > 10
    assert all(url.startswith(address) for url in seen)


def test_static_files_say_nothing_inline() -> None:
    folder = Path(__file__).resolve().parents[1] / "src" / "text2sql" / "server" / "static"
    html = (folder / "index.html").read_text()
    assert not re.search(r"\son\w+=|\sstyle=|<style|<script>|https?://", html)
    for script in folder.glob("*.js"):
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|\.style\b", script.read_text()
        ), script
