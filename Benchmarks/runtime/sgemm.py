# SPDX-License-Identifier: Apache-2.0
"""Single-precision matrix products beside the machine's multiply-adds."""
import os

import numpy as np

from bench import Line, random

ORDER = 1
LINES = [
    Line(
        f"sgemm_{n}_t{threads}", "sgemm", {"m": n, "n": n, "k": n}, threads, unit="GFLOP/s",
        operations=2.0 * n ** 3, target=0.93 if threads == 1 else 0.88)
    for n in (512, 1024, 2048) for threads in (1, 2)]


def measure(bench, line):
    n = line.parameters["n"]
    values, path = bench.tensors(line.name, {"a": random(n, n, seed=2), "b": random(n, n, seed=3)})
    ours = bench.ours(line, path)
    ours.ask("run 0")
    result = ours.result(os.path.join(bench.folder.name, "ours")).reshape(n, n)
    exact = values["a"][:64].astype(np.float64) @ values["b"].astype(np.float64)
    error = np.max(np.abs(result[:64] - exact)) / np.max(np.abs(exact))
    assert error < 1e-5, f"{line.name}: the product is off by {error:.2g}"
    limit = bench.limit_side("fma", line.threads)
    mine, seconds = bench.rounds_of(ours, limit)
    ours.close(), limit.close()
    bench.report(line, mine, seconds * line.operations * 1e-9, f"the measured limit, error {error:.1g}")
