"""A store as a real run leaves it, and single cells, for tests of reports: seeded scores through the real measures."""

from __future__ import annotations

import hashlib
import itertools
import json
import zlib

import numpy as np

from leakboard.api import Measure
from leakboard.keys import contact_sheet_key
from leakboard.oracle.bypass import told
from leakboard.statistics.measures import BUILT_IN
from leakboard.statistics.ranking import rank
from leakboard.statistics.thresholds import choose_threshold
from leakboard.store import AttemptRow, CellRow, ComponentRow, RunInfo, Store
from leakboard.store.artifacts import Artifacts
from leakboard.tasks.measure import measure
from leakboard_reports.hooks import leakboard_pages, leakboard_report
from leakboard_reports.reading import Cell, Estimate

VICTIMS = {"fashion_ddpm(epochs='moderate')": 1.0, "fashion_ddpm(epochs='light')": 0.35, "untrained": 0.0}
DEFENSES = {
    "none": 1.0,
    "box_blur(radius=1)": 0.75,
    "gaussian_blur(sigma=1)": 0.7,
    "gaussian_noise(sigma=0.05)": 0.98,
    "jpeg(quality=75)": 0.95,
    "box_blur(radius=1, at='output')": 0.5,
    "gaussian_noise(sigma=0.05) + jpeg(quality=75)": 0.9,
    "gaussian_noise(sigma=0.05) + jpeg(at='output')": 0.9,
}
OBSERVERS = {
    "one_shot": (0.55, "black", 10),
    "progressive": (0.35, "gray", 10),
    "complete": (1.2, "gray", 10),
    "complete(access='black')": (0.9, "black", 55),
    "blind": (0.0, "none", 0),
}
DISTANCES = {"psnr": 1.0, "dssim": 0.85, "rmse": 0.97, "features(net='hog')": 0.5}
CLASSIFIERS = {"logistic_regression": 1.0, "svm": 0.9, "decision_tree": 0.6, "naive_bayes": 0.7, "knn": 0.8}
PUBLISHED = {"loss": (0.75, 1), "secmi": (0.3, 12), "pia": (1.25, 2), "pian": (1.1, 2), "sima": (0.9, 1)}
MEASURES = [
    Measure("auc", None, "AUC"),
    Measure("tpr_at_1pct_fpr", None, "TPR at 1% FPR", ".1%"),
    Measure("tpr_at_0.1pct_fpr", None, "TPR at 0.1% FPR", ".1%"),
    Measure("balanced_accuracy", None, "balanced accuracy"),
    Measure("set_p_value", None, "p-value of all members as a set", ".2g"),
    Measure("set_size", None, "samples of a set for p < .01", ",.0f"),
    Measure("epsilon", None, "lower bound of epsilon", ".2f"),
]
"""Those that come with Leakboard, as a report is told of them."""
NAMES = [measure.name for measure in MEASURES]
SAMPLES = 128
SMALL = {
    "victims": ("fashion_ddpm(epochs='moderate')", "untrained"),
    "defenses": ("none", "box_blur(radius=1)", "box_blur(radius=1, at='output')"),
    "observers": ("one_shot", "complete", "complete(access='black')", "blind"),
    "distances": ("psnr", "features(net='hog')"),
    "classifiers": ("logistic_regression", "knn"),
    "published": ("pia",),
}


def digest(*parts):
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def component(kind, label, **info):
    return ComponentRow(kind=kind, spec=f"{label}", label=label, identity=digest(kind, label), info=info)


def observer(label, access):
    """Published attacks compare noise, the others images."""
    return component("observer", label, access=access, space="noise" if "_observer" in label else "image")


MANIFEST = {
    "recipe": "fashion_ddpm",
    "epochs": 330,
    "seed": 0,
    "loss": {"members": 0.0221, "held_out": 0.0312},
    "members_digest": digest("m"),
    "auxiliary": 4096,
    "autoencoder": {
        "psnr": 27.96,
        "auc": {"value": 0.4987, "low": 0.4736, "high": 0.5237},
        "rule": "encode and decode",
    },
}
PADDED = "28x28 grey images padded with black to 32x32 grey for the victim, and its answers back"
FITS = {"untrained": PADDED}


