"""A victim that is asked over HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import Field

from leakboard.api import Bill, Fit, LeakboardError, Victim
from leakboard_plugins.victims.api.comfyui import check_workflow
from leakboard_plugins.victims.api.diffusers_server import ASYNC
from leakboard_plugins.victims.api.questions import Api
from leakboard_plugins.victims.api.schemas import SCHEMAS, SchemaName
from leakboard_plugins.victims.api.secrets import check_name
from leakboard_plugins.victims.latent.prompts import check_rule, made_prompts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Access, Model, Need, Samples, WorksIn

JUDGED = "cannot be judged: an API gives images, and no predictions"
"""What stands in the place of a verdict of the quality gate."""


@dataclass(frozen=True, kw_only=True)
class ApiVictim(Victim):
    """What an API and its replayed answers have in common."""

    access: ClassVar[Access] = "black"
    works_in: ClassVar[WorksIn] = "latents"
    offers: ClassVar[frozenset[Need]] = frozenset({"prompts"})
    prompts: str = "caption"
    """Its prompt with each sample: 'caption', 'empty', or 'template: a photo of {label}' ({label}, {caption})."""
    fit: Fit = "exact"
    """How images of another size or colour are fitted to it. Grey images are sent as RGB."""

    def __post_init__(self) -> None:
        check_rule(self.prompts)

    def prompts_for(self, samples: Samples) -> tuple[str, ...]:
        """The prompts that ``prompts`` makes of captions and labels.

        Raises:
            Unsupported: the dataset has no captions or labels, and ``prompts`` needs them.
        """
        return made_prompts(self.prompts, samples)


@dataclass(frozen=True, kw_only=True)
class Http(ApiVictim):
    """A model behind an API: black access only, and every query may cost money.

    Answers are kept in the folder of artifacts by what was asked, so that none is paid twice, and ``replay`` attacks
    them again. The key is read from the environment and kept nowhere. Needs `pip install 'leakboard[api]'`.
    """

    name: ClassVar[str] = "http"
    aside = frozenset({"key", "price", "cap", "rate", "concurrency", "tries", "timeout"})
    url: str
    """Address of the API without what the schema adds: 'http://127.0.0.1:7860', 'https://api.openai.com'."""
    schema: SchemaName
    """The format that it is asked in."""
    model: str = ""
    """Name of the model, as the API calls it; empty for the one that it has."""
    size: Annotated[int, Field(ge=8, le=8192)] = 512
    """Height and width of its images in pixels."""
    guidance: Annotated[float, Field(ge=1, le=100)] = 1.0
    """Classifier-free guidance, where the schema has it. 1 is none."""
    negative_prompt: str = ""
    """What images should not show, where the schema has it."""
    sampler: str = ""
    """Sampler as the API calls it; empty for DDIM."""
    workflow: str | None = None
    """File of a ComfyUI workflow in the API format, with fields such as {seed}; None for a plain one."""

    key: str = ""
    """Name of the environment variable with the key, never the key itself; empty for an API without."""
    price: Annotated[float, Field(ge=0)] = 0.0
    """Money that one query costs, in whatever currency."""
    cap: Annotated[float, Field(ge=0)] | None = None
    """The most that may be spent at this url, by all runs with the same folder of artifacts; None: no limit."""
    rate: Annotated[float, Field(ge=0)] = 0.0
    """Queries a second at most, of all workers together; 0 is no limit."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Queries that a worker has on their way at once."""
    tries: Annotated[int, Field(ge=1, le=100)] = 6
    """How often a question is asked that fails in a way that may pass."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 120.0
    """Seconds of each try."""

    def __post_init__(self) -> None:
        check_name(self.key)
        object.__setattr__(self, "url", _checked_url(self.url))
        super().__post_init__()
        sends = SCHEMAS[self.schema].sends
        given = {"guidance": self.guidance != 1, "negative_prompt": self.negative_prompt, "sampler": self.sampler}
        for name in (name for name, value in given.items() if value and name not in sends):
            raise LeakboardError(
                f"an API of the schema {self.schema} takes no {name}", expected=f"{name} left out", where=f"{name}=..."
            )
        if self.workflow is not None and self.schema != "comfyui":
            raise LeakboardError(f"an API of the schema {self.schema} takes no workflow", where="workflow=...")
        if self.schema == "comfyui" and self.workflow is None and not self.model:
            raise LeakboardError(
                "ComfyUI has to be told which checkpoint to load",
                where="model",
                expected="model='name.safetensors', or workflow='file.json'",
            )

    @property
    def evaluations_per_step(self) -> int:
        """Two under guidance."""
        return 2 if self.guidance > 1 else 1

    @property
    def bill(self) -> Bill:
        """What is charged to its url."""
        return Bill(self.url, self.price, self.cap)

    def facts(self) -> dict[str, Any]:
        """What is sent to it, and why nobody judged it."""
        return {"schema": self.schema, "sent": list(SCHEMAS[self.schema].sends), "quality gate": JUDGED}

    def files(self) -> Sequence[Path]:
        """The workflow, where there is one of the user's own.

        Raises:
            LeakboardError: there is no such file, or it is no workflow.
        """
        if self.workflow is None:
            return ()
        self._workflow()
        return (Path(self.workflow),)

    def open(self, device: str) -> Model:  # noqa: ARG002 - it computes elsewhere
        """A connection; nothing is sent before something is asked.

        Raises:
            LeakboardError: there is no key, or a package is not installed.
        """
        from leakboard_plugins.victims.api.calls import line
        from leakboard_plugins.victims.api.model import ApiModel

        connection = line(
            self.url.removesuffix(ASYNC),
            self.schema,
            self.key,
            self.bill,
            login=SCHEMAS[self.schema].login,
            rate=self.rate,
            tries=self.tries,
            timeout=self.timeout,
        )
        return ApiModel(self.api(), connection, self.concurrency)

    def api(self) -> Api:
        """All that its answers depend on.

        Raises:
            LeakboardError: its workflow cannot be read.
        """
        workflow = "" if self.workflow is None else self._workflow()
        return Api(
            self.url,
            self.schema,
            self.model,
            self.size,
            self.guidance,
            self.negative_prompt,
            self.sampler,
            workflow,
        )

    def _workflow(self) -> str:
        path = Path(self.workflow or "")
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise LeakboardError(f"cannot read the workflow: {reason}", where=str(path)) from None
        check_workflow(text, str(path))
        return text


def _checked_url(url: str) -> str:
    """An address without a slash at its end.

    Raises:
        LeakboardError: it is none, or holds more than a host and a path. A password in it is not shown.
    """
    expected = "url='https://host' or 'http://host:port/path'"
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise LeakboardError("this is no address of an API", where="url=...", expected=expected)
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise LeakboardError(
            "the address of an API holds a user, a password or a query, and would be stored with them",
            where="url=... (not shown)",
            expected=expected,
            next="key='NAME' names the environment variable that holds the key, or user:password for automatic1111",
        )
    return url.rstrip("/")
