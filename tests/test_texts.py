"""What others may read: no password, no token, and of absolute paths the last part."""

from pathlib import Path

import pytest

from leakboard.texts import all_discreet, discreet, home


@pytest.fixture(autouse=True)
def alice(monkeypatch):
    monkeypatch.setenv("HOME", "/home/alice smith")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("leakboard run /home/bob/g.toml --artifacts=/data/x/y", "leakboard run g.toml --artifacts=y"),
        ("--store postgresql://u:pw@db.corp:5/leak?password=x", "--store postgresql://***/leak"),
        ("https://user:secret@host/x", "https://***@host/x"),
        ("folder(members='/home/alice smith/d/m', nonmembers='~/d/n')", "folder(members='m', nonmembers='n')"),
        ("where: /home/alice smith/x.png", "where: x.png"),
        ('File "/usr/lib/python3/site-packages/torch/nn/a.py", line 3', 'File "torch/nn/a.py", line 3'),
        (r"C:\Users\bob\x.png", "x.png"),
        ("HF_TOKEN=hf_abcdefgh12345678 password: tiger", "HF_TOKEN=*** password: ***"),
    ],
)
def test_what_tells_of_a_machine_or_opens_a_door_is_left_out(text, told):
    assert discreet(text) == told
    assert discreet(told) == told


@pytest.mark.parametrize(
    "text",
    [
        "and/or, AUC/TPR, x / y, 1/2",
        "https://example.org/a/b",
        "</p><br/>",
        "runs/a/model and ./d/m",
        "tokens of a tokenizer",
        "box_blur(radius=1) + jpeg(quality=50, at='output')",
    ],
)
def test_all_else_stays_as_it_is(text):
    assert discreet(text) == text


def test_whatever_json_holds_is_made_discreet():
    assert all_discreet({"/a/b": ["/c/d", {"e": 1}, None]}) == {"b": ["d", {"e": 1}, None]}


def test_a_tilde_is_the_home_at_the_beginning_of_a_path_alone():
    assert home("~/x.db") == "/home/alice smith/x.db"
    assert home(Path("~/x.db")) == Path("/home/alice smith/x.db")
    assert home(("~", "a~b", 3, "~ about")) == ("/home/alice smith", "a~b", 3, "~ about")
