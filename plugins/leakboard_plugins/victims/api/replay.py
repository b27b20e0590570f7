"""A victim that answers from what an API once answered."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from leakboard.api import LeakboardError
from leakboard_plugins.victims.api.questions import Api
from leakboard_plugins.victims.api.victim import JUDGED, ApiVictim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.api import Model
    from leakboard.store.answers import Answers
    from leakboard.store.answers import Api as Source


@dataclass(frozen=True, kw_only=True)
class Replay(ApiVictim):
    """Answers that `http` kept, attacked again without the API: by other distances, and observers that ask the same.

    A question that was never answered is an error. Which answers these are is part of the identity, and where they lie
    is not: a copy of the folder gives the same results.
    """

    name: ClassVar[str] = "replay"
    aside = frozenset({"store"})
    store: str
    """The store that the API was attacked into, as a file, or its folder of artifacts."""
    answers: str = ""
    """Beginning of the name of the answers, where the store has those of several APIs; the error lists them."""

    @property
    def evaluations_per_step(self) -> int:
        """As of the API: two under guidance."""
        return 2 if self._api().guidance > 1 else 1

    def facts(self) -> dict[str, Any]:
        """Whose answers they are."""
        told = {name: value for name, value in json.loads(self._source().told).items() if value != ""}
        return {"answers": self._source().name, "api": told, "quality gate": JUDGED}

    def files(self) -> Sequence[Path]:
        """What says whose answers they are; it has a name of its own wherever answers are gathered anew.

        Raises:
            LeakboardError: there is no such store, it has no answers, or those of several APIs.
        """
        return (self._source().file,)

    def open(self, device: str) -> Model:  # noqa: ARG002 - nothing is computed
        """The answers.

        Raises:
            LeakboardError: as `files`.
        """
        from leakboard_plugins.victims.api.model import Replayed

        return Replayed(self._api(), self._answers(), f"store={Path(self.store).name!r}")

    def _api(self) -> Api:
        return Api(**json.loads(self._source().told))

    def _source(self) -> Source:
        from leakboard.store.answers import told

        known = self._answers().apis()
        fitting = [each for each in known if each.name.startswith(self.answers)]
        if len(fitting) == 1:
            return fitting[0]
        lines = "; ".join(map(told, fitting or known))
        if not known:
            raise LeakboardError(
                "there are no answers of an API", where=f"store={self.store!r}", expected="a store of a grid with http"
            )
        raise LeakboardError(
            f"the store has answers of {len(known)} APIs" if fitting else f"no answers are called {self.answers!r}",
            where=f"store={self.store!r}",
            expected=f"answers='...' with the beginning of one of these names: {lines}",
        )

    def _answers(self) -> Answers:
        from leakboard.store.answers import answers_in

        path = Path(self.store)
        if path.is_dir():
            return answers_in(path)
        from leakboard import Store

        return answers_in(Store(self.store, read_only=True).artifacts)
