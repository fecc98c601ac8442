# SPDX-License-Identifier: MIT
"""Networks with scikit-learn's interface: fit, predict and score, with forward passes only (extra `sklearn`)."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from functools import partial

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise ImportError('bpfree.sklearn needs scikit-learn >= 1.6: pip install "bpfree[sklearn]"') from error

from bpfree.engines import get_engine
from bpfree.engines.batch import make_batch
from bpfree.engines.classes import surely_predicted
from bpfree.errors import check_choice, check_count, check_finite
from bpfree.estimators.divergence import Course
from bpfree.estimators.rge import RGE
from bpfree.estimators.step import FAILURES, make_step
from bpfree.model import Model, Sequential
from bpfree.ops.linear import Linear
from bpfree.ops.relu import ReLU
from bpfree.ops.sigmoid import Sigmoid
from bpfree.ops.sin import Sin
from bpfree.ops.tanh import Tanh
from bpfree.sklearn_inputs import check_two, checked_weights, moments, refuse_masks, seed_of, validated
from bpfree.trainer import Trainer
from bpfree.training.loop import train
from bpfree.updates.adam import Adam
from bpfree.updates.chain import chain
from bpfree.updates.weight_decay import WeightDecay

__all__ = ["Classifier", "Regressor"]

ACTIVATIONS = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "sin": Sin}

DEFAULT_ESTIMATOR = RGE(n_queries=64)
DEFAULT_UPDATE = chain(Adam(lr=0.01), WeightDecay(rate=0.001))
"""Settled on iris, wine, breast cancer, digits, diabetes and three made-up tables; AdamW: decay by itself."""


class _Network(BaseEstimator):
    """What both share: the settings, standardised inputs, fit by `bpfree.train`, partial_fit step by step."""

    def __init__(
        self,
        hidden_layer_sizes=(32,),
        *,
        activation="relu",
        layers=None,
        trainable=None,
        estimator=None,
        update=None,
        loss=None,
        batch_size="auto",
        max_iter=100,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        standardize=True,
        engine=None,
        random_state=0,
        verbose=False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.layers = layers
        self.trainable = trainable
        self.estimator = estimator
        self.update = update
        self.loss = loss
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.standardize = standardize
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose

    def _fit(self, x, target, outputs: int, weights=None):
        """Train a fresh network on x and what the loss takes for a target; weights (n,) or None."""
        self._begin(x, outputs, weights)
        x, batch_size = self._standard(x), self._batch_size(len(x))
        watch = {}
        if self.early_stopping:
            share = check_finite("validation_fraction", self.validation_fraction)
            training = len(x) - max(1, round(share * len(x)))
            batch_size = min(batch_size, max(1, training))
            watch = {
                "validation": share,
                "validate_every": max(1, training // batch_size),
                "patience": check_count("n_iter_no_change", self.n_iter_no_change),
            }
        run = train(
            self.model_, (x, target) if weights is None else (x, target, weights),
            loss=self._loss_or_default(), estimator=self._estimator(), update=self._update(),
            batch_size=batch_size, epochs=check_count("max_iter", self.max_iter), seed=self._seed, engine=self.engine,
            progress=bool(self.verbose), **watch,
        )  # fmt: skip
        kept = run.best.model if self.early_stopping and run.best and not run.went_back else run.model
        self.model_ = Model(kept.graph, kept.theta, kept.frozen)  # which partial_fit moves; the run stays what it was
        self.run_, self.loss_curve_ = run, list(run.losses)
        self._steps, self._state, self._course, self._quiet = run.steps, run.state, replace(run.course), run.quiet
        self.n_iter_ = max(1, math.ceil(run.steps / max(1, len(x) // batch_size)))
        if run.outcome_code in FAILURES:
            warnings.warn(f"training stopped at {run.outcome}", ConvergenceWarning, stacklevel=3)
        elif run.advice:
            warnings.warn(run.advice, ConvergenceWarning, stacklevel=3)
        return self

    def _partial_fit(self, x, target):
        """One pass over x in the order given; the update's state and the steps go on from call to call.

        A pass in which the network diverges leaves it as it was.
        """
        x, batch_size = self._standard(x), self._batch_size(len(x))
        trainer = Trainer(
            self.model_.graph, self.model_.frozen, self._loss_or_default(), self._estimator(), self._update(),
            batch_size, self._seed,
        )
        if self._state is None:
            self._state = trainer.initial_state(self.model_.theta)
        batch, engine = make_batch(self.model_.graph, trainer.loss, x, target), get_engine(self.engine, trainer.own)
        before = self.model_.theta, self._state
        for first in range(0, len(x) - batch_size + 1, batch_size):
            samples = batch.take(slice(first, first + batch_size))
            estimate = trainer.estimate(engine, self.model_.theta, samples, self._steps)
            apply = partial(engine.apply, trainer)
            made = make_step(estimate, apply, self.model_.theta, self._state, self._steps, self._quiet)
            failure = made.failure
            if not failure:
                self.model_.theta, self._state, self._quiet = made.theta, made.state, made.quiet
                self._course.stepped(estimate.losses, estimate.loss)
                self._steps += 1
                self.loss_curve_.append(estimate.loss)
                failure = self._course.failure(
                    self._steps, self._steps, self._quiet, made.theta, "begin anew with a smaller lr"
                )
            if failure:
                warnings.warn(f"partial_fit stopped at {failure.text}", ConvergenceWarning, stacklevel=3)
                if self._course.exploded or failure.code == "diverged":
                    self.model_.theta, self._state = before
                break
        self.n_iter_ += 1
        return self

    def _begin(self, x, outputs: int, weights=None) -> None:
        """A fresh network, and what its inputs are standardised with."""
        self._seed = seed_of(self.random_state)
        mean, deviation = moments(x, weights)
        varies = deviation > 10 * np.finfo(x.dtype).eps * np.abs(mean)  # else rounding, not variation
        if self.standardize:
            self.mean_, self.scale_ = mean, np.where(varies, deviation, 1.0)
        else:
            self.mean_, self.scale_ = np.zeros_like(mean), np.ones_like(mean)
        model = Sequential(x.shape[1], [*self._hidden(), Linear(outputs)], seed=self._seed)
        self.model_ = model if self.trainable is None else model.train_only(self.trainable)
        self._steps, self._state, self._quiet = 0, None, 0
        self._course = Course(float(np.abs(self.model_.theta).max(initial=0)))
        self.loss_curve_, self.n_iter_ = [], 0

    def _hidden(self) -> list:
        """The layers before the output layer."""
        if self.layers is not None:
            if not isinstance(self.layers, list | tuple):
                wanted = "a list of layers such as [TTLinear(32, rank=4), ReLU()]"
                raise TypeError(f"layers: expected {wanted}, got {self.layers!r}")
            return list(self.layers)
        activation = ACTIVATIONS[check_choice("activation", self.activation, tuple(ACTIVATIONS))]
        sizes = np.atleast_1d(self.hidden_layer_sizes).tolist()
        return [layer for size in sizes for layer in (Linear(check_count("hidden_layer_sizes", size)), activation())]

    def _batch_size(self, n: int) -> int:
        """ "auto": a quarter of the samples, at most 128; several steps a pass, however few the samples."""
        if isinstance(self.batch_size, str):
            check_choice("batch_size", self.batch_size, ("auto",))
            return max(1, min(128, n // 4))
        return min(check_count("batch_size", self.batch_size), n)

    def _estimator(self):
        return DEFAULT_ESTIMATOR if self.estimator is None else self.estimator

    def _loss_or_default(self):
        return self._loss if self.loss is None else self.loss

    def _update(self):
        return DEFAULT_UPDATE if self.update is None else self.update

    def _standard(self, x) -> np.ndarray:
        return ((x - self.mean_) / self.scale_).astype(np.float32)

    def _outputs(self, x) -> np.ndarray:
        """What the network says, (n, outputs) float64."""
        check_is_fitted(self, "model_")
        x = validated(self, x, reset=False)
        return self.model_.predict(self._standard(x), self.engine).astype(np.float64)


_PARAMETERS = """hidden_layer_sizes, activation: dense layers of these sizes, with "relu", "tanh",
    "sigmoid" or "sin" behind each. layers: bpfree layers instead of them, such as
    [TTLinear(64, rank=4), ReLU()] or [a Model]; the output layer is added.
    trainable: patterns of the parameters to train, as in `bpfree.train`.
    loss: as in `bpfree.train`, of what the network is trained on: the numbers of the
    classes, or standardised targets; default: "{loss}".
    estimator, update: as in `bpfree.train`; default: RGE(n_queries=64) and Adam
    with decoupled weight decay. batch_size: "auto" is a quarter of the samples,
    at most 128. max_iter: passes over the data.
    early_stopping: keep validation_fraction of the samples aside, stop after
    n_iter_no_change passes without a better validation, and keep the best.
    standardize: inputs are centred and scaled by what fit saw (partial_fit: by
    its first call), targets of a regression always are. engine: as in
    `bpfree.train`. random_state: a seed, 0 like any other; a RandomState or
    Generator to draw one from; None: another one every time. verbose: a bar."""


class Classifier(ClassifierMixin, _Network):
    """A network for labels of any kind, trained with forward passes only.

    {parameters}

    After fit: classes_, model_ (a `bpfree.Model` of standardised inputs, mean_
    and scale_), run_ (the `bpfree.Run`, with its costs), loss_curve_ (mean loss
    of every step), n_iter_.

    >>> from sklearn.datasets import load_iris
    >>> x, y = load_iris(return_X_y=True)
    >>> bool(Classifier().fit(x, y).score(x, y) > 0.9)
    True
    """

    _loss = "cross_entropy"

    def fit(self, X, y, sample_weight=None):
        """Train a fresh network on X (n, features) and labels y (n,); sample_weight (n,): as w of `bpfree.train`."""
        X, y = validated(self, X, y)
        weights = checked_weights(sample_weight, X)
        self.classes_, target = self._encode(y, None)
        return self._fit(X, target, len(self.classes_), weights)

    def partial_fit(self, X, y, classes=None):
        """One pass over more samples, in their order; classes: all there will be, needed in the first call."""
        first = not hasattr(self, "model_")
        if first and classes is None:
            raise ValueError("classes: expected all classes in the first call of partial_fit, got None")
        X, y = validated(self, X, y, reset=first)
        if first:
            self.classes_ = np.unique(classes)
            check_two(self.classes_)
            self._begin(X, len(self.classes_))
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(f"classes: expected those of the first call, {self.classes_}, got {classes}")
        return self._partial_fit(X, self._encode(y, self.classes_)[1])

    def decision_function(self, X):
        """Scores before the softmax, (n, classes); of two classes the second's less the first's, (n,)."""
        scores = self._outputs(X)
        return scores[:, 1] - scores[:, 0] if len(self.classes_) == 2 else scores

    def score(self, X, y, sample_weight=None):
        """Share of right predictions, weighted by sample_weight (n,) where it is given."""
        refuse_masks(y=y, sample_weight=sample_weight)
        return super().score(X, y, sample_weight)

    def predict_proba(self, X):
        """Softmax of the scores, (n, classes)."""
        from scipy.special import softmax

        return softmax(self._outputs(X), axis=1)

    def predict(self, X):
        """The class of the largest score, (n,)."""
        outputs = self._outputs(X)  # first of all: it says so where nothing has been fitted
        return self.classes_[surely_predicted(outputs)]

    @staticmethod
    def _encode(y, classes):
        """Classes, and the number of each label among them."""
        check_classification_targets(y)
        if classes is None:
            classes, target = np.unique(y, return_inverse=True)
            check_two(classes)
            return classes, target
        unknown = np.setdiff1d(y, classes)
        if unknown.size:
            raise ValueError(f"y: expected labels among classes {classes}, got {unknown}")
        return classes, np.searchsorted(classes, y)


class Regressor(RegressorMixin, _Network):
    """A network for one or several real targets, trained with forward passes only.

    {parameters}

    After fit: model_ (a `bpfree.Model` of standardised inputs and targets,
    mean_, scale_, target_mean_, target_scale_), run_ (the `bpfree.Run`, with its
    costs), loss_curve_ (mean loss of every step), n_iter_.

    >>> x = np.linspace(-2, 2, 200)[:, None]
    >>> bool(Regressor().fit(x, np.sin(x[:, 0])).score(x, np.sin(x[:, 0])) > 0.9)
    True
    """

    _loss = "mse"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X, y, sample_weight=None):
        """Train a fresh network on X (n, features) and y (n,) or (n, outputs); sample_weight (n,): w of `bpfree.train`.

        Inputs and targets are standardised by their weighted mean and deviation then.
        """
        X, y = validated(self, X, y, multi_output=True, y_numeric=True)
        weights = checked_weights(sample_weight, X)
        return self._fit(X, self._standard_targets(y, True, weights), self._n_outputs, weights)

    def partial_fit(self, X, y):
        """One pass over more samples, in their order."""
        first = not hasattr(self, "model_")
        X, y = validated(self, X, y, multi_output=True, y_numeric=True, reset=first)
        target = self._standard_targets(y, first)
        if first:
            self._begin(X, self._n_outputs)
        return self._partial_fit(X, target)

    def score(self, X, y, sample_weight=None):
        """R^2 of the predictions, weighted by sample_weight (n,) where it is given."""
        refuse_masks(y=y, sample_weight=sample_weight)
        return super().score(X, y, sample_weight)

    def predict(self, X):
        """Predictions (n,) or (n, outputs), as y was."""
        values = self._outputs(X)
        values = values * self.target_scale_ + self.target_mean_
        return values[:, 0] if self._flat else values

    def _standard_targets(self, y, first: bool, weights=None) -> np.ndarray:
        """In the shape of y, as a loss takes them; mean and deviation are taken where `first`."""
        rows = y.reshape(len(y), -1).astype(np.float64)
        if first:
            self._flat, self._n_outputs = y.ndim == 1, rows.shape[1]
            self.target_mean_, deviation = moments(rows, weights)
            self.target_scale_ = np.where(deviation > 0, deviation, 1.0)
        if rows.shape[1] != self._n_outputs:
            raise ValueError(f"y: expected {self._n_outputs} outputs as in the first call, got {rows.shape[1]}")
        return ((rows - self.target_mean_) / self.target_scale_).astype(np.float32).reshape(y.shape)


for _public in (Classifier, Regressor):
    _public.__doc__ = _public.__doc__.format(parameters=_PARAMETERS.format(loss=_public._loss))
