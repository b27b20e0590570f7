"""Made-up scores, and estimates straight from their definitions."""

from __future__ import annotations

import numpy as np


def drawn(seed, members, nonmembers, shift=1.0, decimals=None):
    rng = np.random.default_rng(seed)
    scores = np.concatenate([rng.normal(shift, 1.3, members), rng.normal(0, 1, nonmembers)])
    order = rng.permutation(len(scores))
    member = np.arange(len(scores)) < members
    return (scores if decimals is None else scores.round(decimals))[order], member[order]


def kernel(members, nonmembers):
    difference = np.subtract.outer(members, nonmembers)
    return (difference > 0) + 0.5 * (difference == 0)


def brute_covariance(a, b, member):
    """DeLong, DeLong and Clarke-Pearson's covariance of two AUCs, straight from the m x n kernel."""
    first, second = (kernel(s[member], s[~member]) for s in (a, b))
    rows = np.cov(first.mean(1), second.mean(1))[0, 1] / member.sum()
    return rows + np.cov(first.mean(0), second.mean(0))[0, 1] / (~member).sum()
