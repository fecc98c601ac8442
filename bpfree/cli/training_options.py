# SPDX-License-Identifier: MIT
"""Options for estimator and update, generated from the tables: a new row, or a new field of one, becomes an option."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass, replace
from typing import get_args, get_type_hints

import click

from bpfree.cli.commands import option, option_name, usage
from bpfree.cli.own_rows import KindName, current
from bpfree.cli.schedule_options import schedule_options, schedule_values, with_schedule
from bpfree.estimators import ESTIMATORS, masks
from bpfree.estimators.table import Estimator
from bpfree.schedules.table import Schedule
from bpfree.updates import UPDATES
from bpfree.updates.chain import chain, clip
from bpfree.updates.normalize import Normalize
from bpfree.updates.stale import Stale
from bpfree.updates.table import Update
from bpfree.updates.weight_decay import WeightDecay

ESTIMATOR_KINDS: dict[str, type] = {}
for _row in ESTIMATORS:
    if _row.settings not in ESTIMATOR_KINDS.values():
        ESTIMATOR_KINDS[_row.name] = _row.settings
UPDATE_KINDS = {row.name: row.settings for row in UPDATES if "lr" in {f.name for f in fields(row.settings)}}
"""Settings classes by the name of their first row; links without a rate have options of their own."""

OLD_NAMES = {"unitwise": "unit_wise", "nodeperturbation": "node_perturbation", "structuredcge": "structured_cge"}
"""Names that earlier versions gave to some estimators, which are still accepted."""

HELP = {
    "n_queries": "Directions per step and group; for hybrid, directions and single parameters per step in all.",
    "direction": "Distribution of the directions: rademacher (signs, least memory), hadamard (signs, orthogonal within "
    "a step), gaussian or sphere.",
    "scale": "1, or dim: the estimate is multiplied by q / (q + d - 1), so that lr need not depend on q and d.",
    "combine": "How differences along directions are combined: mean, or least_squares, which pays off from one query "
    "per four parameters on (not on a device).",
    "fraction": "Share of the parameters probed in a step.",
    "head": "Derivatives of the loss by the scores: exact, in closed form, or probe, by differences.",
    "rescale": "Divide the estimate by the fraction, so that it is as long as the gradient.",
    "mask_refresh": "Steps for which the same parameters are probed.",
    "ratios": "How the probed share is divided among the parameter tensors: uniform, erk, magnitude or grasp; "
    "none: drawn from all parameters together.",
    "order": "Parameters that a step probes: random ones, or cyclic: block after block until each is probed once.",
    "mu": "Smoothing radius, or the step that is tried, in units of the parameters (unit_wise, node_perturbation: "
    "in units of the activations).",
    "two_sided": "Take losses at theta + mu u and theta - mu u, or at theta + mu u and theta.",
    "grouping": "Parameters that are moved together: joint (all), layer or tensor.",
    "lr": "Learning rate.",
    "beta": "Factor by which the velocity decays per step.",
    "window": "Steps whose gradients are rebuilt, instead of storing a velocity.",
    "beta1": "Factor by which the mean gradient decays per step.",
    "beta2": "Factor by which the mean square of the gradient decays per step.",
    "epsilon": "Number added to the root of the mean square.",
}
"""Help by field of the settings; a test requires an entry for every field."""

_ESTIMATOR_GROUP = "Estimator: how losses become a direction"
_UPDATE_GROUP = "Update: how the parameters move"


class _NumberOrName(click.ParamType):
    name = "number|name"

    def convert(self, value, param, ctx):
        try:
            return float(value)
        except (TypeError, ValueError):
            return value


def _fields(kinds) -> dict[str, dict[str, object]]:
    """Return defaults by field and then by kind, in the order of the tables."""
    found: dict[str, dict[str, object]] = {}
    for kind, settings in kinds.items():
        for field in fields(settings) if is_dataclass(settings) else ():  # a base of one's own need not be one
            if field.init:
                found.setdefault(field.name, {})[kind] = field.default
    return found


def _field_option(name: str, kinds, group: str):
    """Return the option of a field that some of the kinds have; its value None means that it was not given."""
    own = {kind: settings for kind, settings in kinds.items() if name in {f.name for f in fields(settings)}}
    hint = next(get_type_hints(settings)[name] for settings in own.values())
    hints = set(get_args(hint)) or {hint}
    flag = name.replace("_", "-")
    text = f"{HELP.get(name, '')}  [{_defaults(name, own)}]".strip()
    if Schedule in hints:
        text = text.replace("  [", f" See --{flag}-schedule.  [", 1)
    if hints == {bool}:
        off = "one-sided" if name == "two_sided" else f"no-{flag}"
        return option(f"--{flag}/--{off}", name, default=None, group=group, help=text)
    if name == "ratios":
        kind = click.Choice([*masks.DENSITIES, *masks.COMPUTED])
        return option(f"--{flag}", name, type=kind, default=None, group=group, help=text)
    kind = _NumberOrName() if {float, str} <= hints else next((k for k in (float, int, str) if k in hints), str)
    metavar = {int: "N", float: "X", str: "NAME"}.get(kind, "X|NAME")
    return option(f"--{flag}", name, type=kind, metavar=metavar, default=None, group=group, help=text)


def _defaults(name: str, kinds) -> str:
    """Return `default: 0.01`, or the default of each kind where they differ or only one has the field."""
    values = {kind: next(f.default for f in fields(cls) if f.name == name) for kind, cls in kinds.items()}
    shown = {kind: _shown(value) for kind, value in values.items() if value is not MISSING}
    if len(shown) > 1 and len(set(shown.values())) == 1:
        return f"default: {next(iter(shown.values()))}"
    return ", ".join(f"{kind} {value}" for kind, value in shown.items())


def _shown(value) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def training_options(command):
    """Add the options of estimator and update to a command; `build` reads them."""
    made = [
        option("--estimator", type=KindName(ESTIMATOR_KINDS, lambda: Estimator, OLD_NAMES), group=_ESTIMATOR_GROUP,
               help="The method. With losses only: rge probes random directions, cge one parameter at a time, hybrid "
               "each where it is better, and coordinate_descent takes the steps along one parameter that lower the "
               "loss, with --update sgd --lr 1. With access to the layers: unit_wise and node_perturbation move "
               "activations layer by layer, and structured_cge gives the numbers of cge for a fraction of the cost."),
        *(_field_option(name, ESTIMATOR_KINDS, _ESTIMATOR_GROUP) for name in _fields(ESTIMATOR_KINDS)),
        *schedule_options("mu", _ESTIMATOR_GROUP),
        option("--update", type=KindName(UPDATE_KINDS, lambda: Update), group=_UPDATE_GROUP, help="The update rule."),
        *(_field_option(name, UPDATE_KINDS, _UPDATE_GROUP) for name in _fields(UPDATE_KINDS)),
        *schedule_options("lr", _UPDATE_GROUP),
        option("--clip", type=float, metavar="X", group=_UPDATE_GROUP,
               help="Limit the estimator's coefficients to [-X, X]."),
        option("--stale", type=float, metavar="X", group=_UPDATE_GROUP,
               help="With cge: for parameters that a step does not probe, use their last derivative, times X for each "
               "step since; 1 never forgets."),
        option("--normalize", is_flag=True, default=None, group=_UPDATE_GROUP,
               help="Divide the gradient by the spread of the losses of a step."),
        option("--weight-decay", type=float, group=_UPDATE_GROUP, metavar="X",
               help="Add X times the parameters to the gradient."),
    ]  # fmt: skip
    for decorate in reversed(made):
        command = decorate(command)
    return command


def build(given: dict, recipe: dict, plan_steps, layer_shares):
    """Return (estimator, update) from the options (None: not given), which override the values of a recipe.

    given: values by option.
    recipe: values by option, with `estimator` and `update` among them. A kind
    other than the recipe's starts from its own defaults, without a schedule.
    plan_steps: a function (estimator, update) -> number of steps of the run,
    for schedules whose steps are not given.
    layer_shares: a function (method, fraction) -> ratios, for those that have
    to be computed from the model.
    """
    computed = given["ratios"] if given["ratios"] in masks.COMPUTED else None
    plain = {**given, "ratios": "uniform"} if computed else given
    estimator = _settings("estimator", ESTIMATOR_KINDS | current().kinds(Estimator), plain, recipe)
    if computed:
        estimator = replace(estimator, ratios=layer_shares(computed, estimator.fraction))
    update = _settings("update", UPDATE_KINDS | current().kinds(Update), given, recipe)
    with usage(limit="clip", rate="weight_decay", decay="stale"):
        cut = [clip(given["clip"])] if given["clip"] is not None else []
        links = [Stale(given["stale"])] if given["stale"] is not None else []
        links += [Normalize()] if given["normalize"] else []
        links += [WeightDecay(given["weight_decay"])] if given["weight_decay"] is not None else []
    if update.comes_first and links:
        what = "--stale, --normalize, --weight-decay: expected none of them with --update window_momentum"
        raise click.UsageError(f"{what}, which takes the record itself: leave them out, or use --update momentum")
    values = {what: schedule_values(what, given, recipe, owner)
              for what, owner in (("mu", "estimator"), ("lr", "update"))}  # fmt: skip
    if any(values.values()):
        steps = plan_steps(estimator, update)
        estimator = with_schedule(estimator, "mu", values["mu"], steps)
        update = with_schedule(update, "lr", values["lr"], steps)
    with usage():
        return estimator, chain(*cut, *links, update) if cut or links else update


def _name_if_needed(field) -> str | None:
    return field.name if field.init and field.default is field.default_factory is MISSING else None


def _settings(what: str, kinds, given: dict, recipe: dict):
    kind = given[what] or recipe[what]
    if not is_dataclass(kinds[kind]):
        expected = f"expected a dataclass of its settings, got {kind}"
        raise click.UsageError(f"--{what}: {expected}: put @dataclass(frozen=True) above its class")
    own = {field.name for field in fields(kinds[kind])}
    values = {name: recipe[name] for name in own if kind == recipe[what] and name in recipe}
    for name, owners in _fields(kinds).items():
        if given.get(name) is None:  # settings of a class of one's own may have no option
            continue
        if name not in own:
            raise click.UsageError(
                f"--{name.replace('_', '-')}: expected --{what} {' or '.join(owners)}, got --{what} {kind}: "
                "leave one of them out"
            )
        values[name] = given[name]
    lacking = [option_name(name) for name in map(_name_if_needed, fields(kinds[kind])) if name and name not in values]
    if lacking:
        ways = "give the field a default, or use its option where it has one"
        raise click.UsageError(f"--{what} {kind}: expected a value of {', '.join(lacking)}, got none: {ways}")
    with usage():
        return kinds[kind](**values)
