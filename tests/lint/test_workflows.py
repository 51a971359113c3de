# SPDX-License-Identifier: MIT
"""The workflows run what a developer runs: `.ci/run`, and targets that the Makefile has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github" / "workflows"
PREPARES = re.compile(r"apt-get |git config ")


def commands(workflow: dict[str, Any]) -> list[str]:
    """The `run` lines of all jobs; one that takes a word from the matrix, once for each word."""
    found = []
    for job in workflow["jobs"].values():
        matrix = job.get("strategy", {}).get("matrix", {})
        for step in job["steps"]:
            lines = [step.get("run", "")]
            for name, words in matrix.items():
                place = "${{ matrix." + name + " }}"
                lines = [
                    line.replace(place, word)
                    for line in lines
                    for word in (words if place in line else [""])
                ]
            found += [line.strip() for text in lines for line in text.splitlines()]
    return found


def own(workflow: dict[str, Any]) -> list[str]:
    """The commands that do not only make the machine ready."""
    return [line for line in commands(workflow) if not PREPARES.match(line)]


def unknown_targets(lines: list[str], makefile: str) -> set[str]:
    """The make targets in these lines that the Makefile does not offer."""
    offered = set(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.M))
    calls = [call for line in lines for call in re.findall(r"\bmake ([^&|;]+)", line)]
    words = [word for call in calls for word in call.split()]
    return {word for word in words if "=" not in word and word[0] != "-"} - offered


def loaded(path: Path) -> dict[str, Any]:
    workflow: dict[str, Any] = yaml.safe_load(path.read_text())
    return workflow


def test_ci_runs_what_a_developer_runs() -> None:
    assert own(loaded(FOLDER / "ci.yml")) == [".ci/run"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_workflows_name_targets_that_there_are() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for path in FOLDER.glob("*.yml"):
        lines = own(loaded(path))
        assert lines, path.name
        assert unknown_targets(lines, makefile) == set(), path.name


def test_every_job_has_a_deadline_and_the_machine_of_the_bootstrap() -> None:
    for path in FOLDER.glob("*.yml"):
        workflow = loaded(path)
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"] <= 360, path.name
            assert job["container"]["image"] == "debian:12", path.name


def test_a_step_and_a_target_that_should_not_be_there_are_found() -> None:
    workflow = yaml.safe_load("""
jobs:
  one:
    strategy: {matrix: {command: [make fuzz FUZZ_SECONDS=1, make dance]}}
    steps:
      - run: |
          apt-get install git
          .ci/run
      - run: ${{ matrix.command }}
      - uses: actions/checkout@v4
""")
    lines = own(workflow)
    assert lines == [".ci/run", "make fuzz FUZZ_SECONDS=1", "make dance"]
    assert unknown_targets(lines, "fuzz: ## finds\n\t@true\n") == {"dance"}
