# SPDX-License-Identifier: Apache-2.0
"""Logistic regression beside scikit-learn's lbfgs and saga, on Fashion-MNIST."""
import numpy as np

from bench import timed

PEER = "scikit-learn"


def cases(bench):
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    train, labels, _, _ = bench.fashion()
    x = train.astype(np.float32) / 255
    data = bench.dataset("logistic", {"train/x": x, "train/y": labels.astype(np.int32)})
    even = (labels % 2).astype(np.int32)
    binary = bench.dataset("logistic-binary", {"train/x": x, "train/y": even})

    def ours(data, configuration):
        def run():
            result = bench.fit(data, "logistic-regression", {"target": "y", **configuration})
            return result["seconds"], (result["metrics"]["loss"], result["epochs"])

        return run

    def peer(y, **arguments):
        def run():
            seconds, model = timed(lambda: LogisticRegression(**arguments).fit(x, y))
            return seconds, (log_loss(y, model.predict_proba(x)), int(model.n_iter_.max()))

        return run

    def note(a, b):
        return f"log loss in training {a[0]:.5f} after {a[1]} iterations, peer {b[0]:.5f} after {b[1]}"

    bench.compare(
        "logistic_regression", ours(data, {"max_iterations": 100}), peer(labels, max_iter=100), note)
    bench.compare(
        "logistic_regression_binary", ours(binary, {"max_iterations": 100}),
        peer(even, max_iter=100), note)
