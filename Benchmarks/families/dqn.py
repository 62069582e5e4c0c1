# SPDX-License-Identifier: Apache-2.0
"""DQN on CartPole beside Stable-Baselines3, both with settings that learn: steps in the environment a second.

The peer's settings are those of RL Baselines3 Zoo for CartPole-v1; ours are the same (network 256-256, batch 64, 128 steps of learning
every 256 steps), and besides, as dqn_small, ours with the network that is enough.
"""
import json
import pathlib
import statistics
import subprocess
import time

PEER = "Stable-Baselines3 2.9.2 on PyTorch"
ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 50000

PROGRAM = """
import json, sys, time
import gymnasium, torch
from stable_baselines3 import DQN
from stable_baselines3.common.evaluation import evaluate_policy
steps, threads = int(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(threads)
environment = gymnasium.make("CartPole-v1")
model = DQN("MlpPolicy", environment, learning_rate=2.3e-3, batch_size=64, buffer_size=100000, learning_starts=1000,
            gamma=0.99, target_update_interval=10, train_freq=256, gradient_steps=128, exploration_fraction=0.16,
            exploration_final_eps=0.04, policy_kwargs={"net_arch": [256, 256]}, seed=1, device="cpu")
start = time.perf_counter()
model.learn(steps)
seconds = time.perf_counter() - start
mean, _ = evaluate_policy(model, environment, n_eval_episodes=100)
print(json.dumps({"steps_per_second": steps / seconds, "mean_return": mean}))
"""


def configuration(hidden, steps):
    return {
        "environment": {"type": "cart_pole"}, "network": {"hidden": hidden}, "learning_rate": 0.0023, "batch_size": 64,
        "replay": {"capacity": 100000}, "learning_starts": 1000, "train_frequency": 256, "gradient_steps": 128,
        "target_update_interval": 256, "exploration": {"initial": 1, "final": 0.04, "fraction": 0.16},
        "double": False, "epochs": 1, "steps_per_epoch": steps, "evaluation_episodes": 0,
    }


def cases(bench):
    python = subprocess.run(
        [ROOT / "scripts/venv", "bench-dqn"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    steps = STEPS // 10 if bench.quick else STEPS

    def peer():
        output = subprocess.run(
            [python, "-c", PROGRAM, str(steps), str(bench.threads)], check=True, capture_output=True, text=True).stdout
        return json.loads(output.splitlines()[-1])

    own, small, other = [], [], []
    for _ in range(bench.rounds):
        for hidden, into in (([256, 256], own), ([64, 64], small)):
            result = bench.fit("-", "dqn", configuration(hidden, steps), seed=1)
            into.append(steps / result["fit_seconds"])
        result = peer()
        other.append(result["steps_per_second"])
    # The return: a run with evaluations, whose best network is kept, as the peer's callback would.
    learned = {**configuration([64, 64], steps // 10), "epochs": 10, "evaluation_episodes": 100}
    start = time.perf_counter()
    ours = bench.fit("-", "dqn", learned, seed=1)
    print(
        f"# mean return of 100 greedy episodes: ours {ours['test'].get('mean_return', float('nan')):.1f} after"
        f" {steps} steps in {time.perf_counter() - start:.1f} s, the peer's {result['mean_return']:.1f}")
    for name, values in (("dqn", own), ("dqn_small", small)):
        a, b = statistics.median(values), statistics.median(other)
        print(
            f"bench name={name} ours={a:.4g} peer={b:.4g} unit=steps/s ratio={a / b:.2f} rounds={bench.rounds}",
            flush=True)
