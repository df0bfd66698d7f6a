"""The researcher's day: a cluster from a notebook, seen in the panel, gone with the server."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from facility_world import RunningFacility, wait_until
from people import picture, press_start, sign_in, stop_server
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
NOTEBOOK = "private/cluster.ipynb"
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
CELLS = (
    """from jupyterlab_af.dask import cluster
mine = cluster()
mine.scale(2)
client = mine.get_client()
client.wait_for_workers(2)
mine""",
    "sum(client.gather(client.map(lambda x: x * x, range(1000))))",
)


def write_notebook(page: Page, facility: RunningFacility) -> None:
    cells = [
        {
            "cell_type": "code",
            "id": f"c{number}",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
            "source": source,
        }
        for number, source in enumerate(CELLS)
    ]
    notebook = {"cells": cells, "metadata": KERNEL, "nbformat": 4, "nbformat_minor": 5}
    cookies = page.context.cookies(page.url)
    xsrf = next(
        c["value"] for c in cookies if c["name"] == "_xsrf" and "/user/" in c["path"]
    )
    answer = page.request.put(
        f"{facility.url}user/researcher1/api/contents/{NOTEBOOK}",
        data=json.dumps({"type": "notebook", "format": "json", "content": notebook}),
        headers={"X-XSRFToken": xsrf, "Content-Type": "application/json"},
    )
    assert answer.ok, answer.text()


def run_all(page: Page) -> None:
    expect(page.get_by_text(re.compile(r"Python 3.*\| Idle"))).to_be_visible(
        timeout=60_000
    )
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def test_a_researcher_has_a_cluster_that_goes_with_the_server(
    facility: RunningFacility, page: Page
):
    sign_in(page, facility, "researcher1")
    page.goto(f"{facility.url}hub/spawn")
    picture(page, "researcher-form")
    press_start(page, "DODAS V5")
    write_notebook(page, facility)
    page.goto(f"{facility.url}user/researcher1/lab/tree/{NOTEBOOK}")
    expect(page.locator(".jp-Notebook")).to_be_visible()
    run_all(page)
    output = page.locator(".jp-OutputArea-output")
    expect(output.filter(has_text="332833500")).to_be_visible(timeout=90_000)
    name = see_the_cluster_in_the_panel(page)
    see_the_dashboard(page, name)
    find_it_again_after_a_restart(page, name)
    parts = facility.cluster_parts()
    assert {part.partition("/")[0] for part in parts} == {name}
    stop_server(page, facility)
    wait_until(lambda: not facility.cluster_parts(), what="no cluster left")
    pids = [part["init_pid"] for part in parts.values()]
    wait_until(lambda: not [pid for pid in pids if Path(f"/proc/{pid}").exists()])
    # written by who asked for it, who need not be as quick as who did it
    wait_until(lambda: ends_of(facility, name) != [], what="a line about the end")
    assert ends_of(facility, name) == [("af", "server-stopped")]


def ends_of(facility: RunningFacility, name: str) -> list[tuple[str, str]]:
    """Return who ended a cluster, by which rule."""
    return [
        (event["actor"], event["rule"])
        for event in facility.audit()
        if event["action"] == "cluster.stop" and event["target"].endswith(f"/{name}")
    ]


def see_the_cluster_in_the_panel(page: Page) -> str:
    """Open the panel; return the name of the one cluster in it."""
    page.locator(".jp-af-Profile").click()
    panel = page.locator("#jp-af-facility")
    expect(panel).to_be_visible()
    row = panel.locator(".jp-af-Cluster")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("Workers: 2 of 2 ready")
    expect(panel).to_contain_text("researcher1")
    expect(panel).to_contain_text("/af/private")
    row.scroll_into_view_if_needed()
    picture(page, "researcher-panel")
    link = row.get_by_role("link").get_attribute("href") or ""
    found = re.search(r"clusters/([0-9a-f]+)/status", link)
    assert found, link
    return found[1]


def see_the_dashboard(page: Page, name: str) -> None:
    """Follow the link: the dashboard is drawn, over a socket, by the scheduler."""
    with page.context.expect_page() as opened:
        page.locator("#jp-af-facility .jp-af-Cluster").get_by_role("link").click()
    pages = opened.value
    expect(pages.locator("body")).to_contain_text("Status")
    # drawn by Bokeh once its socket is open
    expect(pages.locator(".bk-Figure, .bk-Row, .bk-Column").first).to_be_attached()
    pages.wait_for_timeout(1500)
    picture(pages, "researcher-dashboard")
    stranger = page.context.browser.new_context()
    try:
        seen = stranger.new_page()
        seen.goto(pages.url)
        assert "/hub/login" in seen.url or "/hub/api/oauth2" in seen.url
    finally:
        stranger.close()
    pages.close()


def find_it_again_after_a_restart(page: Page, name: str) -> None:
    page.locator(".jp-OutputArea-output").evaluate_all(
        "outputs => outputs.forEach(output => { output.dataset.before = 'yes'; })"
    )
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("Restart Kernel and Run All")).click()
    page.get_by_role("button", name="Confirm Kernel Restart").click()
    # what the restarted kernel says, not what is still there from before
    output = page.locator(".jp-OutputArea-output:not([data-before])")
    expect(output.filter(has_text="332833500")).to_be_visible(timeout=90_000)
    expect(output.filter(has_text=name)).to_be_visible()
    expect(page.locator("#jp-af-facility .jp-af-Cluster")).to_have_count(1)
