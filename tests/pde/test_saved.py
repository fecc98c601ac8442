"""Saved solutions: every problem can be stored, and what cannot is said and does not lose the result."""

import json

import numpy as np
import pytest
from own_things import SOFT

import bpfree as bf
from bpfree.errors import FormatError, RowsMissingError
from bpfree.pde import Solution, solve

PROBLEMS = [row.settings() for row in bf.pde.PROBLEMS] + [
    bf.pde.AllenCahn("dirichlet"),
    bf.pde.Heat(dim=2, alpha=0.3),
    bf.pde.HJBLQG(dim=np.int64(3), m=np.float32(0.5)),
    bf.pde.InverseHeat(measurements=5, noise=0.1, seed=np.uint8(7)),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_every_problem_of_the_library_can_be_saved(problem, tmp_path):
    points = problem.test_points(20)
    model = bf.Sequential(problem.domain.dim, [bf.Linear(3), bf.Tanh(), bf.Linear(len(problem.outputs))])
    solution = solve(problem, model, points=points, max_steps=1, test_points=points, seed=np.int64(2))
    solution.save(tmp_path / "s.npz")
    again = Solution.load(tmp_path / "s.npz")
    assert type(again.asked) is type(problem) and again.unknowns == solution.unknowns
    np.testing.assert_array_equal(again.predict(points), solution.predict(points))
    np.testing.assert_array_equal(again.asked.reference(points), problem.reference(points))
    assert again.history == solution.history and again.summary()


def test_a_problem_that_was_changed_is_given_again(tmp_path):
    problem = bf.pde.Heat()
    problem.conditions = (bf.pde.Initial(0.0, hard=True), bf.pde.Dirichlet("x", 0.0))
    solution = solve(problem, points=8, max_steps=1)
    with pytest.warns(UserWarning, match="problem: expected Heat as it was made, got one that was changed since"):
        solution.save(tmp_path / "s.npz")
    with pytest.raises(ValueError, match=r"problem: expected Heat\(...\)"):
        Solution.load(tmp_path / "s.npz")
    points = [[0.3, 0.5]]
    again = Solution.load(tmp_path / "s.npz", problem)
    np.testing.assert_array_equal(again.predict(points), solution.predict(points))


def test_coupled_terms_are_kept_and_files_without_them_are_read(tmp_path):
    class Mean(bf.pde.Problem):
        domain = bf.pde.Box(x=(0, 1))

        def residual(self, u, c):
            return u - np.mean(u.value)

    solution = solve(Mean(), points=8, max_steps=1)
    solution.save(tmp_path / "s.npz")
    assert Solution.load(tmp_path / "s.npz", Mean()).coupled == solution.coupled == ("residual",)
    with np.load(tmp_path / "s.npz") as arrays:
        fields = dict(arrays)
    document = json.loads(str(fields["solution"]))
    del document["how"]["coupled"]
    np.savez(tmp_path / "old.npz", **{**fields, "solution": json.dumps(document)})
    assert Solution.load(tmp_path / "old.npz", Mean()).coupled == ()


def test_a_network_with_an_operation_of_ones_own(tmp_path):
    class Growth(bf.pde.Problem):
        domain = bf.pde.Box(t=(0, 1))
        conditions = [bf.pde.Initial(1.0)]

        def residual(self, u, c):
            return u.t - u

    solution = solve(Growth(), bf.Sequential(1, [bf.Linear(3), SOFT, bf.Linear(1)]), points=8, max_steps=1)
    solution.save(tmp_path / "s.npz")
    with pytest.raises(RowsMissingError, match="own_soft"):
        Solution.load(tmp_path / "s.npz", Growth())
    again = Solution.load(tmp_path / "s.npz", Growth(), rows=[SOFT])
    np.testing.assert_array_equal(again.predict([[0.3]]), solution.predict([[0.3]]))


def _damaged():
    """What may be wrong in the document of a saved solution, by its place."""
    found = []
    for path, value in (
        ("history.looks", []), ("history.looks.0.1", "x"), ("history.looks.0.1", []), ("history.looks.0.0", -1),
        ("history.looks.0.2", [1]), ("history.cost.0", None), ("history.cost.1", "x"), ("history.outcome", [1, 2]),
        ("unknowns", None), ("unknowns", 5), ("unknowns", [[]]), ("problem.name", "\ud800"), ("problem.settings", 5),
    ):  # fmt: skip
        found.append(pytest.param(path, value, id=f"{path}={value!a}"))
    return found



@pytest.mark.parametrize(("path", "value"), _damaged())
def test_damaged_documents_are_refused_and_never_a_traceback_later(tmp_path, path, value):
    solve(bf.pde.Heat(), points=8, max_steps=1).save(tmp_path / "s.npz")
    with np.load(tmp_path / "s.npz") as arrays:
        fields = dict(arrays)
    document = json.loads(str(fields["solution"]))
    *folders, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    place = document
    for part in folders:
        place = place[part]
    place[last] = value
    np.savez(tmp_path / "s.npz", **{**fields, "solution": json.dumps(document)})
    with pytest.raises(FormatError, match="s.npz: not a saved bpfree solution"):
        Solution.load(tmp_path / "s.npz")


def test_a_file_without_a_remark_is_read(tmp_path):
    solution = solve(bf.pde.Heat(), points=64, max_steps=1)
    solution.save(tmp_path / "s.npz")
    fields = dict(np.load(tmp_path / "s.npz"))
    document = json.loads(str(fields["solution"]))
    assert document["history"].pop("remark") == solution.history.remark != ""
    np.savez(tmp_path / "s.npz", **{**fields, "solution": json.dumps(document)})
    again = Solution.load(tmp_path / "s.npz")
    assert again.history.remark == "" and again.outcome == solution.outcome
