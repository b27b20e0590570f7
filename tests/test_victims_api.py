"""Victims behind an API: what they are asked, in which order answers come back, and what goes wrong on the way."""

import runpy
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import torch

from helpers.api_servers import served
from helpers.tiny_grids import PLUGIN
from leakboard.errors import LeakboardError, Unsupported
from leakboard.oracle.quality_gate import wanted
from leakboard.testing import check_component
from leakboard_plugins.victims.api import calls
from leakboard_plugins.victims.api.diffusers_server import ASYNC
from leakboard_plugins.victims.api.victim import Http

SIZE, COUNT = 8, 6
SEEDS = [2**64 + 11 * number for number in range(COUNT)]
HALF = 0.5 / 255 + 1e-6


@pytest.fixture(scope="module")
def inside():
    """The model that the servers wrap."""
    return runpy.run_path(str(PLUGIN))["Linear"](0.25, 0.0)


@pytest.fixture
def server(inside, monkeypatch):
    monkeypatch.setattr(calls, "BACKOFF", 0.02)
    with served(inside) as running:
        yield running


def images():
    """Of 8 bits, in grey as RGB."""
    pixels = torch.randint(0, 256, (COUNT, 1, SIZE, SIZE), generator=torch.Generator().manual_seed(0))
    return (pixels / 255).expand(-1, 3, -1, -1)


def opened(server, schema="automatic1111", **parameters):
    named = {"model": "tiny.safetensors"} if schema == "comfyui" else {}
    return Http(url=server.url, schema=schema, size=SIZE, **{**named, **parameters}).open("cpu")


def expected(inside, strength=None):
    """What the model itself answers, of which an API shows 8 bits."""
    short = [seed % 2**32 for seed in SEEDS]
    if strength is None:
        return inside.decode(inside.generate(short, 3, None))
    *_, last = inside.reconstruct(images()[:, :1], short, strength, 3, None)
    return inside.decode(last.clean)


def edited(model, strength=0.4, prompts=None):
    (step,) = model.reconstruct(images(), SEEDS, strength, 3, prompts)
    return step.clean


@pytest.mark.parametrize("schema", ["automatic1111", "comfyui"])
def test_images_over_http_are_those_of_the_model_itself_to_8_bits(inside, server, schema):
    model = opened(server, schema)

    assert (model.decode(model.generate(SEEDS, 3, None)) - expected(inside)).abs().max() <= HALF
    assert (edited(model) - expected(inside, 0.4)).abs().max() <= HALF
    assert sorted(server.seeds()) == sorted(seed % 2**32 for seed in SEEDS * 2)


@pytest.mark.parametrize("path", ["", ASYNC])
def test_diffusers_servers_answer_texts_with_addresses(server, path):
    model = Http(url=server.url + path, schema="diffusers_server", size=SIZE, model="sd").open("cpu")

    assert model.generate(SEEDS, 3, ["a cat"] * COUNT).shape == (COUNT, 3, SIZE, SIZE)
    assert {body["prompt"] for _, body in server.asked} == {"a cat"}
    assert {body.get("num_inference_steps") for _, body in server.asked} == {3 if path else None}
    with pytest.raises(Unsupported, match="texts alone"):
        edited(model)


def test_openai_images_are_made_and_edited_without_seeds(server):
    model = opened(server, "openai_images", model="dall-e-2")
    made, again = model.generate(SEEDS, 3, ["a cat"] * COUNT), edited(model, prompts=["a cat"] * COUNT)

    assert made.shape == again.shape == (COUNT, 3, SIZE, SIZE)
    (first, *_), (last, *_) = server.asked[0], server.asked[-1]
    assert (first, last) == ("/v1/images/generations", "/v1/images/edits")
    assert server.asked[0][1] == {
        "prompt": "a cat", "n": 1, "size": "8x8", "model": "dall-e-2", "response_format": "b64_json",
    }  # fmt: skip
    assert server.asked[-1][1] == {name: str(value) for name, value in server.asked[0][1].items()}


def test_models_of_openai_that_answer_with_base64_alone_are_not_asked_for_it(server):
    with pytest.raises(LeakboardError, match="another format"):
        opened(server, "openai_images", model="gpt-image-1").generate(SEEDS, 3, None)

    assert "response_format" not in server.asked[0][1]


def test_automatic1111_is_asked_for_exactly_the_steps(server):
    edited(opened(server, guidance=7.5, negative_prompt="blur", sampler="Euler", model="sd.ckpt"))

    path, body = server.asked[0]
    assert path == "/sdapi/v1/img2img"
    assert body["override_settings"]["img2img_fix_steps"] is True
    assert (body["steps"], body["denoising_strength"], body["cfg_scale"]) == (3, 0.4, 7.5)
    assert (body["negative_prompt"], body["sampler_name"], body["width"]) == ("blur", "Euler", SIZE)
    assert body["override_settings"]["sd_model_checkpoint"] == "sd.ckpt"


