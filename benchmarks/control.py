"""Do words beyond product and colour change the picture, and in the right direction?

    python benchmarks/control.py --data shards --result benchmarks/results/DATE-control.json

For each pair of words a probe learns to tell real products of one category apart by them (logistic regression on the
judge's 128 features; its balanced accuracy is measured by five-fold cross-validation on real pictures, and is the most
that can be expected). Then both words are asked for, in Chinese and English, from the same seeds. `right` is the
probe's balanced accuracy on what was made, 50 % where the word does nothing; `shift` is by how much the mean
probability of the first word falls from the first prompts to the second.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from packshot.evaluation.judge import Judge
from packshot.generation import GenerationRequest, open_backend
from packshot.images import contact_sheet, save_picture
from packshot.packs import find_pack
from packshot.prompt import parse
from packshot.shards import read_shards

FOLDS, ITERATIONS, RIDGE, EACH = 5, 300, 1e-2, 12
Array = np.ndarray


@dataclass(frozen=True)
class Pair:
    """Two values of a slot for one category, and prompts (Chinese, English) of each."""

    category: str
    slot: str
    values: tuple[str, str]
    prompts: tuple[tuple[str, str], tuple[str, str]]


PAIRS = (
    Pair("watch", "gender", ("men", "women"), (("男士手表", "watch for men"), ("女士手表", "watch for women"))),
    Pair(
        "casual_shoes",
        "gender",
        ("men", "women"),
        (("男士休闲鞋", "casual shoes for men"), ("女士休闲鞋", "casual shoes for women")),
    ),
    Pair(
        "sports_shoes",
        "gender",
        ("men", "women"),
        (("男士运动鞋", "sports shoes for men"), ("女士运动鞋", "sports shoes for women")),
    ),
    Pair(
        "sunglasses",
        "gender",
        ("men", "women"),
        (("男士太阳镜", "sunglasses for men"), ("女士太阳镜", "sunglasses for women")),
    ),
    Pair("wallet", "gender", ("men", "women"), (("男士钱包", "wallet for men"), ("女士钱包", "wallet for women"))),
    Pair("belt", "gender", ("men", "women"), (("男士腰带", "belt for men"), ("女士腰带", "belt for women"))),
    Pair("perfume", "gender", ("men", "women"), (("男士香水", "perfume for men"), ("女士香水", "perfume for women"))),
    Pair("tshirt", "gender", ("men", "women"), (("男士T恤", "T-shirt for men"), ("女士T恤", "T-shirt for women"))),
    Pair("tshirt", "usage", ("casual", "sports"), (("休闲T恤", "casual T-shirt"), ("运动T恤", "sports T-shirt"))),
    Pair("belt", "usage", ("casual", "formal"), (("休闲腰带", "casual belt"), ("正式腰带", "formal belt"))),
    Pair("socks", "usage", ("casual", "sports"), (("休闲袜子", "casual socks"), ("运动袜子", "sports socks"))),
    Pair("shirt", "usage", ("casual", "formal"), (("休闲衬衫", "casual shirt"), ("正式衬衫", "formal shirt"))),
    Pair(
        "earrings", "usage", ("casual", "ethnic"), (("休闲耳环", "casual earrings"), ("民族风耳环", "ethnic earrings"))
    ),
    Pair(
        "casual_shoes",
        "material",
        ("canvas", "leather"),
        (("帆布休闲鞋", "canvas casual shoes"), ("皮革休闲鞋", "leather casual shoes")),
    ),
    Pair("watch", "style", ("analog", "digital"), (("指针手表", "analog watch"), ("数字手表", "digital watch"))),
    Pair(
        "watch", "style", ("analog", "chronograph"), (("指针手表", "analog watch"), ("计时手表", "chronograph watch"))
    ),
    Pair("tshirt", "style", ("printed", "polo"), (("印花T恤", "printed T-shirt"), ("Polo T恤", "polo T-shirt"))),
)


def fit(features: Array, labels: Array) -> Array:
    """Weights (D + 1,) of a ridge logistic regression by Newton's method, both classes weighing the same."""
    x = np.concatenate([features, np.ones((len(features), 1))], 1)
    weight = np.where(labels, 0.5 / labels.mean(), 0.5 / (1 - labels.mean())) / len(x)
    w = np.zeros(x.shape[1])
    for _ in range(20):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        gradient = x.T @ (weight * (p - labels)) + RIDGE * w
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + RIDGE * np.eye(len(w))
        w -= np.linalg.solve(hessian, gradient)
    return w


