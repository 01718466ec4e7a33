"""The workflows of a CI service are well formed and name what there is."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="the extra 'docs' is not installed")

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, dict[str, object]]:
    return yaml.safe_load(path.read_text())["jobs"]


def test_there_is_one_for_changes_and_one_for_releases() -> None:
    assert [path.stem for path in WORKFLOWS] == ["ci", "release"]


@each_workflow
def test_jobs_wait_for_jobs_that_exist(path: Path) -> None:
    for job in jobs(path).values():
        needed = job.get("needs", [])
        assert ({needed} if isinstance(needed, str) else set(needed)) <= set(jobs(path))
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)


def test_a_change_is_checked_by_the_script_that_checks_a_clone() -> None:
    steps = jobs(ROOT / ".github" / "workflows" / "ci.yml")["check"]["steps"]
    assert {"run": "bash .ci/run"} in steps
    assert (ROOT / ".ci" / "run").is_file()


def test_nothing_is_published_that_was_not_tried_or_with_a_token() -> None:
    path = ROOT / ".github" / "workflows" / "release.yml"
    found = jobs(path)
    assert found["publish"]["needs"] == "try"
    assert set(found["try"]["needs"]) == {"any", "linux"}
    assert found["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets." not in path.read_text()


def test_released_wheels_for_linux_bring_compiled_passes() -> None:
    switch = next(
        line for line in (ROOT / "hatch_build.py").read_text().splitlines() if "SWITCH" in line
    )
    steps = jobs(ROOT / ".github" / "workflows" / "release.yml")["linux"]["steps"]
    (variables,) = [step["env"] for step in steps if "env" in step]
    ((name, value),) = variables.items()
    assert name in switch and value == "1"


def test_the_versions_of_python_that_the_package_names_are_those_that_are_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {text.rpartition(" ")[2] for text in project["classifiers"] if " 3." in text}
    workflows = ROOT / ".github" / "workflows"
    for name, job in (("ci", "check"), ("release", "try")):
        strategy = jobs(workflows / f"{name}.yml")[job]["strategy"]
        assert set(strategy["matrix"]["python"]) == named
    assert project["requires-python"] == f">={min(named)}"