def test_a_comfyui_workflow_of_ones_own_is_filled_in_and_says_where_it_begins(server, write):
    text = (
        '{"a": {"class_type": "KSampler", "inputs": {"seed": "{seed}", "steps": "{steps}", "denoise": 1, '
        '"note": "{prompt}, on film"}}}'
    )
    path = str(write("flow.json", text))
    model = opened(server, "comfyui", workflow=path, model="")
    model.generate(SEEDS, 3, ["a cat"] * COUNT)

    assert server.asked[0][1]["note"] == "a cat, on film"
    assert isinstance(server.asked[0][1]["seed"], int)
    with pytest.raises(Unsupported, match="begins with a text"):
        edited(model)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no", "no JSON"),
        ("{}", "API format"),
        ('{"nodes": [1]}', "API format"),
        ('{"a": {"class_type": "KSampler"}}', r"no field \{seed\} and \{prompt\}"),
    ],
)
def test_what_is_no_workflow_is_refused_before_anything_is_asked(server, write, text, told):
    victim = Http(url=server.url, schema="comfyui", workflow=str(write("flow.json", text)))

    with pytest.raises(LeakboardError, match=told):
        victim.files()


def test_answers_come_back_in_the_order_of_the_questions_however_long_each_takes(inside, server):
    server.nap = 0.05
    made = edited(opened(server, concurrency=COUNT))

    assert 2 <= server.most <= COUNT
    assert (made - expected(inside, 0.4)).abs().max() <= HALF


def test_no_more_than_so_many_questions_are_on_their_way_at_once(server):
    server.nap = 0.02
    edited(opened(server, concurrency=2))

    assert server.most <= 2


def test_a_rate_spreads_the_questions(server):
    begun = time.monotonic()
    edited(opened(server, concurrency=COUNT, rate=50.0))

    assert time.monotonic() - begun >= (COUNT - 1) / 50 - 0.01


@pytest.mark.parametrize("fault", ["429", "500", "truncated", "json", "half"])
def test_what_may_pass_is_asked_again(inside, server, fault):
    server.faults.extend([fault, fault])
    made = edited(opened(server))

    assert (made - expected(inside, 0.4)).abs().max() <= HALF
    assert len(server.times) == COUNT + 2


def test_an_api_that_wants_a_rest_gets_it_from_all(server):
    server.faults.append("429")
    edited(opened(server, concurrency=1))

    assert server.times[1] - server.times[0] >= 0.3


@pytest.mark.parametrize(("text", "seconds"), [("2", 2), ("0.5", 0.5), ("", 0), ("soon", 0), ("-3", 0)])
def test_a_rest_is_asked_for_in_seconds(text, seconds):
    assert calls._seconds(text) == seconds


def test_a_rest_is_asked_for_until_a_date():
    assert 55 < calls._seconds(format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)) <= 60


def test_an_answer_that_takes_too_long_is_asked_again(server):
    server.nap = 0.5
    with pytest.raises(LeakboardError, match=r"in 2 tries; at last .* took longer than 0.1 s"):
        opened(server, timeout=0.1, tries=2, concurrency=1).generate(SEEDS[:1], 3, None)

    assert len(server.times) == 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("400", "answered 400 Bad Request: not this one"),
        ("html", "a web page"),
        ("moved", "answered 302"),
        ("other", "another format"),
        ("size", "16x16 pixels where 8x8 were asked"),
    ],
)
def test_what_will_not_pass_is_asked_once_and_told(server, fault, told):
    server.faults.append(fault)
    with pytest.raises(LeakboardError, match=told):
        opened(server, concurrency=1).generate(SEEDS, 3, None)

    assert len(server.times) == 1


def test_a_web_page_says_that_the_address_may_be_wrong(server):
    server.faults.append("html")
    with pytest.raises(LeakboardError, match=r"is it that of an API of the schema automatic1111, with no login page"):
        opened(server).generate(SEEDS[:1], 3, None)


def test_a_package_that_is_not_installed_is_told_before_anything_is_asked(server, monkeypatch):
    monkeypatch.setitem(sys.modules, "tenacity", None)
    with pytest.raises(LeakboardError, match="need the package tenacity") as refused:
        opened(server)

    assert "pip install 'leakboard[api]'" in str(refused.value)


def test_nobody_there_is_told(server):
    victim = Http(url="http://127.0.0.1:9", schema="automatic1111", size=SIZE, tries=2)
    with pytest.raises(LeakboardError, match=r"nobody answers at http://127\.0\.0\.1:9/sdapi"):
        victim.open("cpu").generate(SEEDS[:1], 3, None)


def test_an_api_keeps_the_contract_of_victims(server, load):
    tiny = load(PLUGIN.read_text()).one("dataset", "tiny").only.load()
    rows = {
        row.check: row
        for row in check_component(Http(url=server.url, schema="automatic1111", size=SIZE, prompts="empty"), tiny)
    }

    assert {name for name, row in rows.items() if row.outcome == "failed"} == set()
    assert {rows[name].outcome for name in ("reconstructions", "generation", "decode stays in range")} == {"ok"}


def test_the_quality_gate_cannot_judge_an_api_and_lets_it_pass(server):
    victim = Http(url=server.url, schema="automatic1111", size=SIZE)

    assert not wanted(victim, victim.open("cpu"), ("victim", "dataset"))
    assert victim.facts()["quality gate"].startswith("cannot be judged")
    assert victim.trained_on() is None


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"url": "127.0.0.1:7860"}, "no address"),
        ({"url": "ftp://host"}, "no address"),
        ({"schema": "openai_images", "guidance": 7.5}, "takes no guidance"),
        ({"schema": "diffusers_server", "sampler": "Euler"}, "takes no sampler"),
        ({"schema": "automatic1111", "workflow": "flow.json"}, "takes no workflow"),
        ({"schema": "comfyui"}, "which checkpoint"),
    ],
)
def test_parameters_that_no_api_could_take_are_refused(parameters, told):
    with pytest.raises(LeakboardError, match=told):
        Http(**{"url": "http://host", "schema": "automatic1111", **parameters})