def images(seed, count, size=28):
    """Smooth blobs: rather like garments, and members differ from non-members in nothing."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    centre, width = rng.uniform(0.3, 0.7, (count, 2, 1, 1)), rng.uniform(0.12, 0.3, (count, 2, 1, 1))
    blob = np.exp(-(((x - centre[:, 0]) / width[:, 0]) ** 4) - ((y - centre[:, 1]) / width[:, 1]) ** 4)
    return (blob * rng.uniform(0.5, 1, (count, 1, 1)))[:, None]


def damaged(clean, defense, rng):
    if defense == "none":
        return clean
    if "blur" in defense:
        return sum(np.roll(clean, (i, j), (2, 3)) for i in (-1, 0, 1) for j in (-1, 0, 1)) / 9
    return clean + rng.normal(0, 0.05, clean.shape)


def contact_sheets(artifacts, victims, defenses):
    for victim, defense in itertools.product(victims, defenses):
        rng = np.random.default_rng(zlib.crc32(f"{victim}{defense}".encode()))
        original = images(1, 12)
        seen = original if "at='output'" in defense else damaged(original, defense, rng)
        returned = rng.uniform(0, 1, original.shape) if victim == "untrained" else seen * 0.85 + images(2, 12) * 0.1
        tensors = {"original": original, "seen": seen, "returned": damaged(returned, defense, rng)}
        meta = {"ids": json.dumps([f"s{i:05d}" for i in range(12)]), "victim": victim, "defense": defense}
        yield artifacts.put(
            contact_sheet_key(
                digest("dataset", "fashion_mnist"), digest("victim", victim), digest("defense", defense), 0
            ),
            {name: (np.clip(part, 0, 1) * 255).astype(np.uint8) for name, part in tensors.items()}
            | {"member": (np.arange(12) % 2).astype(np.uint8)},
            meta | {"dataset": "fashion_mnist", "seed": "0"},
            "preview",
        )


def attacks(observers, distances, classifiers, published):
    for o, d, c in itertools.product(observers, distances, classifiers):
        strength, access, nfe = OBSERVERS[o]
        yield "", o, d, c, strength * DISTANCES[d] * CLASSIFIERS[c], access, nfe
    for name in published:
        strength, nfe = PUBLISHED[name]
        yield name, f"{name}_observer(t=100)", "lp(p=4)", "threshold", strength, "gray", nfe


def bypass(defense, attack):
    """Published attacks ask in the victim's own space, the others for images."""
    links = [link for link in defense.split(" + ") if link != "none"] if attack else []
    past = {"query": ["predict_noise"], "output": ["encode", "predict_noise"]}
    places = {"output" if "at='output'" in link else "query" for link in links}
    return told({place: past[place] for place in places})


def results(scores, member, calibration, attacker):
    threshold = None if attacker == "none" else choose_threshold(scores[calibration], member[calibration])
    return measure(BUILT_IN, scores[~calibration], member[~calibration], threshold).results


