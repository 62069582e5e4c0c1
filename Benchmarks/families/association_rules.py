# SPDX-License-Identifier: Apache-2.0
"""Association rules beside mlxtend: 4,627 baskets of a supermarket, 217 articles (Debian weka's supermarket.arff)."""
import numpy as np

from bench import timed

PEER = "mlxtend fpgrowth and association_rules"


def supermarket(bench):
    """Which basket has which article; the total of a basket is two more, low and high."""
    lines = (bench.real("supermarket") / "supermarket.arff").read_text().splitlines()
    rows = [line.split(",") for line in lines[lines.index("@data") + 1 :] if line]
    cells = np.array(rows)
    return np.hstack([cells[:, :-1] == "t", cells[:, -1:] == "low", cells[:, -1:] == "high"])


def cases(bench):
    import pandas as pd
    from mlxtend.frequent_patterns import association_rules, fpgrowth

    baskets = supermarket(bench)
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

    case("association_rules", 0.2 if bench.quick else 0.1, 0.7)
    case("association_rules_high_support", 0.2, 0.7)
