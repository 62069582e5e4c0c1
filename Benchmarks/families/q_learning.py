# SPDX-License-Identifier: Apache-2.0
"""Q-learning on Gymnasium's Taxi beside a loop in Python: steps in the environment a second."""
import random
import statistics
import time

PEER = "a Python loop over Gymnasium"
EPISODES = 20000


def learn(episodes, seed=1, alpha=0.7, gamma=0.99):
    """The loop that people write: lists instead of arrays, which are faster for single elements."""
    import gymnasium

    environment = gymnasium.make("Taxi-v4").unwrapped
    table = [[0.0] * 6 for _ in range(500)]
    chance, steps, total = random.Random(seed), 0, 0.0
    for episode in range(episodes):
        epsilon = max(0.0, 0.5 * (1 - episode / (0.8 * episodes)))
        state, _ = environment.reset(seed=seed if episode == 0 else None)
        for _ in range(200):
            row = table[state]
            action = chance.randrange(6) if chance.random() < epsilon else row.index(max(row))
            following, reward, terminated, _, _ = environment.step(action)
            best = 0.0 if terminated else max(table[following])
            row[action] += alpha * (reward + gamma * best - row[action])
            state, steps, total = following, steps + 1, total + reward
            if terminated:
                break
    return steps, total / episodes


def cases(bench):
    try:
        import gymnasium  # noqa: F401
    except ModuleNotFoundError:
        raise SystemExit("q_learning: gymnasium is missing; it is in scripts/requirements/bench-families.txt")
    episodes = EPISODES // 20 if bench.quick else EPISODES
    configuration = {
        "environment": {"type": "taxi"}, "learning_rate": 0.7, "epochs": 1,
        "exploration": {"initial": 0.5, "final": 0, "fraction": 0.8},
        # Ours is done before a clock can tell with as few episodes as Python's.
        "episodes_per_epoch": 10 * episodes, "evaluation_episodes": 0,
    }
    for family in ("q-learning", "sarsa"):
        own, other = [], []
        for _ in range(bench.rounds):
            result = bench.fit("-", family, configuration, threads=1)
            own.append(result["metrics"]["mean_steps"] * 10 * episodes / result["fit_seconds"])
            start = time.perf_counter()
            steps, mean = learn(episodes)
            other.append(steps / (time.perf_counter() - start))
        ours, peer = statistics.median(own), statistics.median(other)
        print(f"# {family}: mean return in training {result['metrics']['mean_return']:.2f}, Python's {mean:.2f}")
        print(
            f"bench name={family.replace('-', '_')} ours={ours:.4g} peer={peer:.4g} unit=steps/s"
            f" ratio={ours / peer:.2f} rounds={bench.rounds}", flush=True)
