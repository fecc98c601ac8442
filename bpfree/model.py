# SPDX-License-Identifier: MIT
"""A graph with its parameters: what users hold, predict with and save."""

from __future__ import annotations

import io
import json

import numpy as np

from bpfree.engines import get_engine
from bpfree.engines.classes import surely_predicted
from bpfree.engines.cost import node_macs
from bpfree.engines.given import check_finite_rows, make_inputs, make_labels
from bpfree.errors import FormatError, RowsMissingError, check_unmasked
from bpfree.files import read_arrays, write_atomically
from bpfree.graph import INPUT, SCHEMA, Graph, Row, theta_hash
from bpfree.graph.layers import assemble, initial_parameters, stack
from bpfree.graph.surgery import matching, replaced, split, up_to, values_after
from bpfree.ops import OPS
from bpfree.registry import check_rows


class Model:
    """Graph, theta (n_theta,) and frozen (n_frozen,), both contiguous float32.

    >>> import bpfree as bf
    >>> model = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)], seed=0)
    >>> model
    Model(4 -> linear1 -> relu2 -> linear3 -> 2, 23 trainable, 18 MACs)
    >>> model.predict([[0.0, 0.0, 0.0, 0.0]], "exact").shape
    (1, 2)
    """

    def __init__(self, graph: Graph, theta, frozen=None):
        self.graph = graph
        self.theta = _vector("theta", theta, graph.n_theta)
        self.frozen = _vector("frozen", np.zeros(0) if frozen is None else frozen, graph.n_frozen)

    @property
    def hash(self) -> str:
        """FNV-1a-64 of theta's bytes."""
        return theta_hash(self.theta)

    @property
    def frozen_hash(self) -> str:
        """FNV-1a-64 of the constants' bytes."""
        return theta_hash(self.frozen)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one forward pass of one sample."""
        return sum(node_macs(self.graph))

    def predict(self, x, engine=None) -> np.ndarray:
        """Outputs (n, outputs) of x (n, features...), in the model's layout or flat; NaN in a sample stays its own.

        Raises TypeError for masked arrays, ValueError for other layouts.
        """
        engine = get_engine(engine, self.graph.own)
        return engine.predict(self.graph, self.theta, self.frozen, make_inputs(self.graph, x))

    def accuracy(self, x, labels, engine=None) -> float:
        """Share of samples whose largest output is at their label, one of the integers 0 to outputs - 1.

        Raises TypeError and ValueError for other labels, for inputs or parameters that are not finite, and where an
        output is NaN, as the largest of such outputs means nothing.
        """
        self.check_finite()
        inputs = make_inputs(self.graph, x)
        check_finite_rows("x", inputs)
        labels = np.asarray(check_unmasked("labels", labels))
        if len(inputs) != (len(labels) if labels.ndim else None):
            raise ValueError(f"labels: expected shape ({len(inputs)},), got {labels.shape}")
        labels = make_labels("labels", labels, self.graph.output.size)
        engine = get_engine(engine, self.graph.own)
        outputs = engine.predict(self.graph, self.theta, self.frozen, inputs)
        return float((surely_predicted(outputs) == labels).mean())

    def check_finite(self, name: str = "model") -> None:
        """Raise ValueError where a parameter, trained or frozen, is NaN or infinite, naming its tensor.

        >>> import bpfree as bf
        >>> model = bf.Sequential(4, [bf.Linear(2)])
        >>> model.theta[3] = np.nan
        >>> model.check_finite()
        Traceback (most recent call last):
        ValueError: model: expected finite parameters, got 1 in linear1.weight that are not
        """
        bad = {part: int((~np.isfinite(values)).sum()) for part, values in self.parameters().items()}
        if told := ", ".join(f"{count} in {part}" for part, count in bad.items() if count):
            raise ValueError(f"{name}: expected finite parameters, got {told} that are not")

    def parameters(self) -> dict[str, np.ndarray]:
        """Copies of the named parameter tensors."""
        vectors = {False: self.theta, True: self.frozen}
        return {s.name: vectors[s.frozen][s.range].reshape(s.shape).copy() for s in self.graph.slices}

    def rows(self) -> list[Row]:
        """What its nodes are made of, (op, name, inputs, attributes, frozen), in execution order.

        inputs: names of the tensors that a node reads, its own name the one it makes; frozen: which of its
        parameters are constants.

        >>> import bpfree as bf
        >>> model = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)]).freeze("linear1.weight")
        >>> [(row.name, row.inputs, row.frozen) for row in model.rows()]
        [('linear1', ('input',), ('weight',)), ('relu2', ('linear1',), ()), ('linear3', ('relu2',), ())]
        """
        return self.graph.rows()

    def freeze(self, *patterns: str) -> Model:
        """The same model with these parameter tensors as constants, which nothing trains, probes or hashes with theta.

        patterns: of names such as "linear1.weight", as in `fnmatch`: "linear1.*", "*.bias", "*". A pattern that is a
        name itself means that one alone. This model is left as it is, values are kept to the bit, and what
        was frozen before stays so. On a device constants lie in flash.

        Raises ValueError for a pattern that matches no name.

        >>> import bpfree as bf
        >>> bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)]).freeze("linear1.*")
        Model(4 -> linear1 -> relu2 -> linear3 -> 2, 8 trainable, 15 frozen, 18 MACs)
        """
        return self._with_frozen(self._frozen_names | matching("patterns", patterns, self._names))

    def unfreeze(self, *patterns: str) -> Model:
        """The same model with these parameter tensors among those that are trained; patterns as in `freeze`.

        >>> import bpfree as bf
        >>> model = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)])
        >>> model.freeze("*").unfreeze("*.bias").graph.n_theta
        5
        """
        return self._with_frozen(self._frozen_names - matching("patterns", patterns, self._names))

    def train_only(self, *patterns: str) -> Model:
        """The same model with these parameter tensors trained and all others frozen; patterns as in `freeze`.

        What `train(model, data, trainable=patterns)` trains, and `replay` of its journal begins with.

        >>> import bpfree as bf
        >>> model = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)])
        >>> model.train_only("linear3.*", "linear1.bias").graph.n_theta
        11
        """
        return self._with_frozen(set(self._names) - matching("trainable", patterns, self._names))

    def up_to(self, tensor: str) -> Model:
        """The model that ends at a tensor, named as the node that makes it: features, for instance.

        It has only the nodes that the tensor is made of, and their parameters, frozen or not as they were.

        >>> import bpfree as bf
        >>> bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)]).up_to("relu2")
        Model(4 -> linear1 -> relu2 -> 3, 15 trainable, 12 MACs)
        """
        graph = up_to(self.graph, tensor)
        return Model(graph, *initial_parameters(graph, 0, given=self.parameters()))

    def replace(self, node, rows, parameters=None, *, seed: int = 0) -> Model:
        """The model in which other nodes take the place of one, or of several: a new head, a layer as a tensor train.

        node: its name, or several. rows: layers, such as Linear(5) or a Model, one behind the other, the first
        behind what the first of the nodes read; or (op, name, inputs, attributes), as `rows` has them. What read the
        last of the nodes reads the last of the rows; with [] it reads what the first of the nodes read. Layers are
        named as in `Sequential`, by their place. parameters: values by name, such as "linear3.weight"; what is
        not given is drawn by `seed`. Nodes that nothing reads any more are gone.

        All others keep their parameters, frozen or not. Raises ValueError where shapes do not fit, naming both.

        >>> import bpfree as bf
        >>> model = bf.Sequential(4, [bf.Linear(3), bf.ReLU(), bf.Linear(2)])
        >>> model.replace("linear3", [bf.Linear(5)])
        Model(4 -> linear1 -> relu2 -> linear3 -> 5, 35 trainable, 27 MACs)
        >>> model.replace("relu2", [("tanh", "curve", ["linear1"], {})])
        Model(4 -> linear1 -> curve -> linear3 -> 2, 23 trainable, 18 MACs)
        """
        graph, chain = replaced(self.graph, node, rows)
        given = values_after(graph, chain, self.parameters(), {} if parameters is None else parameters)
        return Model(graph, *initial_parameters(graph, seed, chain.gains, given))

    def save(self, path) -> None:
        """Write one .npz, whole or not at all: schema, graph JSON, theta, frozen. No pickle."""
        stream = io.BytesIO()
        np.savez(stream, schema=np.uint32(SCHEMA), graph=self.graph.to_json(), theta=self.theta, frozen=self.frozen)
        write_atomically(path, stream.getvalue())

    @classmethod
    def load(cls, path, rows=()) -> Model:
        """Read what save wrote. Raises FormatError on anything else; nothing is loaded half.

        rows: the operations of your own that it has, each an Op; other rows are passed over.
        """
        check_rows(rows)
        rows = tuple(rows)
        fields = read_arrays(path, ("schema", "graph", "theta", "frozen"))
        try:
            if fields["schema"] != SCHEMA:
                raise FormatError(f"{path}: expected schema {SCHEMA}, got {fields['schema']}: update bpfree")
            document = json.loads(str(fields["graph"]))
            if document["schema"] != SCHEMA:
                raise FormatError(f"{path}: expected graph schema {SCHEMA}, got {document['schema']}: update bpfree")
            _check_keys("graph", document, ("schema", "input", "nodes", "frozen"))
            for node in document["nodes"]:
                _check_keys("node", node, ("op", "name", "inputs", "attributes"))
            missing = [n["op"] for n in document["nodes"] if OPS.lacks(n["op"], rows)]
            if missing:
                raise RowsMissingError.of(path, missing)
            nodes = [(OPS.find(n["op"], rows), n["name"], n["inputs"], n["attributes"]) for n in document["nodes"]]
            graph = assemble(document["input"], nodes, frozen=document["frozen"])
            return cls(graph, fields["theta"], fields["frozen"])
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(f"{path}: not a bpfree model: {error}") from None

    def __repr__(self) -> str:
        g = self.graph
        frozen = f", {g.n_frozen} frozen" if g.n_frozen else ""
        return f"Model({g.chain}, {g.n_theta} trainable{frozen}, {self.macs} MACs)"

    @property
    def _names(self) -> list[str]:
        return [part.name for part in self.graph.slices]

    @property
    def _frozen_names(self) -> set[str]:
        return {part.name for part in self.graph.slices if part.frozen}

    def _with_frozen(self, names: set[str]) -> Model:
        graph = split(self.graph, names)
        return Model(graph, *initial_parameters(graph, 0, given=self.parameters()))


def Sequential(features, layers, seed: int = 0) -> Model:
    """A model of layers one after the other, with initial weights from a seed.

    features: inputs of a sample, a number or a shape.

    >>> import bpfree as bf
    >>> bf.Sequential(64, [bf.Linear(32), bf.ReLU(), bf.Linear(10)], seed=0).graph.n_theta
    2410
    """
    chain = stack(features, layers)
    graph = assemble(chain.shapes[INPUT], chain.rows)
    return Model(graph, *initial_parameters(graph, seed, chain.gains, chain.given))


def _check_keys(what: str, document: dict, keys) -> None:
    """Raise on keys that mean something to a later version: what they say must not be passed over."""
    if set(document) != set(keys):
        raise ValueError(f"{what}: expected the keys {', '.join(keys)}, got {', '.join(map(str, document))}")


def _vector(name, values, size) -> np.ndarray:
    array = np.asarray(check_unmasked(name, values))
    if array.shape != (size,) or not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"{name}: expected {size} floats, got {array.dtype} of shape {array.shape}")
    return np.array(array, np.float32)
