"""A browser that opens pages offline and notes what they ask for and complain of."""

import contextlib
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
SWITCHES += ["--disable-component-update", "--disable-sync", "--no-first-run"]
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


@contextlib.contextmanager
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@contextlib.contextmanager
def visits(browser):
    """Open a page offline; what it asked for and complained of is on the returned tab as ``log``."""
    with contextlib.ExitStack() as left:

        def open_page(address, *, width=1280, scheme="light", scripts=True, wait=".chart svg"):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=scripts
            )
            left.callback(context.close)
            context.set_offline(True)
            tab = context.new_page()
            tab.log = []
            tab.on("console", lambda message: tab.log.append(message.text))
            tab.on("pageerror", lambda error: tab.log.append(str(error)))
            tab.on("request", lambda request: request.url.startswith("file://") or tab.log.append(request.url))
            tab.on("requestfailed", lambda request: tab.log.append(f"failed {request.url}"))
            tab.goto(address.as_uri())
            if scripts and wait:
                tab.wait_for_selector(wait, timeout=30_000)
            return tab

        yield open_page


def violations(tab):
    """What axe finds with everything unfolded, put in by the test's own hand, past the page's policy."""
    from axe_playwright_python.sync_playwright import Axe

    tab.eval_on_selector_all("details", "all => all.forEach(one => one.open = true)")
    found = Axe().run(tab).response["violations"]
    return [(each["id"], [node["html"][:120] for node in each["nodes"][:3]]) for each in found]
