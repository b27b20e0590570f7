"""Fill the tables of ``docs/studies/*.md`` and draw their pictures, from the data that ``docs/keep_study.py`` kept.

    python docs/build_studies.py

The prose of a page is written by hand; what stands between ``<!-- table NAME -->`` and ``<!-- end -->`` is replaced.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import altair as alt
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STUDIES = Path(__file__).with_name("studies")
DATA = STUDIES / "data"
BLOCK = re.compile(r"(<!-- table (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
LEVELS = ("untrained", "light", "moderate", "heavy")
EPOCHS = {"untrained": 0, "light": 330, "moderate": 550, "heavy": 770}
PLACES = ("query", "output", "both")
OBSERVERS = ("one_shot", "progressive", "complete")
PLAIN = "as it is"
MINUS = " minus pixel"
KINDS = {"fashion_ddpm": "pixel", "fashion_sd": "latent"}
ATTACKS = {
    "one_shot": "one-shot + PSNR + LR",
    "progressive": "progressive + PSNR + LR",
    "complete": "complete + PSNR + LR",
    "complete(reference='autoencoder')": "complete against the autoencoder + PSNR + LR",
    "one_shot(strength=0.25)": "one-shot at the pixel victim's noise + PSNR + LR",
    "complete(strength=0.25)": "complete at the pixel victim's noise + PSNR + LR",
    "blind": "blind + PSNR + LR",
    "blind_pixels": "blind: small pictures",
    "blind_statistics": "blind: statistics and files",
    "blind_captions": "blind: captions",
    "loss": "loss",
    "secmi": "SecMI",
    "pia": "PIA",
    "pian": "PIAN",
    "sima": "SimA",
}
Frame = pd.DataFrame


def results(question: int) -> Frame:
    """The AUC rows of a question, with the kind of victim, its level, and what the attack is called."""
    rows = pd.read_parquet(DATA / f"open_question_{question}_results.parquet")
    return named(rows[(rows["measure"] == "auc") & (rows["labels"] == "true")])


def named(rows: Frame) -> Frame:
    """Columns that the tables are made by."""
    rows = rows.copy()
    rows["kind"] = rows["victim"].str.partition("(")[0].map(KINDS)
    rows["level"] = rows["victim"].str.extract(r"level='(\w+)'", expand=False).fillna("moderate")
    simple = (rows["distance"] == "psnr") & (rows["classifier"] == "logistic_regression")
    attack = rows["attack"].fillna("").where(~rows["attack"].fillna("").str.startswith("cilloni"), "")
    rows["name"] = attack.where(attack != "", rows["observer"].where(simple, "")).map(ATTACKS)
    return rows


def paired(question: int, against: str) -> Frame:
    """Paired differences of AUC, against the undefended victim or the pixel one."""
    rows = pd.read_csv(DATA / f"open_question_{question}_changes.csv", keep_default_na=False, na_values=["nan", ""])
    return named(rows[rows["against"] == against])


def listing(corner: str, rows: Frame) -> str:
    """The attacks of some rows, one a line."""
    shown = [name for name in ATTACKS.values() if name in set(rows["name"].dropna())]
    return table(corner, shown, ["AUC"], lambda name, _: number(rows[rows["name"] == name]))


def number(rows: Frame) -> str:
    """One AUC with its interval, or a dash."""
    if len(rows) != 1:
        return "-"
    row = rows.iloc[0]
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def difference(rows: Frame) -> str:
    """One paired difference with its interval, bold where the interval excludes zero."""
    if len(rows) != 1:
        return "-"
    row = rows.iloc[0]
    text = f"{row['change']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    return f"**{text}**" if row["low"] > 0 or row["high"] < 0 else text


def table(corner: str, rows: Iterable[str], columns: Iterable[str], cell: Callable[[str, str], str]) -> str:
    """A markdown table."""
    columns = list(columns)
    lines = [f"| {corner} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {row} | {' | '.join(cell(row, column) for column in columns)} |" for row in rows]
    return "\n".join(lines) + "\n"


def evaluated(rows: Frame) -> str:
    """How many samples the numbers rest on."""
    first = rows.iloc[0]
    return f"{first['n_member']} members and {first['n_nonmember']} non-members evaluated"


def save(chart: alt.Chart, name: str) -> None:
    """An SVG that reads on light and dark pages."""
    chart = chart.configure(background="white", font="DejaVu Sans, sans-serif").configure_view(stroke="#bbb")
    chart.save(STUDIES / f"{name}.svg")


def question_1() -> dict[str, str]:
    """Defenses: what they take from the attacker, and what from honest users."""
    rows = results(1)
    changed = paired(1, "undefended")
    prices = pd.read_csv(DATA / "open_question_1_prices.csv")
    singles = [label for label in dict.fromkeys(rows["defense"]) if "+" not in label and "at=" not in label]
    singles.remove("none")
    chains = [label for label in dict.fromkeys(rows["defense"]) if "+" in label]
    tables = {"evaluated": evaluated(rows) + ".\n"}
    for kind in ("pixel", "latent"):
        bare = rows[(rows["kind"] == kind) & (rows["defense"] == "none")]
        tables[f"bare_{kind}"] = listing("attack", bare)
        of_kind = Defended(changed[changed["kind"] == kind], prices[prices["victim"] == bare.iloc[0]["victim"]])
        columns = [f"{place}, {who}" for place in PLACES for who in ("adaptive", "naive")]
        tables[f"complete_{kind}"] = table("defense", singles, columns, of_kind.complete)
        tables[f"pictures_{kind}"] = table("defense", singles, ["query", "output"], of_kind.pictures)
        tables[f"chains_{kind}"] = table("chain", chains, ["adaptive", "naive", "pictures"], of_kind.chain)
        names = [ATTACKS["one_shot"], ATTACKS["pia"], ATTACKS["loss"]]
        tables[f"baselines_{kind}"] = table("defense at the query", singles, names, of_kind.attack)
    _draw_prices(rows, prices)
    return tables


@dataclass(frozen=True)
class Defended:
    """What the defenses of one victim do: paired changes of AUC, and prices for honest users."""

    changes: Frame
    prices: Frame

    def complete(self, label: str, column: str) -> str:
        """Change of the complete attack, by place and attacker."""
        place, _, attacker = column.partition(", ")
        return self._change(_at(label, place), ATTACKS["complete"], attacker)

    def attack(self, label: str, name: str) -> str:
        """Change of any attack under a defense at the query, the attacker knowing it."""
        return self._change(label, name, "adaptive")

    def chain(self, label: str, column: str) -> str:
        """Change of the complete attack under a chain, or what it does to pictures."""
        if column == "pictures":
            return self._decibels(label)
        return self._change(label, ATTACKS["complete"], column)

    def pictures(self, label: str, place: str) -> str:
        """What a defense does to what the victim sees, and to what it returns."""
        return self._decibels(_at(label, place))

    def _change(self, label: str, name: str, attacker: str) -> str:
        rows = self.changes[(self.changes["defense"] == label) & (self.changes["name"] == name)]
        return difference(rows[rows["attacker"] == attacker])

    def _decibels(self, label: str) -> str:
        rows = self.prices[self.prices["defense"] == label]
        if len(rows) != 1:
            return "-"
        return " / ".join(
            "same" if math.isinf(db) else f"{db:.1f} dB" for db in rows.iloc[0][["query_db", "output_db"]]
        )


def _at(label: str, place: str) -> str:
    """The short spelling of a defense at a place; the query is the default and is left out."""
    if place == "query":
        return label
    name, _, rest = label.partition("(")
    return f"{name}(at='{place}', {rest}" if rest else f"{name}(at='{place}')"


def _draw_prices(rows: Frame, prices: Frame) -> None:
    """AUC of one attack over what honest users get, a point a defense."""
    mine = rows[(rows["name"] == ATTACKS["complete"]) & (rows["attacker"] == "adaptive")]
    joined = mine.merge(prices.drop(columns="seed"), on=["victim", "defense"])
    joined = joined[~joined["defense"].str.contains("both")]
    joined["at"] = joined["defense"].str.extract(r"at='(\w+)'", expand=False).fillna("query")
    joined.loc[joined["defense"].str.contains(r"\+"), "at"] = "chain"
    joined["defense kind"] = joined["defense"].str.partition("(")[0].str.replace("_", " ")
    joined.loc[joined["at"] == "chain", "defense kind"] = "chain"
    bare = mine[mine["defense"] == "none"][["kind", "value", "low", "high"]]
    panels = []
    for kind in ("pixel", "latent"):
        points = alt.Chart(joined[joined["kind"] == kind]).encode(
            x=alt.X("output_db:Q", title="output against undefended output, dB PSNR", scale=alt.Scale(zero=False)),
            color=alt.Color("defense kind:N", title="defense"),
        )
        value = alt.Y("value:Q", title="AUC, adaptive attacker", scale=alt.Scale(domain=[0.45, 1.0]))
        shown = points.mark_point(filled=True, size=60, opacity=0.9).encode(
            y=value, shape=alt.Shape("at:N", title="placed at")
        )
        bars = points.mark_rule(opacity=0.35).encode(y=alt.Y("low:Q", scale=alt.Scale(domain=[0.45, 1.0])), y2="high:Q")
        level = alt.Chart(bare[bare["kind"] == kind]).mark_rule(strokeDash=[4, 3]).encode(y="value:Q")
        titled = {"title": f"{kind} victim; dashed: no defense", "width": 360, "height": 300}
        panels.append((bars + shown + level).properties(**titled))
    save(alt.hconcat(*panels), "open_question_1")


def question_2() -> dict[str, str]:
    """Pixel against latent."""
    rows, silent = _by_caption(results(2))
    changed, silent_changed = _by_caption(paired(2, "pixel"))
    shown = [name for name in ATTACKS.values() if name in set(rows["name"].dropna())]
    first = rows[rows["seed"] == rows["seed"].min()]
    changed = changed[changed["seed"] == rows["seed"].min()]
    tables = {"evaluated": evaluated(rows) + f", {rows['seed'].nunique()} seeds.\n"}
    for level in LEVELS:
        here = first[first["level"] == level]
        both = Matched(here, changed[changed["level"] == level])
        names = [name for name in shown if name in set(here["name"])]
        tables[level] = table("attack", names, ["pixel", "latent", "latent minus pixel"], both.cell)
    names = [name for name in shown if name in set(silent["name"])]
    first_seed = (frame[frame["seed"] == rows["seed"].min()] for frame in (silent, silent_changed))
    columns = [f"{level}{what}" for level in LEVELS[1:] for what in ("", MINUS)]
    tables["silent"] = table("attack", names, columns, Silent(*first_seed).cell)
    spread = Spread(rows.groupby(["level", "kind", "name"])["value"].agg(["mean", "std"]))
    columns = [f"{level}, {kind}" for level in LEVELS[1:] for kind in ("pixel", "latent")]
    tables["seeds"] = table("attack", shown, columns, spread.cell)
    simple = first[(first["classifier"] == "logistic_regression") & (first["level"] == "moderate")]
    for kind in ("pixel", "latent"):
        of_kind = By(simple[simple["kind"] == kind], "observer", "distance")
        tables[f"distances_{kind}"] = table("observer", OBSERVERS, sorted(set(simple["distance"])), of_kind.cell)
    drawn = [name for name in shown if not name.startswith("blind") and "noise" not in name]
    first = first[first["name"].isin(drawn)].copy()
    first["epochs"] = first["level"].map(EPOCHS)
    lines = alt.Chart(first).encode(x=alt.X("epochs:Q", title="epochs"), color=alt.Color("kind:N", title="victim"))
    save(
        with_intervals(lines, 190, 150).facet(facet=alt.Facet("name:N", title=None, sort=drawn), columns=3),
        "open_question_2",
    )
    return tables


def _by_caption(rows: Frame) -> tuple[Frame, Frame]:
    """Rows of victims that are told all they can be, and of the latent one that is told nothing."""
    silent = rows["victim"].str.contains("prompts='empty'")
    return rows[~silent], rows[silent]


@dataclass(frozen=True)
class Silent:
    """The latent victim without a caption, at every level, and its paired differences from the pixel one."""

    rows: Frame
    changes: Frame

    def cell(self, name: str, column: str) -> str:
        """AUC at one level, or the difference."""
        level = column.removesuffix(MINUS)
        rows = self.changes if column.endswith(MINUS) else self.rows
        chosen = rows[(rows["name"] == name) & (rows["level"] == level)]
        return difference(chosen) if column.endswith(MINUS) else number(chosen)


@dataclass(frozen=True)
class Matched:
    """The same attacks on the two victims of one level, and their paired differences."""

    rows: Frame
    changes: Frame

    def cell(self, name: str, column: str) -> str:
        """AUC on one victim, or the difference."""
        if column == "latent minus pixel":
            return difference(self.changes[self.changes["name"] == name])
        return number(self.rows[(self.rows["name"] == name) & (self.rows["kind"] == column)])


@dataclass(frozen=True)
class Spread:
    """Means and standard deviations over seeds."""

    over: Frame

    def cell(self, name: str, column: str) -> str:
        """Mean ± standard deviation of one attack on one victim."""
        level, _, kind = column.partition(", ")
        if (level, kind, name) not in self.over.index:
            return "-"
        mean, deviation = self.over.loc[(level, kind, name)]
        return f"{mean:.3f} ± {deviation:.3f}"


@dataclass(frozen=True)
class By:
    """AUC by two columns."""

    rows: Frame
    down: str
    across: str

    def cell(self, row: str, column: str) -> str:
        """One AUC."""
        chosen = (self.rows[self.down].astype(str) == row) & (self.rows[self.across].astype(str) == column)
        return number(self.rows[chosen])


def question_3() -> dict[str, str]:
    """Steps, strength, guidance, scheduler, prompt."""
    rows = results(3)
    rows["steps"] = rows["observer"].str.extract(r"steps=(\d+)", expand=False).fillna("10")
    rows["strength"] = rows["observer"].str.extract(r"strength=([\d.]+)", expand=False).fillna("0.2")
    rows["how"] = rows["observer"].str.partition("(")[0]
    variant = rows["victim"].str.extract(r"((?:guidance|scheduler|prompts)=[^,)]+)", expand=False)
    rows["variant"] = variant.fillna(PLAIN)
    strengths = sorted(set(rows["strength"]))
    tables = {
        "evaluated": evaluated(rows) + ".\n",
        "blind": listing(
            "blind check", rows[rows["name"].str.startswith("blind", na=False) & (rows["kind"] == "pixel")]
        ),
    }
    for how in ("one_shot", "complete"):
        mine = rows[rows["how"] == how]
        for kind in ("pixel", "latent"):
            plain = mine[(mine["kind"] == kind) & (mine["variant"] == PLAIN)]
            tables[f"{how}_{kind}"] = table(
                "steps \\ strength",
                sorted(set(plain["steps"]), key=int),
                strengths,
                By(plain, "steps", "strength").cell,
            )
        latent = mine[(mine["kind"] == "latent") & (mine["steps"] == "10")]
        tables[f"variants_{how}"] = table(
            "latent victim \\ strength",
            dict.fromkeys(latent["variant"]),
            strengths,
            By(latent, "variant", "strength").cell,
        )
    plain = rows[(rows["variant"] == PLAIN) & rows["how"].isin(["one_shot", "complete"])].copy()
    plain["panel"] = plain["kind"] + ", " + plain["how"].str.replace("_", "-")
    lines = alt.Chart(plain).encode(
        x=alt.X("strength:Q", title="strength"), color=alt.Color("steps:N", title="steps", sort=["5", "10", "20"])
    )
    save(with_intervals(lines, 250, 170).facet(facet=alt.Facet("panel:N", title=None), columns=2), "open_question_3")
    return tables


def with_intervals(lines: alt.Chart, width: int, height: int) -> alt.LayerChart:
    """Lines through AUCs with their intervals."""
    value = alt.Y("value:Q", title="AUC", scale=alt.Scale(domain=[0.45, 1.0], clamp=True))
    bars = lines.mark_rule(opacity=0.5).encode(y="low:Q", y2="high:Q")
    return (lines.mark_line(point=True).encode(y=value) + bars).properties(width=width, height=height)


def fill(page: Path, tables: dict[str, str]) -> None:
    """Replace the blocks of a page.

    Raises:
        KeyError: the page asks for a table that the study does not make.
    """
    text = page.read_text(encoding="utf-8")
    page.write_text(BLOCK.sub(lambda block: block[1] + tables[block[2]] + block[3], text), encoding="utf-8")


def main() -> None:
    """All pages whose data is there."""
    for question, build in enumerate((question_1, question_2, question_3), 1):
        page = STUDIES / f"open_question_{question}.md"
        if page.exists():
            fill(page, build())


if __name__ == "__main__":
    main()
