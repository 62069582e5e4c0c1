# SPDX-License-Identifier: Apache-2.0
"""One decision tree beside scikit-learn, grown to the end on Fashion-MNIST, and a regression on its labels."""
import numpy as np

from bench import timed

PEER = "scikit-learn"


def cases(bench):
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    train, labels, test, test_labels = bench.fashion()
    data = bench.dataset("trees-fashion", {
        "train/x": train, "train/y": labels.astype(np.int32), "test/x": test, "test/y": test_labels.astype(np.int32)})
    x, test_x = train.astype(np.float32), test.astype(np.float32)

    def ours(configuration, metric):
        def run():
            result = bench.fit(data, "decision-tree", {"target": "y", **configuration})
            return result["seconds"], result["test"][metric]

        return run

    def peer(model):
        def run():
            seconds, fitted = timed(lambda: model.fit(x, labels))
            return seconds, fitted.score(test_x, test_labels)

        return run

    def note(a, b):
        return f"test score {a:.4f}, peer {b:.4f}"

    bench.compare("decision_tree", ours({}, "accuracy"), peer(DecisionTreeClassifier(random_state=0)), note)
    bench.compare(
        "decision_tree_regression", ours({"task": "regression", "min_samples_leaf": 5}, "r2"),
        peer(DecisionTreeRegressor(min_samples_leaf=5, random_state=0)), note)
