"""Make metrics.json: scikit-learn's values for every metric.

Run from the root of the repository: python tests/oracles/metrics.py (needs scikit-learn).

Every case has a kind and attributes as a model file has them, the shapes of one item's prediction and
target, their numbers (exact in float32), and the value; null where scikit-learn gives NaN and warns that
it is undefined. Metrics by class, and the confusion matrix, have a table: precision, recall, F1 and
support of every class, or a row for every right class.

Among the cases are tied scores, scores far from 0, a single class, classes that are never predicted or
never right, constant targets and single items. scikit-learn takes the last of equally large scores for
top_k and Caudal the first, so those cases have none.
"""

import json
import pathlib
import warnings

import numpy as np
from sklearn import metrics

warnings.simplefilter("ignore")  # of undefined values, which the cases are about

cases = []


def numbers(array):
    return [float(number) for number in np.asarray(array, np.float32).ravel()]


def add(kind, prediction, target, shapes, value, attributes="", table=None):
    value = None if np.isnan(value) else float(value)
    case = {
        "kind": kind,
        "attributes": attributes,
        "shapes": shapes,
        "prediction": numbers(prediction),
        "target": numbers(target),
        "value": value,
    }
    if table is not None:
        case["table"] = [[float(number) for number in row] for row in table]
    cases.append(case)


def auc(scores, labels):
    scores = np.asarray(scores, np.float32)
    value = metrics.roc_auc_score(labels, scores.astype(np.float64))
    add("auc", scores, labels, [[], []], value)


def binary(rng):
    for n in (2, 3, 10, 57):
        for scale, middle in ((1.0, 0.0), (3.0, 200.0), (1e-4, 0.5), (1e6, -1e7)):
            scores = rng.normal(size=n) * scale + middle
            labels = rng.integers(0, 2, n)
            labels[:2] = 0, 1
            auc(scores, labels)
            # Ties: a few values alone.
            auc(rng.integers(-2, 3, n) * scale + middle, labels)
    auc(rng.normal(size=9), np.ones(9, int))
    auc(rng.normal(size=9), np.zeros(9, int))
    auc([1.0, 1.0, 1.0, 1.0], [0, 1, 0, 1])
    auc([200.0 + i for i in range(12)], [0] * 6 + [1] * 6)
    auc([200.0 - i for i in range(12)], [0] * 6 + [1] * 6)


def classes(rng, n, k, labels_of, predicted_of):
    labels = rng.choice(labels_of, n)
    scores = np.float32(rng.normal(size=(n, k)))
    # Some rows are tied, and the first largest counts.
    scores[rng.random(n) < 0.2] = 0
    for row, predicted in enumerate(rng.choice(predicted_of, n)):
        if rng.random() < 0.8:
            scores[row, predicted] = 5
    predicted = scores.argmax(1)
    shapes = [[k], []]
    every = list(range(k))
    by_class = np.transpose(metrics.precision_recall_fscore_support(
        labels, predicted, labels=every, zero_division=0))
    add("accuracy", scores, labels, shapes, metrics.accuracy_score(labels, predicted))
    matrix = metrics.confusion_matrix(labels, predicted, labels=every)
    add("confusion_matrix", scores, labels, shapes,
        metrics.accuracy_score(labels, predicted), table=matrix)
    for kind, score in (("precision", metrics.precision_score),
                        ("recall", metrics.recall_score), ("f1", metrics.f1_score)):
        value = score(labels, predicted, average="macro", zero_division=0)
        add(kind, scores, labels, shapes, value, table=by_class)
        only = int(rng.integers(k))
        value = score(labels, predicted, labels=[only], average="macro", zero_division=0)
        add(kind, scores, labels, shapes, value, f"class = {only}", table=by_class)
    scores = rng.permutation(n * k).reshape(n, k) / 8
    if k > 2:
        value = metrics.top_k_accuracy_score(labels, scores, k=2, labels=every)
        add("top_k", scores, labels, shapes, value, "k = 2")


def regression(rng):
    for n in (1, 2, 7, 40):
        for width in ([], [3]):
            for scale, middle in ((1.0, 0.0), (1.0, 1e4), (1e-3, -30.0)):
                size = [n, *width]
                target = np.float32(rng.normal(size=size) * scale + middle)
                found = np.float32(target + rng.normal(size=size) * scale / 2)
                # Differences of float32 numbers are exact in float64.
                both = target.astype(np.float64), found.astype(np.float64)
                shapes = [width, width]
                add("mae", found, target, shapes, metrics.mean_absolute_error(*both))
                squared = metrics.mean_squared_error(*both)
                add("rmse", found, target, shapes, np.sqrt(squared))
                add("r2", found, target, shapes, metrics.r2_score(*both))
    constant = np.full((5, 2), 3.25)
    for off in ([0, 0], [0, 1]):
        found = constant + off
        add("r2", found, constant, [[2], [2]], metrics.r2_score(constant, found))


rng = np.random.default_rng(13)
binary(rng)
for n, k in ((1, 2), (6, 2), (20, 3), (80, 5)):
    everything = range(k)
    classes(rng, n, k, everything, everything)
    classes(rng, n, k, [0], everything)  # a single right class
    classes(rng, n, k, everything, [k - 1])  # others hardly predicted
    classes(rng, n, k, [0], [0])
regression(rng)

path = pathlib.Path(__file__).with_name("metrics.json")
lines = ",\n".join(json.dumps(case) for case in cases)
path.write_text(f"[\n{lines}\n]\n")
print(len(cases), "cases")