def build(
    path,
    *,
    victims=tuple(VICTIMS),
    defenses=tuple(DEFENSES),
    observers=tuple(OBSERVERS),
    distances=tuple(DISTANCES),
    classifiers=tuple(CLASSIFIERS),
    published=tuple(PUBLISHED),
    attackers=("adaptive", "naive"),
    seeds=(0,),
    samples=SAMPLES,
    permuted=True,
    failing=True,
    blind_leak=0.0,
    hostile="",
    manifest=MANIFEST,
):
    """Fill the store at ``path``; ``hostile`` text is put wherever a user's text may land."""
    store = Store(path, create=True)
    artifacts = Artifacts(store.artifacts)
    run = store.begin_run(
        RunInfo(
            grid_name=f"demo{hostile}",
            grid_text=f'name = "demo"  # {hostile}\ndefense = ["none", "box_blur(radius=1)"]\n',
            command=f"leakboard run demo.toml {hostile}",
            provenance={
                "git": {"commit": "0123abc", "dirty": False},
                "packages": {"numpy": "2.1", "torch": "2.6"},
                "hardware": {"cpu": "x86_64", "cores": 2, "memory_gb": 8.2},
                "platform": "Linux",
            },
        )
    )
    rows = {
        ("dataset", "fashion_mnist"): component("dataset", "fashion_mnist", public=True),
        **{("victim", v): component("victim", v, manifest=manifest) for v in victims},
        **{("defense", d): component("defense", d) for d in defenses},
    }
    ids = np.array([f"s{i:05d}" for i in range(2 * samples)])
    member = np.arange(2 * samples) % 2 == 1
    cells, attempts, stored = [], [], list(contact_sheets(artifacts, victims, defenses))
    for seed in seeds:
        shared = np.random.default_rng(seed).normal(size=2 * samples)
        calibration = np.random.default_rng(seed + 100).permutation(2 * samples) < samples
        grid = itertools.product(
            victims, defenses, attackers, attacks(observers, distances, classifiers, published), ("true", "permuted")
        )
        for victim, defense, attacker, (attack, o, d, c, strength, access, nfe), labels in grid:
            if labels == "permuted" and (not permuted or defense != "none" or attacker != "adaptive" or attack):
                continue
            if defense == "none" and attacker == "naive":
                continue
            key = digest(victim, defense, attacker, o, d, c, seed, labels, samples)
            null = access == "none" or victim == "untrained" or labels == "permuted"
            rows.setdefault(("observer", o), observer(o, access))
            for kind, label in (("distance", d), ("classifier", c)):
                rows.setdefault((kind, label), component(kind, label + hostile * (label == "psnr")))
            cells.append(
                CellRow(
                    key=key,
                    dataset=rows["dataset", "fashion_mnist"].identity,
                    victim=rows["victim", victim].identity,
                    defense=rows["defense", defense].identity,
                    observer=rows["observer", o].identity,
                    distance=rows["distance", d].identity,
                    classifier=rows["classifier", c].identity,
                    attacker=attacker,
                    labels=labels,
                    seed=seed,
                    members=samples,
                    nonmembers=samples,
                    attack=attack,
                    role="null" if null else "attack",
                    access=access,
                )
            )
            if failing and d.startswith("features") and c == "knn":
                error = f"ValueError: 3 columns hold NaN {hostile}"
                attempts.append(
                    AttemptRow(cell_key=key, status="failed", error=error, traceback=f"Traceback …\n{error}")
                )
                continue
            if failing and d == "dssim" and o.startswith("progressive"):
                attempts.append(AttemptRow(cell_key=key, status="skipped", error="dssim needs images of 7 x 7 or more"))
                continue
            gain = VICTIMS[victim] * DEFENSES[defense] * strength * (1 if attacker == "adaptive" else 0.8)
            gain = 0.0 if labels == "permuted" else blind_leak if access == "none" else gain
            rng = np.random.default_rng(zlib.crc32(key.encode()))
            scores = gain * member + 0.8 * shared + 0.6 * rng.normal(size=2 * samples)
            tensors = {"score": scores[~calibration], "member": member[~calibration].astype(np.uint8)}
            if defense != "none" or labels == "true":
                stored.append(
                    artifacts.put(
                        digest("scores", key), tensors, {"ids": json.dumps(ids[~calibration].tolist())}, "scores"
                    )
                )
            attempts.append(
                AttemptRow(
                    cell_key=key,
                    status="done",
                    seconds=0.01 + nfe * 0.8,
                    queries=float(bool(nfe)),
                    nfe=float(nfe),
                    peak_mb=410.0,
                    n_calibration=samples,
                    n_evaluation=samples,
                    scores_key=digest("scores", key),
                    batch_size=64,
                    fit=FITS.get(victim, "exact"),
                    bypass=bypass(defense, attack),
                    calibration_auc=None if null else rank(scores[calibration], member[calibration]).auc,
                    results=results(scores, member, calibration, attacker),
                )
            )
    store.record(run, components=list(rows.values()), cells=cells, attempts=attempts, artifacts=stored)
    store.end_run(run, "done")
    return store


def report(store, out, *pages, pictures=False):
    """The index of a report as the command line writes it, with the pages that come with it and some more."""
    return leakboard_report(store, out, [*leakboard_pages(), *pages], MEASURES, pictures=pictures)


def made(auc, *, low=None, high=None, **axes):
    """A cell with a given AUC."""
    estimate = Estimate(auc, auc - 0.05 if low is None else low, auc + 0.05 if high is None else high, "", 50, 50)
    facts = {
        **dict.fromkeys(("dataset", "victim", "observer", "distance", "classifier"), "x"),
        "defense": "none",
        "attacker": "adaptive",
        "labels": "true",
        "seed": 0,
        "members": 50,
        "nonmembers": 50,
        "attack": "",
        "role": "attack",
        "access": "gray",
        "measures": {"auc": estimate},
        **dict.fromkeys(("queries", "nfe", "seconds", "peak_mb", "scores_key")),
        "fit": "exact",
    }
    key = json.dumps([auc, axes], sort_keys=True, default=str)
    return Cell(**{**facts, "key": key, **axes})
