# SPDX-License-Identifier: Apache-2.0
"""A dense layer of few rows with prepacked weights: bound by reading them."""
from bench import Line, random

ORDER = 2
LINES = [
    Line(
        name, "dense", {"m": 8, "n": 4096, "k": 4096}, peers=(peer,), unit="GFLOP/s",
        operations=2.0 * 8 * 4096 ** 2, bytes=4.0 * 4096 ** 2, target=target)
    # As oneDNN is given a framework's weights; and packed as it likes them best, where both sides are bound by
    # memory and twice as fast would be faster than memory.
    for name, peer, target in (
        ("dense_m8", "onednn_plain", 2), ("dense_m8_packed", "onednn_packed", 1))]


def measure(bench, line):
    m, n, k = (line.parameters[name] for name in "mnk")
    bench.compare("dense", line, {
        "x": random(m, k, seed=2), "weights": random(k, n, seed=3, scale=k ** -0.5),
        "bias": random(n, seed=4)})
