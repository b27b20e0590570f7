"""Charts as files: for papers and slides, without a browser or a network."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from helpers.synthetic_store import made
from leakboard_reports import charts
from leakboard_reports.charts import Curve, Plot

PLOT = Plot("data", "victim", (Curve(made(0.8, attack="pia"), "gray box", ((0.0, 0.0), (0.1, 0.5), (1.0, 1.0))),))


@pytest.fixture(scope="module")
def files():
    return dict(charts.pictures(PLOT, "fashion_sd(level='light') on data", 1))


def test_both_files_are_named_by_number_and_what_they_show(files):
    assert list(files) == ["roc-1-fashion-sd-level-light-on-data.svg", "roc-1-fashion-sd-level-light-on-data.png"]


def test_the_svg_stands_alone(files):
    """Its text is text, its colours are its own, and it names no address that a viewer would fetch."""
    text = next(iter(files.values())).decode()
    words = " ".join(ET.fromstring(text).itertext())
    for wanted in ("fashion_sd(level='light') on data", "gray box: pia, AUC 0.800", "False-positive rate"):
        assert wanted in words
    assert "currentColor" not in text
    assert charts.INK in text
    assert set(re.findall(r"https?://[^\"]*", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"(href|src|url)[=(]", text.replace("xmlns:xlink=", "").replace("url(#", ""))


def test_the_png_is_dark_on_white_with_the_curve_in_its_colour(files):
    image = np.asarray(Image.open(io.BytesIO(files["roc-1-fashion-sd-level-light-on-data.png"])).convert("RGB"))
    assert image.shape[1] >= 1000
    assert (image[0, 0] == 255).all()
    colour = [int(charts.COLOURS["gray box"][place : place + 2], 16) for place in (1, 3, 5)]
    assert (image == colour).all(axis=2).sum() > 200


def test_text_of_others_stays_text_and_out_of_file_names():
    title = "</text><script>alert(1)</script> ../../etc " + "x" * 200
    (name, svg), (other, _) = charts.pictures(PLOT, title, 7)
    assert re.fullmatch(r"roc-7-[a-z0-9-]{1,60}\.svg", name)
    assert other == name.replace(".svg", ".png")
    assert not [element for element in ET.fromstring(svg).iter() if element.tag.endswith("script")]


def test_equal_charts_are_equal_files(files):
    assert dict(charts.pictures(PLOT, "fashion_sd(level='light') on data", 1)) == files
    clips = re.findall(r'id="clip(\d+)"', next(iter(files.values())).decode())
    assert sorted(clips, key=int) == [str(number) for number in range(len(clips))]
    assert clips


def test_victims_of_like_names_have_files_of_their_own():
    names = {charts.pictures(PLOT, title, number)[0][0] for number, title in enumerate(("a b", "a_b"), 1)}
    assert len(names) == 2


def test_the_chart_in_the_page_takes_the_pages_colour():
    page, still = (str(charts.vega(PLOT, *ink)) for ink in ((), (charts.INK,)))
    assert "currentColor" in page
    assert "currentColor" not in still
    assert still == page.replace("currentColor", charts.INK)
