"""The key of an API: from the environment alone, and in no store, page, log, error, traceback or identity."""

import logging
import runpy
import sqlite3
import traceback

import pytest

import leakboard
from helpers.api_servers import served
from helpers.tiny_grids import PLUGIN, tiny
from leakboard.errors import LeakboardError
from leakboard.store import Store
from leakboard_plugins.victims.api import calls
from leakboard_plugins.victims.api.victim import Http

KEY = "sk-leak-3141592653589793"
LOGIN = "someone:open-sesame-271828"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(calls, "BACKOFF", 0.02)
    with served(runpy.run_path(str(PLUGIN))["Linear"](0.25, 0.0)) as running:
        yield running


def victim(server, **more):
    return Http(url=server.url, schema="automatic1111", size=8, key="SOME_KEY", concurrency=1, **more)


def test_a_key_is_sent_and_appears_nowhere_else_and_the_page_tells_what_was_paid(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("SOME_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    server.faults.extend(["429", "401"])  # the second one quotes the header
    spec = f"http(url={server.url!r}, schema='automatic1111', size=8, prompts='empty', key='SOME_KEY', concurrency=1, price=0.5, cap=100.0)"
    grid = tiny(dataset="tiny(count=8)", victim=spec, observer="glance(access='black')")
    leakboard.run(grid, store=tmp_path / "api.db", progress=False)
    leakboard.run(grid, store=tmp_path / "api.db", progress=False)
    page = leakboard.report(Store(tmp_path / "api.db"), tmp_path / "report").page
    with sqlite3.connect(tmp_path / "api.db") as opened:
        dump = "\n".join(opened.iterdump())

    assert set(server.keys) == {f"Bearer {KEY}"}
    assert "answered 401 Unauthorized: not this one, Bearer ***" in dump
    assert "What was paid" in page.read_text()
    assert "8 of 100" in page.read_text()
    assert "cannot be judged" in page.read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in dump + caplog.text + page.read_text() + spec
    assert "httpcore" in {record.name.partition(".")[0] for record in caplog.records}


def test_a_refusal_shows_no_key_in_its_traceback_or_in_the_model(server, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    server.faults.append("401")
    model = victim(server).open("cpu")
    with pytest.raises(LeakboardError, match="check the key in the environment variable SOME_KEY") as refused:
        model.generate([1], 1, None)

    told = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
    assert "generate" in told
    assert KEY not in told + repr(vars(model)) + repr(vars(model._line.client))


def test_a_login_of_automatic1111_is_sent_as_one_and_quoted_by_nobody(server, monkeypatch):
    monkeypatch.setenv("SOME_KEY", LOGIN)
    server.faults.append("401")
    with pytest.raises(LeakboardError) as refused:
        victim(server).open("cpu").generate([1], 1, None)

    assert server.keys == ["Basic c29tZW9uZTpvcGVuLXNlc2FtZS0yNzE4Mjg="]
    assert "not this one, Basic ***" in str(refused.value)


def test_no_key_is_told_with_the_name_of_its_variable(server, monkeypatch):
    monkeypatch.delenv("SOME_KEY", raising=False)
    with pytest.raises(LeakboardError, match="there is no key for the API") as refused:
        victim(server).open("cpu")

    assert "export SOME_KEY=" in str(refused.value)


@pytest.mark.parametrize("key", [f"{KEY}\nX-More: 1", f"{KEY}é", f"{KEY} {KEY}"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(server, monkeypatch, key):
    monkeypatch.setenv("SOME_KEY", key)
    with pytest.raises(LeakboardError, match="no header can carry") as refused:
        victim(server).open("cpu")

    assert KEY not in str(refused.value)


@pytest.mark.parametrize(
    "parameter", [f"key={KEY!r}", f"url='https://me:{KEY}@host'", f"url='https://host/v1?key={KEY}'"]
)
def test_a_key_in_a_grid_is_refused_without_showing_it(registry, parameter):
    others = ", url='http://host'" if parameter.startswith("key") else ""
    with pytest.raises(LeakboardError) as refused:
        registry.one("victim", f"http({parameter}{others}, schema='automatic1111')")

    assert KEY not in str(refused.value)


def test_the_name_of_the_variable_is_no_part_of_the_identity(registry):
    one, other = (
        registry.one("victim", f"http(url='http://host', schema='automatic1111'{more})")
        for more in ("", ", key='SOME_KEY', price=0.1, cap=1.0, rate=2.0, concurrency=9, tries=2, timeout=3.0")
    )
    assert one.identity == other.identity
    assert one.identity != registry.one("victim", "http(url='http://host', schema='openai_images')").identity
