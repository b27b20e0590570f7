"""What was paid for the answers of victims that charge for them, as far as the ledgers beside the store tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leakboard.errors import LeakboardError
from leakboard.store.answers import answers_in
from leakboard_reports.formats import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leakboard.store import Store


@dataclass(frozen=True)
class BillRow:
    """One victim that charges, as texts; ``queries`` and ``spent`` are those of its whole account."""

    label: str
    account: str
    price: str
    queries: str
    spent: str


def rows(victims: Iterable[tuple[str, Mapping[str, Any]]], store: Store) -> list[BillRow]:
    """From labels and the facts that the store keeps of each victim."""
    found = []
    for label, facts in victims:
        bill = facts.get("bill")
        if not isinstance(bill, dict) or not (bill.get("price") or bill.get("cap") is not None):
            continue
        queries, spent = _entries(store, str(bill["account"]))
        cap = "" if bill.get("cap") is None else f" of {bill['cap']:g}"
        found.append(BillRow(label, str(bill["account"]), f"{bill['price']:g}", queries, f"{spent}{cap}"))
    return found


def _entries(store: Store, account: str) -> tuple[str, str]:
    """Queries and money; dashes where the ledger is elsewhere, or damaged."""
    try:
        ledger = answers_in(store.artifacts).ledger(account)
        entries = ledger.entries()
    except LeakboardError:
        return ABSENT, ABSENT
    return (f"{entries.queries:,}", f"{entries.spent:g}") if ledger.path.is_file() else (ABSENT, ABSENT)
