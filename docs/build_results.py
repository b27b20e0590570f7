"""Write ``docs/results.md``: what the shipped grids found on the embedded victims, from their stores.

leakboard run grids/levels.toml --store levels.db
leakboard run grids/paper.toml --store paper.db
leakboard run grids/low_fpr.toml --store low_fpr.db
leakboard run grids/openclipart.toml --store openclipart.db
leakboard train fashion_ddpm --runs 2 --level light --out runs
leakboard run grids/after_training/runs.toml --store runs.db
python docs/build_results.py levels=levels.db paper=paper.db rates=low_fpr.db drawings=openclipart.db runs=runs.db

A section whose store is not given stays as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pandas as pd

LEVELS = ("untrained", "light", "moderate", "heavy")
OBSERVERS = ("one_shot", "progressive", "complete", "complete_progressive", "blind")
DISTANCES = ("psnr", "rmse", "dssim", "features")
CLASSIFIERS = ("logistic_regression", "svm", "decision_tree", "naive_bayes", "knn")
BASELINES = ("loss", "secmi", "pia", "pian", "sima")

INTRO = """# What the shipped grids found

Made from the stores of five runs:

    leakboard run grids/levels.toml --store levels.db
    leakboard run grids/paper.toml --store paper.db
    leakboard run grids/low_fpr.toml --store low_fpr.db
    leakboard run grids/openclipart.toml --store openclipart.db
    leakboard train fashion_ddpm --runs 2 --level light --out runs
    leakboard run grids/after_training/runs.toml --store runs.db
    python docs/build_results.py levels=levels.db paper=paper.db rates=low_fpr.db drawings=openclipart.db runs=runs.db

Victims of the first three are the embedded `fashion_ddpm`: one training run on 1,024 Fashion-MNIST images, three
checkpoints chosen by epoch count, and the untrained network. Brackets are 95 % intervals over samples; they say nothing
of another training run, which the last section is about. These are small grey images and one small pixel model: read
them as a check of the harness and of the method, not as figures for Stable Diffusion.

