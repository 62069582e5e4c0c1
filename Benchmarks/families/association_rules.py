# SPDX-License-Identifier: Apache-2.0
"""Association rules beside mlxtend: the 4,627 baskets of Debian weka's supermarket.arff, or made-up ones without it."""
import numpy as np

from bench import timed

PEER = "mlxtend fpgrowth and association_rules"


def cases(bench):
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    rows = 4000 if bench.quick else 9835
    generator = np.random.default_rng(1)
    # As many baskets and items as the groceries data have, of items as frequent as there, in groups.
    groups = generator.random((rows, 12)) < 0.15
    members = generator.integers(0, 12, 169)
    base = np.sort(generator.pareto(1.5, 169) / 100)[::-1].clip(0.001, 0.25)
    baskets = generator.random((rows, 169)) < base + 0.25 * groups[:, members] * (base < 0.1)
    data = bench.dataset("baskets", {"train/x": baskets.astype(np.uint8)})
    frame = pd.DataFrame(baskets)

    def case(name, support, confidence):
        def ours():
            result = bench.fit(
                data, "association-rules",
                {"min_support": support, "min_confidence": confidence})
            return result["seconds"], (result["metrics"]["item_sets"], result["metrics"]["rules"])

        def both():
            items = fpgrowth(frame, min_support=support)
            return len(items), len(association_rules(items, metric="confidence", min_threshold=confidence))

        bench.compare(
            name, ours, lambda: timed(both),
            lambda a, b: f"{a[0]:.0f} item sets and {a[1]:.0f} rules, peer {b[0]} and {b[1]}")

    case("association_rules", 0.005, 0.3)
    case("association_rules_low_support", 0.002, 0.3)
