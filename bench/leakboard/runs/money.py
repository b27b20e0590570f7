"""What a plan will cost in money, at victims that charge for their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from leakboard.registry.find import shared
from leakboard.store.answers import answers_in
from leakboard.store.buckets import locate_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leakboard.asking import Cost
    from leakboard.tasks.task import ObserveTask


class Billed(NamedTuple):
    """One victim that charges.

    Attributes:
        victim: what a person calls it.
        account: that its questions are charged to.
        queries: that are still to be asked, at most: answers that are kept already are not paid again.
        price: of one query.
        most: price of all of them.
        spent: on the account so far.
        cap: the most that may be spent on the account; None: no limit.
    """

    victim: str
    account: str
    queries: float
    price: float
    most: float
    spent: float
    cap: float | None

    @property
    def line(self) -> str:
        """In words, for people."""
        left = "" if self.cap is None else f", {self.spent:,.2f} of {self.cap:,.2f} spent so far"
        told = f"{self.most:,.2f} at most: {self.queries:,.0f} queries at {self.price:g}, {self.victim}{left}"
        if self.cap is not None and self.spent + self.most > self.cap:
            return f"{told}; the cap may end it early"
        return told


def bills(tasks: Sequence[ObserveTask], costs: Sequence[Cost]) -> tuple[Billed, ...]:
    """What tasks will cost, by victim; of those that charge something.

    Raises:
        LeakboardError: what was spent so far cannot be read.
    """
    queries: dict[str, float] = {}
    first: dict[str, ObserveTask] = {}
    for task, cost in zip(tasks, costs, strict=True):
        queries[task.victim_identity] = queries.get(task.victim_identity, 0.0) + cost.queries
        first.setdefault(task.victim_identity, task)
    found = []
    for identity, task in first.items():
        bill = shared(task.settings.plugins).one("victim", task.victim).only.bill
        if bill and (bill.price or bill.cap is not None):
            spent = answers_in(locate_files(task.settings.artifacts)).ledger(bill.account).spent
            asked = queries[identity]
            found.append(
                Billed(task.title or task.victim, bill.account, asked, bill.price, asked * bill.price, spent, bill.cap)
            )
    return tuple(found)
