"""Real servers of every schema on a port of this machine, which wrap a model and misbehave when they are told to."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import io
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leakboard.api import Model

MAKING = ("txt2img", "img2img", "generations", "edits", "inference", "prompt")
"""Ends of the paths at which images are made: faults strike there."""


@dataclass
class Server:
    """What a test sees of it.

    Attributes:
        asked: path and body of every request for an image, in the order in which they came.
        keys: the Authorization headers that came along.
        faults: what goes wrong with the next ones.
        nap: seconds that a slow answer takes.
        most: requests that were on their way at once.
    """

    model: Model
    size: int
    url: str = ""
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list, repr=False)
    times: list[float] = field(default_factory=list)
    faults: deque[str] = field(default_factory=deque)
    nap: float = 0.0
    most: int = 0
    here: int = 0
    images: dict[str, bytes] = field(default_factory=dict)

    def seeds(self) -> list[int]:
        return [body["seed"] for _, body in self.asked]

    def paint(self, seed: int, steps: int, image: bytes | None = None, strength: float = 1.0, fault: str = "") -> bytes:
        """A PNG of what the model answers."""
        with torch.no_grad():
            if image is None:
                inner = self.model.generate([seed], steps, None)
            else:
                pixels = np.asarray(Image.open(io.BytesIO(image)).convert("L"))
                given = torch.from_numpy(pixels.copy())[None, None].float() / 255
                *_, last = self.model.reconstruct(given, [seed], strength, steps, None)
                inner = last.clean
            made = (self.model.decode(inner)[0, 0] * 255).round().byte().numpy()
        shown = Image.fromarray(np.stack([made] * 3, -1))
        if fault == "size":
            shown = shown.resize((2 * self.size, 2 * self.size))
        file = io.BytesIO()
        shown.save(file, "PNG")
        return file.getvalue()[: len(file.getvalue()) // 2] if fault == "half" else file.getvalue()


def application(server: Server) -> FastAPI:  # noqa: C901 - one route after the other
    app = FastAPI()

    @app.middleware("http")
    async def strike(request: Request, proceed: Any) -> Response:
        if not request.url.path.endswith(MAKING) or request.method != "POST":
            return await proceed(request)
        server.keys.append(request.headers.get("authorization", ""))
        server.times.append(time.monotonic())
        server.here += 1
        server.most = max(server.most, server.here)
        try:
            fault = server.faults.popleft() if server.faults else ""
            request.state.fault = fault
            await asyncio.sleep(server.nap)
            return refusal(fault, request) or await proceed(request)
        finally:
            server.here -= 1

    @app.post("/sdapi/v1/txt2img")
    @app.post("/sdapi/v1/img2img")
    async def automatic1111(request: Request) -> Any:
        body = await request.json()
        given = [base64.b64decode(text) for text in body.pop("init_images", [])]
        server.asked.append((request.url.path, body))
        made = server.paint(
            body["seed"], body["steps"], *given, strength=body.get("denoising_strength", 1), fault=request.state.fault
        )
        return {"images": [base64.b64encode(made).decode()], "parameters": {}, "info": "{}"}

    @app.post("/v1/images/generations")
    async def openai(request: Request) -> Any:
        body = await request.json()
        server.asked.append((request.url.path, body))
        made = server.paint(len(server.asked), 1, fault=request.state.fault)
        if body.get("response_format") == "b64_json":
            return {"created": 0, "data": [{"b64_json": base64.b64encode(made).decode()}]}
        return {"data": [{"url": f"http://localhost:1/images/{kept(made)}"}]}

    @app.post("/v1/images/edits")
    async def edits(request: Request) -> Any:
        fields = form(request, await request.body())
        image = fields.pop("image")
        server.asked.append((request.url.path, {name: value.decode() for name, value in fields.items()}))
        made = server.paint(len(server.asked), 1, image, strength=0.5, fault=request.state.fault)
        return {"created": 0, "data": [{"b64_json": base64.b64encode(made).decode()}]}

    @app.post("/api/diffusers/inference")
    async def diffusers(request: Request) -> Any:
        body = await request.json()
        server.asked.append((request.url.path, body))
        made = server.paint(len(server.asked), body["num_inference_steps"], fault=request.state.fault)
        return {"response": [f"http://localhost:1/images/{kept(made)}"]}

    @app.get("/images/{name}")
    async def image(name: str) -> Any:
        return Response(server.images[name], media_type="image/png")

    @app.post("/upload/image")
    async def upload(request: Request) -> Any:
        fields = form(request, await request.body())
        name = kept(fields["image"])
        return {"name": name, "subfolder": "", "type": "input"}

    @app.post("/prompt")
    async def prompt(request: Request) -> Any:
        graph = (await request.json())["prompt"]
        sample = next(node["inputs"] for node in graph.values() if node["class_type"] == "KSampler")
        loads = [node["inputs"]["image"] for node in graph.values() if node["class_type"] == "LoadImage"]
        server.asked.append((request.url.path, {**sample, "graph": graph}))
        given = [server.images[name] for name in loads]
        made = server.paint(
            sample["seed"], sample["steps"], *given, strength=sample["denoise"], fault=request.state.fault
        )
        return {"prompt_id": kept(made), "number": 1, "node_errors": {}}

    looks: dict[str, int] = {}

    @app.get("/history/{number}")
    async def history(number: str) -> Any:
        looks[number] = looks.get(number, 0) + 1
        if looks[number] == 1:
            return {}
        saved = {"images": [{"filename": number, "subfolder": "", "type": "output"}]}
        return {number: {"outputs": {"save": saved}, "status": {"status_str": "success", "completed": True}}}

    @app.get("/view")
    async def view(filename: str) -> Any:
        return Response(server.images[filename], media_type="image/png")

    def kept(made: bytes) -> str:
        name = f"{len(server.images)}.png"
        server.images[name] = made
        return name

    return app


def refusal(fault: str, request: Request) -> Response | None:
    """What comes in the place of an answer."""
    if fault == "429":
        return JSONResponse({"error": {"message": "slow down"}}, 429, headers={"Retry-After": "0.3"})
    if fault in ("400", "401"):
        told = f"not this one, {request.headers.get('authorization', '')}"
        return JSONResponse({"error": {"message": told}}, int(fault))
    if fault == "500":
        return JSONResponse({"detail": "CUDA out of memory"}, 500)
    if fault == "html":
        return HTMLResponse("<!DOCTYPE html><html><body>Please log in</body></html>")
    if fault == "moved":
        return Response(status_code=302, headers={"Location": "https://elsewhere.example/"})
    if fault == "json":
        return Response('{"images": ["iVBORw0K', media_type="application/json")
    if fault == "other":
        return JSONResponse({"pictures": []})
    if fault == "truncated":
        return StreamingResponse(iter([b'{"images": ["iVBO']), headers={"Content-Length": "5000"})
    return None


def form(request: Request, body: bytes) -> dict[str, bytes]:
    """The parts of a multipart form by name."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    parts = email.message_from_bytes(head + body).get_payload()
    return {part.get_param("name", header="content-disposition"): part.get_payload(decode=True) for part in parts}


@contextlib.contextmanager
def served(model: Model, size: int = 8) -> Iterator[Server]:
    """A server that answers at its ``url`` as long as the block lasts."""
    server = Server(model, size)
    running = uvicorn.Server(
        uvicorn.Config(application(server), port=0, log_level="critical", lifespan="off", ws="none", http="h11")
    )
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.005)
    server.url = f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        running.should_exit = True
        thread.join()
