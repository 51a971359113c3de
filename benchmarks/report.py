# SPDX-License-Identifier: MIT
"""Makes the report from what the benchmarks kept in build/bench/.

python benchmarks/report.py            from the last run
python benchmarks/report.py --readme   only the README's table, from the report that is committed

Its numbers are committed, as report.json: what was measured, where and with what, three digits
each. build/bench/ gets the report to read, with plots and with what the benchmarks printed.
"""

from __future__ import annotations

import ast
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

import plots
import quotes
from words import digits, figure, three

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
KEPT = ROOT / "build" / "bench"
NUMBERS = HERE / "report.json"
README_MARKS = ("<!-- figures of benchmarks/report.json -->", "<!-- end of figures -->")
WIDTH = 140  # of report.json: a row is a line

Record = dict[str, Any]


# --- the machine --------------------------------------------------------------


def first_line(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not there"
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[0] if lines else "no version given"


def wrk_version() -> str:
    try:
        done = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    except OSError:
        return "not there"
    return (done.stdout or done.stderr).partition("[")[0].strip()


def pinned(group: str) -> list[str]:
    """Names of the packages of one dependency group."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "groups.py"), group],
        capture_output=True,
        text=True,
        check=True,
    )
    return [re.split(r"[\[=<>;]", line)[0].strip() for line in done.stdout.splitlines()]


def version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed here"


def machine() -> dict[str, str]:
    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)
    release = re.search(r'^PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text(), re.M)
    return {
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown",
        "system": f"{release[1] if release else ''}, Linux {platform.release()}",
    }


def versions() -> dict[str, Any]:
    from headrace import TokenVerifier

    engines = TokenVerifier._engines().items()
    return {
        "Python": f"{platform.python_version()}, {platform.python_compiler()}",
        "compiler": first_line(["gcc", "--version"]),
        "crypto": ", ".join(f"engine {name}: {version}" for name, version in engines),
        "Redis": first_line(["redis-server", "--version"]),
        "wrk": wrk_version(),
        "sources": first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"]),
        "packages": {name: version_of(name) for name in pinned("bench")},
    }


# --- what a run has kept ---------------------------------------------------------


def question_of(name: str) -> str:
    """What a benchmark asks: the first paragraph of its docstring."""
    script = name.removesuffix("_newest")
    path = HERE / (f"bench_{script}.py" if script != "parts" else "test_parts.py")
    text = ast.get_docstring(ast.parse(path.read_text())) or script
    again = " On the newest Python" if script != name else ""
    return " ".join(text.partition("\n\n")[0].split()) + again


def records_of(path: Path) -> list[Record]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def parts_of(path: Path) -> list[Record]:
    """What pytest-benchmark kept, as tables: one a group."""
    if not path.exists():
        return []
    groups: dict[str, list[Record]] = {}
    for one in json.loads(path.read_text())["benchmarks"]:
        groups.setdefault(one["group"] or "parts", []).append(one)
    tables = []
    for group, found in groups.items():
        rows = [
            {
                "name": one["params"]["who"] if one["params"] else one["name"],
                "value": [one["stats"][key] * 1e9 for key in ("median", "q1", "q3")],
                "ratio": None
                if one is found[0]
                else [one["stats"]["median"] / found[0]["stats"]["median"]] * 3,
            }
            for one in found
        ]
        base = rows[0]["name"]
        tables.append(
            {"kind": "table", "question": group, "unit": "ns", "base": base, "rows": rows}
        )
    return tables


def found_by(kept: Path, run: Record) -> dict[str, list[Record]]:
    """The records of each benchmark of a run."""
    return {
        one["name"]: parts_of(kept / "parts.json")
        if one["name"] == "parts"
        else records_of(kept / f"{one['name']}.jsonl")
        for one in run["sections"]
    }


# --- the numbers ----------------------------------------------------------------


def spread(values: Iterable[float]) -> list[float]:
    return [three(value) for value in values]


def numbers_of(record: Record) -> Record:
    """A record with three digits a measured number, and a median apart from its spread."""
    if record["kind"] == "table":
        rows = [
            {
                "name": row["name"],
                "value": three(row["value"][0]),
                "spread": spread(row["value"][1:]),
            }
            | (
                {"ratio": three(row["ratio"][0]), "ratio_spread": spread(row["ratio"][1:])}
                if row["ratio"]
                else {}
            )
            for row in record["rows"]
        ]
        return {**record, "rows": rows}
    if record["kind"] == "multiples":
        rows = [
            {
                "name": row["name"],
                "floor": three(row["floor"]),
                "value": three(row["value"]),
                "ratio": three(row["ratio"][0]),
                "ratio_spread": spread(row["ratio"][1:]),
            }
            for row in record["rows"]
        ]
        return {**record, "rows": rows}
    if record["kind"] == "curve":
        series = {
            name: [[int(at), three(y)] for at, y, *_ in points]
            for name, points in record["series"].items()
        }
        return {**record, "series": series}
    return record


def numbers(run: Record, found: dict[str, list[Record]]) -> Record:
    """What report.json holds, but for the machine: all that is shown, and nothing only drawn."""
    return {
        "command": "make bench",
        "date": run["date"],
        "seconds": round(run["seconds"]),
        "benchmarks": [
            {
                "name": one["name"],
                "question": question_of(one["name"]),
                "command": one["shown"],
                "seconds": round(one["seconds"]),
                "code": one["code"],
                "found": [
                    numbers_of(record) for record in found[one["name"]] if record["kind"] != "bars"
                ],
            }
            for one in run["sections"]
        ],
    }


def dumped(value: Any, indent: int = 0) -> str:
    """JSON in which all that fits into a line is on one."""
    flat = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or indent + len(flat) <= WIDTH:
        return flat
    if isinstance(value, dict):
        parts = [f"{dumped(name)}: {dumped(one, indent + 1)}" for name, one in value.items()]
    else:
        parts = [dumped(one, indent + 1) for one in value]
    inner = ",\n".join(" " * (indent + 1) + part for part in parts)
    first, last = "{}" if isinstance(value, dict) else "[]"
    return f"{first}\n{inner}\n{' ' * indent}{last}"


# --- the report in words --------------------------------------------------------


def times_of(row: Record) -> str:
    if "ratio" not in row:
        return ""
    low, high = row["ratio_spread"]
    return f"{digits(row['ratio'])} × ({digits(low)} to {digits(high)})"


def grid(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    head = list(columns)
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]


def as_table(record: Record) -> list[str]:
    unit = record["unit"]
    return grid(
        ("", "time or rate", "eight rounds in ten", f"beside {record['base']}"),
        (
            (
                row["name"],
                figure(row["value"], unit),
                " to ".join(figure(value, unit) for value in row["spread"]),
                times_of(row),
            )
            for row in record["rows"]
        ),
    )


def as_multiples(record: Record) -> list[str]:
    unit = record["unit"]
    return grid(
        ("what, and its floor", "floor", "headrace", "multiple of the floor"),
        (
            (row["name"], figure(row["floor"], unit), figure(row["value"], unit), times_of(row))
            for row in record["rows"]
        ),
    )


def as_curve(record: Record) -> list[str]:
    series = {name: dict(points) for name, points in record["series"].items()}
    at = sorted({x for points in series.values() for x in points})
    rows = [
        (
            f"{x:,.0f}",
            *(figure(one[x], record["unit"]) if x in one else "" for one in series.values()),
        )
        for x in at
    ]
    return [*grid((record["x"], *series), rows), "", *record["words"]]


def shown(record: Record, plot: str = "") -> list[str]:
    if record["kind"] == "remark":
        return ["", record["text"]]
    lines = ["", f"### {record['question']}", ""]
    if plot:
        lines += [f"![{record['question']}]({plot})", ""]
    if record["kind"] == "table":
        return lines + as_table(record)
    if record["kind"] == "multiples":
        return lines + as_multiples(record)
    if record["kind"] == "grid":
        return lines + grid(record["columns"], record["rows"])
    return lines + as_curve(record)


def instructions() -> list[str]:
    kept = json.loads((HERE / "instructions.json").read_text())
    rows = [f"| {name} | {count:,} |" for name, count in kept["instructions"].items()]
    where = kept["circumstances"]
    return [
        "",
        "## Instructions of the eight hot calls",
        "",
        "`make instructions` counts them under callgrind, `make test` refuses one that grows.",
        f"Kept for {where['compiler']}, {where['crypto']}, {where['valgrind']}.",
        "Valgrind's processor has no SHA extensions, so that hashing weighs more there.",
        "",
        "| call | instructions |",
        "|---|---|",
        *rows,
    ]


def text(report: Record, drawn: Record | None = None, printed: Record | None = None) -> str:
    """The report to read. `drawn` has the plots by a benchmark's name or a curve's question,
    `printed` what each benchmark wrote.
    """
    drawn, printed = drawn or {}, printed or {}
    packages = ", ".join(f"{name} {one}" for name, one in report["versions"]["packages"].items())
    facts = {**report["machine"], **report["versions"], "packages": packages}
    lines = [
        "# What the benchmarks found",
        "",
        f"Made by `{report['command']}` on {report['date']}; written by no hand.",
        "Times are medians over rounds in which all candidates take turns in one process.",
        "A ratio is taken round by round, and the interval after it holds eight rounds in ten.",
        "Times hold the cost of the loop and of an empty call, which stands beside them.",
        "",
        *grid(("", ""), facts.items()),
        f"| the whole run | {report['seconds']} s |",
        "",
        "## The figures that the README quotes",
        "",
        *quotes.readme_table(report),
    ]
    for one in report["benchmarks"]:
        lines += ["", f"## {one['question']}", "", f"`{one['command']}`, {one['seconds']} s"]
        if one["code"] != 0:
            lines += ["", f"**It failed, with {one['code']}.**"]
        for record in one["found"]:
            lines += shown(record, drawn.get(record.get("question"), ""))
        if one["name"] in drawn:
            lines += ["", f"![bars with their spread, logarithmic]({drawn[one['name']]})"]
        if one["name"] in printed:
            lines += ["", "<details><summary>as printed</summary>", ""]
            lines += ["```text", printed[one["name"]], "```", "", "</details>"]
    lines += instructions()
    return "\n".join(line.rstrip() for line in lines) + "\n"


# --- the whole ------------------------------------------------------------------


def draw(found: dict[str, list[Record]], folder: Path) -> dict[str, str]:
    """Draws all plots; where each is, from the folder above, for `text`."""
    drawn: dict[str, Path] = {}
    for name, records in found.items():
        path = plots.tables(records, folder / f"{name}.svg")
        if path:
            drawn[name] = path
        for record in records:
            if record["kind"] == "curve":
                drawn[record["question"]] = plots.curve(record, folder)
    return {name: f"{folder.name}/{path.name}" for name, path in drawn.items()}


def write(kept: Path = KEPT) -> None:
    """Writes report.json from a run's folder, and into that folder report.md and plots/."""
    run = json.loads((kept / "run.json").read_text())
    found = found_by(kept, run)
    report = {"machine": machine(), "versions": versions(), **numbers(run, found)}
    NUMBERS.write_text(dumped(report) + "\n")
    printed = {name: (kept / f"{name}.txt").read_text().strip() for name in found}
    drawn = draw(found, kept / "plots")
    (kept / "report.md").write_text(text(report, drawn, printed))


def into_readme() -> None:
    """Puts the table of the committed report between the marks of README.md."""
    table = quotes.readme_table(json.loads(NUMBERS.read_text()))
    path = ROOT / "README.md"
    before, start, rest = path.read_text().partition(README_MARKS[0])
    _, end, after = rest.partition(README_MARKS[1])
    if not start or not end:
        raise SystemExit(f"README.md has no line {README_MARKS[0]} or {README_MARKS[1]}")
    path.write_text(before + start + "\n" + "\n".join(table) + "\n" + end + after)


if __name__ == "__main__":
    if "--readme" in sys.argv[1:]:
        into_readme()
    else:
        write()