Intervals of the first two sections were made with DeLong's variance alone; today's are its hull with Newcombe's method
5, a little wider above 0.95. Their DSSIM is up to 6e-5 off.
"""


def measured(store: str, measure: str = "auc") -> pd.DataFrame:
    """The rows of a store for one measure, with the level of the victim and plain names of observers."""
    import leakboard

    rows = leakboard.Store(store, read_only=True).results(measure)
    rows = rows[rows["labels"] == "true"].copy()
    rows["level"] = rows["victim"].str.extract(r"level='(\w+)'", expand=False).fillna("moderate")
    rows["name"] = rows["observer"].str.partition("(")[0]
    return rows


def table(corner: str, rows: tuple[str, ...], columns: tuple[str, ...], cell: Callable[[str, str], str]) -> str:
    """A markdown table."""
    lines = [f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {row} | {' | '.join(cell(row, column) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def interval(rows: pd.DataFrame) -> str:
    """One AUC with its interval."""
    (row,) = rows.itertuples()
    return f"{row.value:.3f} [{row.low:.3f}, {row.high:.3f}]"


def over_seeds(rows: pd.DataFrame) -> str:
    """Mean AUC and standard deviation over seeds."""
    return f"{rows['value'].mean():.3f} ± {rows['value'].std():.3f}"


def levels(store: str) -> Iterator[str]:
    """How the length of training governs the leak."""
    rows = measured(store)
    yield f"`grids/levels.toml`, one seed, evaluated on {evaluated(rows)}.\n"
    for level in LEVELS[1:]:
        mine = rows[(rows["level"] == level) & (rows["classifier"] == "logistic_regression")]
        yield f"**{level}**, logistic regression, AUC by observer and distance:\n"
        yield table("observer", OBSERVERS, DISTANCES, lambda o, d, mine=mine: interval(at(mine, o, d)))  # type: ignore[misc]
    yield "PSNR and complete observer, by classifier:\n"
    best = rows[(rows["name"] == "complete") & (rows["distance"] == "psnr")]
    yield table(
        "classifier", CLASSIFIERS, LEVELS, lambda c, v: interval(best[(best["classifier"] == c) & (best["level"] == v)])
    )
    yield "Gray-box baselines, one threshold, nothing trained:\n"
    yield table("attack", BASELINES, LEVELS, lambda a, v: interval(rows[(rows["attack"] == a) & (rows["level"] == v)]))


def paper(store: str) -> Iterator[str]:
    """The seed paper's grid."""
    rows = measured(store)
    rows = rows[rows["classifier"] == "logistic_regression"]
    seeds = rows["seed"].nunique()
    defenses = sorted(rows["defense"].unique(), key=lambda label: (label != "none", "both" in label))
    yield (
        f"`grids/paper.toml`, moderate victim, {seeds} seeds, evaluated on {evaluated(rows)}. "
        "Mean AUC ± standard deviation over seeds (noise and split), logistic regression.\n"
    )
    bare = rows[rows["defense"] == "none"]
    observers = ("one_shot", "progressive", "complete")
    for access, label in (("gray", "intermediates of one query"), ("black", "re-queries with growing strength")):
        mine = bare[bare["access"] == access]
        yield f"**{access}** ({label}), {int(mine['nfe'].max())} denoiser evaluations a sample at most:\n"
        yield table("observer", observers, DISTANCES, lambda o, d, mine=mine: over_seeds(at(mine, o, d)))  # type: ignore[misc]
    yield "**Box blur of radius 1**, PSNR, gray access, at the query or on both images before the distance:\n"
    gray = rows[(rows["access"] == "gray") & (rows["distance"] == "psnr")]
    columns = tuple(
        f"{label}, {who}" for label in defenses for who in ("adaptive", "naive") if (label, who) != ("none", "naive")
    )

    def blurred(observer: str, column: str) -> str:
        label, _, who = column.rpartition(", ")
        mine = gray[(gray["defense"] == label) & (gray["attacker"] == who)]
        return over_seeds(mine[mine["name"] == observer])

    yield table("observer", observers, columns, blurred)


DRAWINGS = (
    ("untrained", "openclipart_sd(level='untrained')"),
    ("moderate", "openclipart_sd"),
    ("moderate, without captions", "openclipart_sd(prompts='empty')"),
    ("heavy", "openclipart_sd(level='heavy')"),
)


def rates(store: str) -> Iterator[str]:
    """What is left at low false-positive rates."""
    for measure, title in (
        ("auc", "AUC"),
        ("tpr_at_1pct_fpr", "TPR at 1 % FPR"),
        ("tpr_at_0.1pct_fpr", "TPR at 0.1 % FPR"),
    ):
        rows = measured(store, measure)
        if measure == "auc":
            yield f"`grids/low_fpr.toml`, one seed, evaluated on {evaluated(rows)}, so that no rate is uncalibrated.\n"
        yield f"{title}:\n"
        attacks = ("loss", "secmi", "pia", "sima")
        yield table(
            "attack",
            attacks,
            LEVELS,
            lambda a, v, rows=rows: interval(rows[(rows["attack"] == a) & (rows["level"] == v)]),  # type: ignore[misc]
        )


def drawings(store: str) -> Iterator[str]:
    """A text-to-image model of captioned drawings."""
    rows = measured(store)
    yield (
        f"`grids/openclipart.toml`, one seed, evaluated on {evaluated(rows)}. `openclipart_sd` is one training run on "
        "the 1,024 members of `openclipart` (64x64, a caption each), at two levels and untrained. Its autoencoder saw "
        "the auxiliary drawings alone.\n"
    )
    named = {
        "one_shot, psnr": rows["attack"] == "cilloni_one_shot",
        "complete, psnr": rows["attack"] == "cilloni_complete",
        **{
            f"{name}, dssim": (rows["name"] == name) & (rows["distance"] == "dssim")
            for name in ("one_shot", "complete")
        },
        **{name: rows["attack"] == name for name in BASELINES},
    }
    victims = dict(DRAWINGS)
    yield table(
        "attack", tuple(named), tuple(victims), lambda a, v: interval(rows[named[a] & (rows["victim"] == victims[v])])
    )
    blind = rows[rows["access"] == "none"]
    yield f"Blind checks, which ask no victim: AUC {blind['value'].min():.3f} to {blind['value'].max():.3f}.\n"


