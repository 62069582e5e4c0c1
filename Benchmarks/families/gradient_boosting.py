# SPDX-License-Identifier: Apache-2.0
"""100 rounds of 31 leaves and 255 bins beside LightGBM: 10,000 images of Fashion-MNIST (10 classes), the same split in
two, and a regression; LightGBM's time counts the making of its data set, as ours does."""
import numpy as np

from bench import timed

PEER = "LightGBM"


def cases(bench):
    import lightgbm
    from sklearn.metrics import log_loss

    train, labels, test, test_labels = bench.fashion(10000)
    rows = 1000 if bench.quick else 10000
    train, labels = train[:rows], labels[:rows]
    rounds = 20 if bench.quick else 100
    common = {"num_leaves": 31, "learning_rate": 0.1, "max_bin": 255, "num_threads": bench.threads, "verbosity": -1}

    def compare(name, y, test_y, task, parameters):
        kind = np.float32 if task == "regression" else np.int32
        data = bench.dataset("boosting-" + name, {
            "train/x": train, "train/y": y.astype(kind), "test/x": test, "test/y": test_y.astype(kind)})
        x, test_x = train.astype(np.float32), test.astype(np.float32)

        def ours():
            result = bench.fit(data, "gradient-boosting", {"target": "y", "task": task, "rounds": rounds})
            return result["seconds"], result["test"]["rmse" if task == "regression" else "loss"]

        def peer():
            seconds, model = timed(lambda: lightgbm.train(
                {**common, **parameters}, lightgbm.Dataset(x, y), num_boost_round=rounds))
            answers = model.predict(test_x)
            if task == "regression":
                return seconds, float(np.sqrt(np.mean((answers - test_y) ** 2)))
            return seconds, log_loss(test_y, answers)

        word = "RMSE" if task == "regression" else "log-loss"
        bench.compare(name, ours, peer, lambda a, b: f"test {word} {a:.5f}, peer {b:.5f}")

    compare("gradient_boosting", labels, test_labels, "classification", {"objective": "multiclass", "num_class": 10})
    compare(
        "gradient_boosting_binary", labels % 2, test_labels % 2, "classification", {"objective": "binary"})
    brightness = train.astype(np.float32)[:, 300:480].mean(axis=1) + labels
    test_brightness = test.astype(np.float32)[:, 300:480].mean(axis=1) + test_labels
    compare("gradient_boosting_regression", brightness, test_brightness, "regression", {"objective": "regression"})
