"""The main stories of the web page, in a real browser against the real server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from page_server import (
    ALBUMS,
    BROKEN,
    CLINIC,
    COUNT,
    GENRES,
    MUSIC,
    PRICES,
    SENTENCE,
    SLOW,
    UPLOADED,
    Browser,
    Page,
    Route,
    ask,
    check,
    column,
    expect,
    open_page,
    page_server,
    refuse,
    run_sql,
    settled,
)
from text2sql.decoding.checkpoints import default_model
from text2sql.decoding.generator import Generator
from text2sql.errors import UserError


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with page_server(MUSIC) as url:
        yield url


def test_a_question_becomes_sql_rows_and_a_sentence(page: Page) -> None:
    ask(page, COUNT)
    expect(page.locator(SENTENCE)).to_contain_text("30")
    expect(page.locator(".sql-field")).to_have_value(re.compile("select count", re.IGNORECASE))
    assert column(page, 1) == ["30"]
    expect(page.locator("meter")).to_have_attribute("value", re.compile(r"0?\.\d+|1"))
    expect(page.locator("#announcer")).to_contain_text("30")
    expect(page.locator(".linked")).to_contain_text("artists")


def test_the_sql_is_coloured_and_reads_as_it_runs(page: Page) -> None:
    ask(page, GENRES)
    painted = page.locator(".sql-colours").inner_text().strip()
    assert painted == page.locator(".sql-field").input_value().strip()
    assert "select" in [text.lower() for text in page.locator(".sql-keyword").all_inner_texts()]


def test_edited_sql_runs_again(page: Page) -> None:
    ask(page, COUNT)
    run_sql(page, "SELECT name FROM artists ORDER BY name LIMIT 3")
    assert len(column(page, 1)) == 3
    expect(page.locator(".tag", has_text="Your SQL")).to_be_visible()
    assert page.locator("meter").count() == 0


def test_sql_that_fails_shows_the_error_and_can_be_mended(page: Page) -> None:
    ask(page, COUNT)
    run_sql(page, "SELECT colour FROM albums")
    expect(page.get_by_role("alert")).to_contain_text("colour")
    assert page.locator("table.rows").count() == 0
    run_sql(page, "DELETE FROM albums")
    expect(page.locator(".notice.error")).to_be_visible()
    run_sql(page, "SELECT count(*) FROM albums")
    assert page.locator(".notice.error").count() == 0
    assert column(page, 1) == ["64"]


def test_a_question_that_the_model_gets_wrong_ends_with_a_reason(page: Page) -> None:
    ask(page, BROKEN)
    expect(page.locator(".turn .notice")).to_be_visible()
    assert page.locator("table.rows").count() == 0


def test_rows_sort_by_type_with_null_last(page: Page) -> None:
    ask(page, COUNT)
    rows = ["9 AS n, 'b' AS t, 'x' AS u", "NULL, 'a10', 'x'", "10, 'a9', 'y'", "-1, NULL, 'y'"]
    run_sql(page, " UNION ALL ".join(f"SELECT {row}" for row in rows))
    head = page.locator("th .sort", has_text="n")
    head.click()
    assert column(page, 1) == ["-1", "9", "10", "NULL"]
    head.click()
    assert column(page, 1) == ["10", "9", "-1", "NULL"]
    expect(page.locator("th").first).to_have_attribute("aria-sort", "descending")
    page.locator("th .sort", has_text="t").click()
    assert column(page, 2) == ["a9", "a10", "b", "NULL"]
    expect(page.locator("th").first).to_have_attribute("aria-sort", "none")


def test_pages_turn_and_their_size_is_kept(page: Page) -> None:
    ask(page, ALBUMS)
    assert len(column(page, 1)) == 10
    expect(page.locator(".position")).to_have_text("Rows 1 to 10 of 64")
    page.get_by_label("Next page").click()
    expect(page.locator(".position")).to_have_text("Rows 11 to 20 of 64")
    page.get_by_label("Rows per page").select_option("50")
    assert len(column(page, 1)) == 50
    ask(page, ALBUMS)
    assert len(column(page, 1)) == 50


def test_integers_that_javascript_would_round_stay_exact(page: Page) -> None:
    ask(page, COUNT)
    run_sql(page, "SELECT 9007199254740993 AS big, '' AS empty")
    assert column(page, 1) == ["9007199254740993"]
    assert column(page, 2) == ["empty text"]


def test_a_cut_result_says_so(page: Page) -> None:
    ask(page, COUNT)
    run_sql(page, "SELECT a.track_id FROM tracks AS a, tracks AS b")
    expect(page.locator(".position")).to_contain_text("There are more")


def test_a_grouping_is_drawn_and_the_chart_can_be_switched(page: Page) -> None:
    ask(page, GENRES)
    groups = int(page.evaluate("document.querySelectorAll('.turn tbody tr').length"))
    expect(page.locator(".chart rect.mark")).to_have_count(groups)
    titles = page.locator(".chart rect.mark title").all_text_contents()
    assert any("Jazz" in title for title in titles)
    heights = page.locator(".chart rect.mark").evaluate_all("all => all.map(bar => bar.getBoundingClientRect().height)")
    assert min(heights) > 0
    page.get_by_role("button", name="Table").click()
    expect(page.locator("table.rows")).to_be_visible()
    expect(page.locator(".chart")).to_be_hidden()
    ask(page, GENRES)
    expect(page.locator(".turn").first.locator("table.rows")).to_be_visible()


@pytest.mark.parametrize(
    ("sql", "shape"),
    [
        ("SELECT release_date, price FROM albums GROUP BY release_date", "path.line"),
        ("SELECT price, stock FROM albums", "circle.mark"),
        ("SELECT name, -1 * artist_id AS change, 2 AS two FROM artists LIMIT 20", "rect.mark"),
    ],
)
def test_lines_points_and_lying_bars(page: Page, sql: str, shape: str) -> None:
    ask(page, COUNT)
    run_sql(page, sql)
    expect(page.locator(f".chart {shape}").first).to_be_attached()
    drawn = page.locator(".chart-drawing svg").evaluate("svg => svg.outerHTML")
    assert not re.search("NaN|Infinity|undefined", drawn)
    left, right, width = check(page, "extent")
    assert left >= -20
    assert right <= width + 20


def test_an_unsure_answer_offers_other_readings(page: Page) -> None:
    ask(page, PRICES)
    expect(page.locator(".tag.unsure")).to_be_visible()
    choices = page.locator(".choice")
    assert choices.count() >= 2
    page.locator(".choice", has_text="max(").click()
    settled(page)
    assert len(column(page, 1)) == 1
    expect(page.locator(".choice", has_text="max(")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".sql-field")).to_have_value(re.compile(r"max\(", re.IGNORECASE))


def test_sql_is_explained(page: Page) -> None:
    ask(page, COUNT)
    page.get_by_role("button", name="Explain").click()
    expect(page.locator(".explanation")).to_contain_text(re.compile("artist", re.IGNORECASE))


def test_a_follow_up_belongs_to_the_conversation(page: Page) -> None:
    sent: list[object] = []
    page.on(
        "request",
        lambda r: sent.append((r.post_data_json or {}).get("conversation")) if r.url.endswith("/ask") else None,
    )
    ask(page, COUNT)
    expect(page.locator("#follow-up-text")).to_contain_text(COUNT)
    ask(page, GENRES)
    expect(page.locator(".turn")).to_have_count(2)
    expect(page.locator(".turn .turn-body").nth(1)).to_be_hidden()
    page.get_by_role("button", name="New conversation").click()
    expect(page.locator(".turn")).to_have_count(0)
    ask(page, COUNT)
    assert [type(conversation) for conversation in sent] == [type(None), str, type(None)]


def test_a_running_question_is_cancelled(page: Page) -> None:
    page.fill("#question", SLOW)
    page.press("#question", "Enter")
    expect(page.locator(".turn[aria-busy]")).to_be_visible()
    expect(page.locator("#stop")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".notice", has_text="Stopped")).to_be_visible()
    expect(page.locator("#stop")).to_be_hidden()
    ask(page, COUNT)
    expect(page.locator(SENTENCE).first).to_contain_text("30")


def test_a_csv_file_becomes_a_database_to_ask(page: Page, tmp_path: Path) -> None:
    boats = tmp_path / "boats.csv"
    boats.write_text("name,length\nAnna,7.5\nBerta,9\n")
    page.set_input_files("#upload-files", str(boats))
    expect(page.locator(".database[aria-current]")).to_contain_text("boats")
    expect(page.locator("#schema-tree")).to_contain_text("length")
    ask(page, UPLOADED)
    expect(page.locator(SENTENCE)).to_contain_text("2")
    page.get_by_label(re.compile("^Close boats")).click()
    expect(page.locator(".database")).to_have_count(1)


def test_a_dropped_file_is_uploaded(page: Page) -> None:
    check(page, "drop")
    expect(page.locator(".database[aria-current]")).to_contain_text("fish")
    expect(page.locator("#schema-tree")).to_contain_text("weight")


def test_connecting_by_address_and_its_errors(page: Page) -> None:
    page.get_by_role("button", name="Add").click()
    page.fill("#connect-url", "sqlite:////nowhere/at/all.sqlite")
    page.press("#connect-url", "Enter")
    expect(page.locator("#connect-error")).not_to_be_empty()
    page.fill("#connect-url", f"sqlite:///{CLINIC}")
    page.press("#connect-url", "Enter")
    expect(page.locator("#connect-dialog")).to_be_hidden()
    expect(page.locator(".database[aria-current]")).to_contain_text("clinic")
    expect(page.locator("#example-list li")).to_have_count(3)


def test_history_reruns_deletes_and_outlives_the_page(page: Page) -> None:
    ask(page, COUNT)
    ask(page, GENRES)
    page.reload()
    page.get_by_role("button", name="History").click()
    entries = page.locator(".history li")
    assert entries.locator(".history-title").all_inner_texts()[:2] == [GENRES, COUNT]
    page.get_by_label(f"Delete: {GENRES}").first.click()
    expect(entries).to_have_count(1)
    page.get_by_label(f"Again: {COUNT}").click()
    expect(page.locator(SENTENCE)).to_contain_text("30")
    page.get_by_role("button", name="History").click()
    page.get_by_role("button", name="Clear all").click()
    expect(page.locator("#history-list")).to_contain_text("Nothing yet")


def test_rows_are_copied_and_downloaded(page: Page) -> None:
    ask(page, COUNT)
    run_sql(page, "SELECT 'a|b' AS x, 1 AS n UNION ALL SELECT NULL, 2")
    page.get_by_role("group", name="Copy the rows").get_by_role("button", name="Markdown").click()
    expect(page.locator("#toast")).to_have_text("Rows copied")
    assert page.evaluate("navigator.clipboard.readText()") == "| x | n |\n| --- | --- |\n| a\\|b | 1 |\n|  | 2 |"
    page.get_by_role("button", name="Copy SQL").click()
    expect(page.locator("#toast")).to_have_text("SQL copied")
    with page.expect_download() as download:
        page.get_by_role("group", name="Download all rows").get_by_role("button", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    assert download.value.path().read_text().splitlines()[0] == "x,n"


@pytest.mark.parametrize(("status", "title"), [(413, "too large"), (503, "busy"), (500, "mistake")])
def test_refusals_are_named_and_can_be_repeated(page: Page, status: int, title: str) -> None:
    refuse(page, "ask", status, "one line of the server")
    ask(page, COUNT)
    expect(page.get_by_role("alert")).to_contain_text(title)
    expect(page.get_by_role("alert")).to_contain_text("one line of the server")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(SENTENCE)).to_contain_text("30")


def test_a_lost_connection_is_named(page: Page) -> None:
    page.context.set_offline(True)
    ask(page, COUNT)
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(SENTENCE)).to_contain_text("30")


def test_a_token_is_asked_for_and_kept(browser: Browser) -> None:
    with page_server(MUSIC, token="secret-of-the-test") as url, open_page(browser, url) as page:
        page.fill("#token", "wrong")
        page.press("#token", "Enter")
        expect(page.locator("#token")).to_have_value("")
        page.fill("#token", "secret-of-the-test")
        page.press("#token", "Enter")
        expect(page.locator("#schema-tree [role=treeitem]").first).to_be_visible()
        page.reload()
        ask(page, COUNT)
        expect(page.locator(SENTENCE)).to_contain_text("30")


@pytest.mark.slow
def test_the_shipped_model_answers_on_the_page(browser: Browser) -> None:
    try:
        generator = Generator.load(default_model())
    except UserError as error:
        pytest.skip(f"no model to ask: {error}")
    with page_server(MUSIC, generator=generator) as url, open_page(browser, url) as page:
        ask(page, COUNT)
        expect(page.locator(SENTENCE)).not_to_be_empty()
        expect(page.locator(".sql-field")).to_have_value(re.compile("artists", re.IGNORECASE))
        assert page.locator(".turn .notice.error").count() == 0


def test_a_question_asked_while_the_page_loads_waits_for_the_database(browser: Browser, address: str) -> None:
    with open_page(browser, "about:blank") as page:
        held: list[Route] = []
        page.route("**/databases", lambda route: held.append(route))
        page.goto(address)
        page.fill("#question", COUNT)
        page.press("#question", "Enter")
        expect(page.locator("#connect-dialog")).to_be_hidden()
        held[0].continue_()
        expect(page.locator(SENTENCE)).to_contain_text("30")