def probability(w: Array, features: Array) -> Array:
    """(N,) of the second value."""
    return 1 / (1 + np.exp(-np.clip(features @ w[:-1] + w[-1], -30, 30)))


def balanced(read: Array, labels: Array) -> float:
    """Mean of both classes' accuracies."""
    return float((read[labels].mean() + (~read[~labels]).mean()) / 2)


def cross_validated(features: Array, labels: Array) -> float:
    """Balanced accuracy over folds."""
    fold = np.random.default_rng(0).permutation(len(features)) % FOLDS
    read = np.zeros(len(features), bool)
    for k in range(FOLDS):
        read[fold == k] = probability(fit(features[fold != k], labels[fold != k]), features[fold == k]) > 0.5
    return balanced(read, labels)


def main() -> None:
    """Print a line per pair, write the sheet and the result."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--pack", default="base")
    options.add_argument("--emphasis", type=float, help="None takes the pack's own")
    options.add_argument("--out", type=Path, default=Path("out/control"))
    options.add_argument("--result", type=Path)
    chosen = options.parse_args()
    judge, backend = Judge.open(), open_backend("embedded", chosen.pack)
    pictures, slots = _real(chosen.data, {pair.category for pair in PAIRS})
    features = judge.read(pictures).features
    mean, deviation = features.mean(0), features.std(0) + 1e-6
    features = (features - mean) / deviation
    rows, shown = [], []
    for pair in PAIRS:
        for value, prompts in zip(pair.values, pair.prompts, strict=True):
            for prompt in prompts:
                got = parse(prompt)
                assert (got.category, getattr(got, pair.slot)) == (pair.category, value), got
        of = [
            np.array([s["category"] == pair.category and s[pair.slot] == value for s in slots]) for value in pair.values
        ]
        labels = np.concatenate([np.zeros(of[0].sum(), bool), np.ones(of[1].sum(), bool)])
        known = np.concatenate([features[of[0]], features[of[1]]])
        made = [_made(backend, prompts, chosen.emphasis) for prompts in pair.prompts]
        seen = [probability(fit(known, labels), (judge.read(m).features - mean) / deviation) for m in made]
        asked = np.repeat([False, True], [len(seen[0]), len(seen[1])])
        row = {
            "category": pair.category,
            "values": pair.values,
            "real pictures": [int(some.sum()) for some in of],
            "probe on real": round(cross_validated(known, labels), 3),
            "right": round(balanced(np.concatenate(seen) > 0.5, asked), 3),
            "shift": round(float(seen[1].mean() - seen[0].mean()), 3),
            "pixels": round(float(np.abs(made[0].astype(int) - made[1]).mean()), 1),
        }
        rows.append(row)
        shown += [*made[0][:6], *made[1][:6]]
        print(json.dumps(row, ensure_ascii=False))
    print("mean of right", round(float(np.mean([row["right"] for row in rows])), 3))
    chosen.out.mkdir(parents=True, exist_ok=True)
    save_picture(contact_sheet([p[::2, ::2] for p in shown], columns=12), chosen.out / "sheet.png")
    if chosen.result:
        pack = find_pack(chosen.pack, ("flow", "gan", "vae"))
        facts = {
            "date": datetime.date.today().isoformat(),
            "pack": pack.name,
            "sha256": pack.sha256,
            "judge": judge.name,
        }
        chosen.result.write_text(
            json.dumps({**facts, "pairs": rows}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
        )


def _made(backend: object, prompts: Sequence[str], emphasis: float | None) -> Array:
    requests = [GenerationRequest(prompt, EACH, seed=11, colour_lock=0.0, emphasis=emphasis) for prompt in prompts]
    return np.stack([result.pixels for result in backend.generate(requests)])  # type: ignore[attr-defined]


def _real(data: Path, categories: set[str]) -> tuple[Array, list[dict[str, str | None]]]:
    rows = [row for row in read_shards(data) if row.slots["category"] in categories]
    return np.stack([row.pixels for row in rows]), [dict(row.slots) for row in rows]


if __name__ == "__main__":
    main()
