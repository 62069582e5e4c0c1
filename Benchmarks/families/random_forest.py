# SPDX-License-Identifier: Apache-2.0
"""A forest of 100 trees beside scikit-learn, on Fashion-MNIST and LetterRecognition. Neither side takes the
out-of-bag score, which scikit-learn does not by default."""
import numpy as np

from bench import timed

PEER = "scikit-learn"


def letters(bench):
    """LetterRecognition: 20,000 rows of 16 small integers, 26 classes."""
    import pandas as pd

    table = pd.read_csv(bench.real("letters") / "letters.csv")
    labels = table["lettr"].astype("category").cat.codes.to_numpy(dtype=np.int32)
    return table.drop(columns="lettr").to_numpy(dtype=np.float32), labels


def cases(bench):
    from sklearn.ensemble import RandomForestClassifier

    def compare(name, x, y, test_x, test_y):
        data = bench.dataset("forest-" + name, {
            "train/x": x, "train/y": y.astype(np.int32), "test/x": test_x, "test/y": test_y.astype(np.int32)})
        numbers, test_numbers = x.astype(np.float32), test_x.astype(np.float32)

        def ours():
            result = bench.fit(data, "random-forest", {"target": "y", "trees": 100, "out_of_bag_score": False})
            return result["seconds"], result["test"]["accuracy"]

        def peer():
            model = RandomForestClassifier(100, n_jobs=bench.threads, random_state=0)
            seconds, _ = timed(lambda: model.fit(numbers, y))
            return seconds, model.score(test_numbers, test_y)

        bench.compare(name, ours, peer, lambda a, b: f"test accuracy {a:.4f}, peer {b:.4f}")

    compare("random_forest", *bench.fashion())
    x, y = letters(bench)
    compare("random_forest_letters", x[:16000], y[:16000], x[16000:], y[16000:])
