"""Rules that make prompts: captions, nothing, or a template with the captions and labels of a dataset."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from leakboard.api import LeakboardError, Unsupported

if TYPE_CHECKING:
    from leakboard.api import Samples

TEMPLATE = "template:"
FIELDS = ("label", "caption")
EXPECTED = "'caption', 'empty', or 'template: a photo of {label}' with the fields {label} and {caption}"


def made_prompts(rule: str, samples: Samples) -> tuple[str, ...]:
    """The prompt of each sample by a rule.

    Args:
        rule: ``caption``, ``empty``, or ``template:`` and a text with the fields {label} and {caption}.
        samples: whose captions and labels the prompts are made of.

    Raises:
        Unsupported: the dataset has no captions or labels, and the rule needs them.
    """
    count = len(samples.ids)
    if rule == "empty":
        return ("",) * count
    text = "{caption}" if rule == "caption" else rule.removeprefix(TEMPLATE).strip()
    known = {"label": samples.labels, "caption": samples.prompts}
    for _, field, _, _ in string.Formatter().parse(text):
        if field is not None and known[field] is None:
            others = [f"'template: a photo of {{{name}}}'" for name in FIELDS if known[name] is not None]
            raise Unsupported(
                f"prompts={rule!r} needs the {field}s of the dataset, which has none; "
                f"prompts={' or '.join([*others, repr('empty')])} would do, or a dataset with {field}s"
            )
    rows = [{name: "" if of is None else of[row] for name, of in known.items()} for row in range(count)]
    return tuple(text.format(**row) for row in rows)


def check_rule(rule: str) -> None:
    """Refuse a rule that `made_prompts` could not follow.

    Raises:
        LeakboardError: it makes no sense.
    """
    if rule in ("caption", "empty"):
        return
    text = rule.removeprefix(TEMPLATE).strip()
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError as error:
        raise LeakboardError(f"the template cannot be read: {error}", where=f"prompts={rule!r}") from error
    plain = all(field in (None, *FIELDS) and not spec and not change for _, field, spec, change in fields)
    if not rule.startswith(TEMPLATE) or not text or not plain:
        raise LeakboardError("no rule for prompts", where=f"prompts={rule!r}", expected=EXPECTED)
