# SPDX-License-Identifier: MIT
"""Returns the network that a command trains: a built-in one, one in the layer language, or a saved one."""

from __future__ import annotations

from pathlib import Path

import click

from bpfree.cli import own_rows
from bpfree.cli.commands import option, usage
from bpfree.cli.layer_text import LayerTextError, parse_layers
from bpfree.engines.given import fits

NETWORKS = {
    "mlp": "linear(32) relu linear(outputs)",
    "tt": "tt(32,rank=6) relu linear(outputs)",
    "mnist-tt": "tt([7,4,4,7],[8,4,4,8],rank=6) relu tt([8,4,4,8],[1,5,2,1],rank=6)",
    "mnist-dense": "linear(1024) relu linear(10)",
}
"""Built-in networks in the layer language; mnist-tt is the published one of 3,962 parameters."""


def build(data, model: str | None, layers: str | None, seed: int, loss=None):
    """Return the Model to start from: `layers` if given, else `model`, a name in NETWORKS or the path of a model."""
    if layers is not None:
        network = from_text(layers, data, seed, "--layers")
    elif model in NETWORKS:
        network = from_text(NETWORKS[model], data, seed, f"--model {model}")
    elif not Path(model).is_file():
        wanted = f"{', '.join(NETWORKS)}, or a model that bpfree saved"
        raise click.BadParameter(f"expected one of {wanted}; got {model!r}, which is neither", param_hint="--model")
    else:
        network = own_rows.load_model(model)
    check_fits(network, data, "--layers" if layers is not None else f"--model {model}", loss)
    return network


def from_text(text: str, data, seed: int, where: str):
    """Return a Model of the layers in the text; a mistake is marked in the text of the error."""
    from bpfree.model import Sequential

    try:
        data.check_classes()
        placed = parse_layers(text, data.outputs, own_rows.current().layers)
        layers = [layer for layer, _, _ in placed]
        try:
            return Sequential(data.shape, layers, seed=seed)
        except (ValueError, TypeError) as error:
            culprit = _first_that_fails(data.shape, layers)
            raise LayerTextError(str(error), text, *placed[culprit][1:]) from None
    except LayerTextError as error:
        raise click.BadParameter(str(error), param_hint=where) from None


def _first_that_fails(shape, layers) -> int:
    from bpfree.model import Sequential

    for count in range(1, len(layers)):
        try:
            Sequential(shape, layers[:count])
        except (ValueError, TypeError):
            return count - 1
    return len(layers) - 1


def freezing_options(group: str):
    """Return a decorator that adds --trainable and --freeze, below a heading, to a command."""
    named = "Pattern of names such as linear1.weight, with * ? [ ]; may be given several times. "
    trainable = option("--trainable", multiple=True, metavar="PATTERN", group=group,
                       help=f"{named}Only these parameters are trained; default: those that the model has not frozen.")
    freeze = option("--freeze", multiple=True, metavar="PATTERN", group=group,
                    help=f"{named}These parameters are constants, in flash on a device.")  # fmt: skip
    return lambda command: trainable(freeze(command))


def split(model, given: dict):
    """Return the model with what --trainable and --freeze say trained and frozen."""
    with usage(patterns="freeze"):
        model = model.train_only(given["trainable"]) if given["trainable"] else model
        return model.freeze(given["freeze"]) if given["freeze"] else model


def check_fits(model, data, where: str, loss=None) -> None:
    """Raise unless the inputs and outputs of the model match the data; how many outputs a loss of one's own wants,
    only that loss knows."""
    features = 1
    for size in data.shape:
        features *= size
    if model.graph.input.size == features and not fits(data.shape, model.graph.input.shape):
        expected = f"samples of shape {model.graph.input.shape}, or flat, for {where}"
        raise click.BadParameter(f"expected {expected}, got {data.shape}: move the axes of x", param_hint="DATA")
    if model.graph.input.size != features:
        raise click.BadParameter(
            f"expected a network of {features} inputs for {data.name}, got one of {model.graph.input.size}",
            param_hint=where,
        )
    if not (loss is None or isinstance(loss, str)):
        return
    outputs, needed = model.graph.output.size, data.outputs
    if outputs < needed or (outputs != needed and not data.labels):
        wanted = f"{needed} outputs for the {'classes' if data.labels else 'targets'} of {data.name}"
        raise click.BadParameter(f"expected a network of {wanted}, got one of {outputs}", param_hint=where)
