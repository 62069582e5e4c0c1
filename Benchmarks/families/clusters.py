# SPDX-License-Identifier: Apache-2.0
"""k-means, mini-batch k-means, Gaussian mixture, DBSCAN and PCA beside scikit-learn, on Fashion-MNIST and parts of it."""
import numpy as np

from bench import read_tensors, timed

PEER = "scikit-learn"


def cases(bench):
    from sklearn.cluster import DBSCAN, KMeans, MiniBatchKMeans
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    train, _, _, _ = bench.fashion()
    x = train.astype(np.float32) / 255
    data = bench.dataset("clusters", {"train/x": x})
    # Few components, as a mixture and a density need.
    small = PCA(8, random_state=0).fit_transform(x).astype(np.float32)
    reduced = bench.dataset("clusters-reduced", {"train/x": small})
    export = bench.directory + "/clusters"

    def ours(path, plugin, configuration, key=None):
        def run():
            result = bench.fit(path, plugin, configuration, export=export)
            what = result["metrics"][key] if key else read_tensors(export + "/weights.safetensors")
            return result["seconds"], what

        return run

    bench.compare(
        "k_means", ours(data, "k-means", {"clusters": 10}, "inertia"),
        lambda: timed(lambda: KMeans(10, random_state=0).fit(x).inertia_),
        lambda a, b: f"inertia {a:.5g}, peer {b:.5g}")
    bench.compare(
        "k_means_mini_batch",
        ours(data, "k-means", {"clusters": 10, "batch_size": 1024, "max_iterations": 100}, "inertia"),
        lambda: timed(lambda: MiniBatchKMeans(10, random_state=0, max_iter=2, n_init=1).fit(x).inertia_),
        lambda a, b: f"inertia {a:.5g}, peer {b:.5g}")
    bench.compare(
        "pca", ours(data, "pca", {"components": 50}, "explained_variance"),
        lambda: timed(lambda: float(PCA(50, random_state=0).fit(x).explained_variance_ratio_.sum())),
        lambda a, b: f"explained variance {a:.6f}, peer {b:.6f}")
    bench.compare(
        "gaussian_mixture", ours(reduced, "gaussian-mixture", {"components": 10}, "log_likelihood"),
        lambda: timed(lambda: GaussianMixture(10, random_state=0).fit(small).lower_bound_),
        lambda a, b: f"log likelihood {a:.5f}, peer {b:.5f}")
    rows = small[: max(1000, len(small) // 3)]
    part = bench.dataset("clusters-part", {"train/x": rows})
    bench.compare(
        "dbscan", ours(part, "dbscan", {"eps": 1.5, "min_samples": 10}, "clusters"),
        lambda: timed(lambda: int(DBSCAN(eps=1.5, min_samples=10, n_jobs=bench.threads).fit(rows).labels_.max()) + 1),
        lambda a, b: f"{a:.0f} clusters, peer {b}")
