# SPDX-License-Identifier: Apache-2.0
"""Linear regression beside scikit-learn: the label of a Fashion-MNIST image from its pixels."""
import numpy as np

from bench import read_tensors, timed

PEER = "scikit-learn"


def cases(bench):
    from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

    train, labels, _, _ = bench.fashion()
    x, y = train.astype(np.float32) / 255, labels.astype(np.float32)
    data = bench.dataset("linear", {"train/x": x, "train/y": y})
    export = bench.directory + "/linear"

    def ours(configuration):
        def run():
            result = bench.fit(data, "linear-regression", {"target": "y", **configuration}, export=export)
            weights = read_tensors(export + "/weights.safetensors")["coefficients"]
            return result["seconds"], weights

        return run

    def peer(model):
        return lambda: timed(lambda: model().fit(x, y).coef_)

    def note(a, b):
        return f"largest difference of a coefficient {np.abs(a - b).max():.2e}, largest {np.abs(b).max():.3g}"

    n = len(x)
    # Least squares and ridge in double precision on both sides: in single precision the peer's
    # coefficients are wrong in the second digit here.
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    bench.compare(
        "linear_regression", ours({}), lambda: timed(lambda: LinearRegression().fit(x64, y64).coef_), note)
    bench.compare(
        "linear_regression_ridge", ours({"penalty": "ridge", "alpha": 10}),
        lambda: timed(lambda: Ridge(alpha=10).fit(x64, y64).coef_), note)
    bench.compare(
        "linear_regression_lasso", ours({"penalty": "lasso", "alpha": 0.01}),
        peer(lambda: Lasso(alpha=0.01)), note)
    bench.compare(
        "linear_regression_elastic_net",
        ours({"penalty": "elastic_net", "alpha": 0.01, "l1_ratio": 0.5}),
        peer(lambda: ElasticNet(alpha=0.01, l1_ratio=0.5)), note)