def runs(store: str) -> Iterator[str]:
    """How much the numbers change when the training is repeated."""
    rows = measured(store)
    victims = tuple(dict.fromkeys(rows["victim"]))
    first_run = rows[rows["victim"] == victims[0]]
    attacks = tuple(first_run.sort_values("value", ascending=False)["attack"])
    by_attack = {name: rows[rows["attack"] == name] for name in attacks}
    yield (
        f"`grids/after_training/runs.toml`: the level *light* of `fashion_ddpm` ({len(victims)} training runs, the "
        f"same members, other seeds), evaluated on the same {evaluated(rows)}. The deviation is that of the runs, with "
        "n - 1; beside it half of the mean interval over samples, which knows one run alone.\n"
    )

    def cell(attack: str, column: str) -> str:
        mine = by_attack[attack]
        if column == "deviation":
            return f"{mine['value'].std():.3f}"
        if column == "half interval":
            return f"{(mine['high'] - mine['low']).mean() / 2:.3f}"
        return interval(mine[mine["victim"] == column])

    yield table("attack", attacks, (*victims, "deviation", "half interval"), cell)
    asked = rows[rows["access"] != "none"]
    spread = asked.groupby("attack")["value"].std()
    half = float((asked["high"] - asked["low"]).mean()) / 2
    yield (
        f"Another training moves these numbers by {spread.min():.3f} to {spread.max():.3f} (one standard deviation of "
        f"{len(victims)} runs, which such few runs know badly); the samples leave {half:.3f} open to either side.\n"
    )
    ranks = asked.pivot_table(index="attack", columns="victim", values="value").rank(ascending=False)
    first = {victim: str(ranks[victim].idxmin()) for victim in victims}
    places = ", ".join(f"`{attack}` on {victim}" for victim, attack in first.items())
    yield f"The highest AUC: {places}. Kendall's W of the ranks of {len(ranks)} attacks is {concordance(ranks):.2f}.\n"


def concordance(ranks: pd.DataFrame) -> float:
    """Kendall's coefficient W of ranks, a row an item and a column a judge: from 0 (none agree) to 1 (all do)."""
    count, judges = ranks.shape
    spread = float(((ranks.sum(axis=1) - judges * (count + 1) / 2) ** 2).sum())
    return 12 * spread / (judges**2 * (count**3 - count))


def evaluated(rows: pd.DataFrame) -> str:
    """How many samples the numbers rest on."""
    return f"{rows.iloc[0]['n_member']} members and {rows.iloc[0]['n_nonmember']} non-members"


def at(rows: pd.DataFrame, observer: str, distance: str) -> pd.DataFrame:
    """The rows of one observer and one distance."""
    return rows[(rows["name"] == observer) & (rows["distance"] == distance)]


SECTIONS = {
    "levels": ("Training length governs the leak", levels),
    "paper": ("The seed paper's grid", paper),
    "rates": ("Few false alarms", rates),
    "drawings": ("Captioned drawings in colour", drawings),
    "runs": ("Training again", runs),
}
"""The sections in their order: heading, and what makes the text below it of a store."""


def main(*given: str) -> None:
    """Write the page: the sections that are given as ``name=store`` anew, the others as they are."""
    page = Path(__file__).with_name("results.md")
    texts = dict(part.split("\n", 1) for part in page.read_text(encoding="utf-8").split("\n## ")[1:])
    for pair in given:
        name, _, store = pair.partition("=")
        heading, made = SECTIONS[name]
        texts[heading] = "\n" + "\n".join(made(store))
    parts = [f"## {heading}\n{texts[heading].rstrip()}\n" for heading, _ in SECTIONS.values() if heading in texts]
    page.write_text("\n".join([INTRO, *parts]), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
