# SPDX-License-Identifier: MIT
"""Makes report.md and its plots from what the benchmarks kept in build/bench/.

python benchmarks/report.py            from the last run
python benchmarks/report.py --readme   and puts the report's first table into README.md
"""

from __future__ import annotations

import ast
import json
import math
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import quotes

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PLOTS = HERE / "plots"
README_MARKS = ("<!-- figures of benchmarks/report.md -->", "<!-- end of figures -->")

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


def machine() -> list[tuple[str, str]]:
    from headrace import TokenVerifier

    cpu = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*: (.*)$", cpu, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)
    release = re.search(r'^PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text(), re.M)
    packages = ", ".join(f"{name} {version_of(name)}" for name in pinned("bench"))
    engines = TokenVerifier._engines().items()
    return [
        (
            "processor",
            f"{model[1] if model else platform.machine()}, {cpu.count('processor	:')} cores",
        ),
        ("memory", f"{int(memory[1]) / 2**20:.0f} GiB" if memory else "unknown"),
        ("system", f"{release[1] if release else ''}, Linux {platform.release()}"),
        ("Python", f"{platform.python_version()}, {platform.python_compiler()}"),
        ("compiler", first_line(["gcc", "--version"])),
        ("crypto", ", ".join(f"engine {name}: {version}" for name, version in engines)),
        ("Redis", first_line(["redis-server", "--version"])),
        ("wrk", wrk_version()),
        ("sources", first_line(["git", "-C", str(ROOT), "describe", "--always", "--dirty"])),
        ("packages", packages),
    ]


# --- figures in words -----------------------------------------------------------


def figure(value: float, unit: str) -> str:
    """Three digits, in a unit that suits: 0.79 µs, 126 ns, 48,200 requests/s."""
    if math.isinf(value):
        return "no answer"
    if unit == "ns":
        for limit, factor, name in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
            if abs(value) < limit:
                return f"{digits(value / factor)} {name}"
        return f"{digits(value / 1e9)} s"
    return f"{digits(value)} {unit}"


def digits(value: float) -> str:
    """Three digits that count: 0.79, 12.3, 4,560."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    rounded = round(value, 2 - math.floor(math.log10(abs(value))))
    return f"{rounded:,.{places}f}"


def times_of(ratio: list[float] | None) -> str:
    if ratio is None:
        return ""
    middle, low, high = ratio
    return f"{digits(middle)} × ({digits(low)} to {digits(high)})"


# --- records --------------------------------------------------------------------


def as_table(record: Record) -> list[str]:
    lines = [
        f"| | time or rate | eight rounds in ten | beside {record['base']} |",
        "|---|---|---|---|",
    ]
    for row in record["rows"]:
        middle, low, high = row["value"]
        between = f"{figure(low, record['unit'])} to {figure(high, record['unit'])}"
        lines.append(
            f"| {row['name']} | {figure(middle, record['unit'])} | {between} "
            f"| {times_of(row['ratio'])} |"
        )
    return lines


def as_grid(record: Record) -> list[str]:
    columns = record["columns"]
    rule = "|" + "---|" * len(columns)
    rows = [f"| {' | '.join(row)} |" for row in record["rows"]]
    return [f"| {' | '.join(columns)} |", rule, *rows]


def as_curve(record: Record) -> list[str]:
    names = list(record["series"])
    at = sorted({point[0] for points in record["series"].values() for point in points})
    lines = [f"| {record['x']} | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for x in at:
        cells = []
        for name in names:
            found = [point for point in record["series"][name] if point[0] == x]
            cells.append(figure(found[0][1], record["unit"]) if found else "")
        lines.append(f"| {x:,.0f} | {' | '.join(cells)} |")
    return [*lines, "", *record["words"]]


def slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60]


# --- plots ----------------------------------------------------------------------


def prepared() -> Any:
    """matplotlib, so that the same figures give the same bytes."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.hashsalt": "headrace", "svg.fonttype": "none", "font.size": 9, "axes.grid": True}
    )
    from matplotlib import pyplot

    return pyplot


def save(figure_: Any, name: str) -> str:
    PLOTS.mkdir(exist_ok=True)
    path = PLOTS / f"{name}.svg"
    figure_.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    text = "\n".join(line.rstrip() for line in path.read_text().splitlines())
    path.write_text(text + "\n")
    return f"plots/{path.name}"


def plot_tables(name: str, tables: list[Record]) -> str | None:
    """All tables of one benchmark with something to compare: bars with their spread."""
    shown = [
        one for one in tables if one["kind"] == "bars" or any(row["ratio"] for row in one["rows"])
    ]
    shown = [one for one in shown if not one.get("hidden")]
    if not shown:
        return None
    pyplot = prepared()
    heights = [len(one["rows"]) + 1.4 for one in shown]
    whole, axes = pyplot.subplots(
        len(shown), 1, figsize=(8, 0.3 * sum(heights)), height_ratios=heights, squeeze=False
    )
    for axis, one in zip(axes[:, 0], shown, strict=True):
        rows = [row for row in one["rows"] if row["name"][0] != "("][::-1]
        scale = 1000 if one["unit"] == "ns" else 1
        middles = [row["value"][0] / scale for row in rows]
        errors = [
            [max(0, row["value"][0] - row["value"][1]) / scale for row in rows],
            [max(0, row["value"][2] - row["value"][0]) / scale for row in rows],
        ]
        ours = one.get("base", "headrace")
        colours = ["#1b6ca8" if row["name"] == ours else "#b9c4cc" for row in rows]
        axis.barh([row["name"] for row in rows], middles, xerr=errors, color=colours)
        axis.set_xscale("log")
        axis.set_title(f"{one['question']} ({'µs' if scale == 1000 else one['unit']})", loc="left")
        axis.set_axisbelow(True)
    whole.tight_layout()
    path = save(whole, name)
    pyplot.close(whole)
    return path


def plot_curve(record: Record) -> str:
    pyplot = prepared()
    whole, axis = pyplot.subplots(figsize=(6, 3.2))
    for name, points in record["series"].items():
        at = [point[0] for point in points]
        axis.plot(at, [point[1] for point in points], marker="o", label=name)
        axis.fill_between(
            at, [point[2] for point in points], [point[3] for point in points], alpha=0.2
        )
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlabel(record["x"])
    axis.set_ylabel(record["unit"])
    axis.set_title(record["question"], loc="left")
    axis.legend()
    path = save(whole, slug(record["question"]))
    pyplot.close(whole)
    return path


# --- the whole ------------------------------------------------------------------


def question_of(name: str) -> str:
    """What a benchmark asks: the first paragraph of its docstring."""
    path = HERE / (f"bench_{name}.py" if name != "parts" else "test_parts.py")
    text = ast.get_docstring(ast.parse(path.read_text())) or name
    return " ".join(text.partition("\n\n")[0].split())


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


def show(records: list[Record], name: str) -> list[str]:
    lines: list[str] = []
    for record in records:
        if record.get("hidden") or record["kind"] == "bars":
            continue
        if record["kind"] == "remark":
            lines += ["", record["text"]]
            continue
        lines += ["", f"### {record['question']}", ""]
        if record["kind"] == "table":
            lines += as_table(record)
        elif record["kind"] == "grid":
            lines += as_grid(record)
        else:
            lines += [f"![{record['question']}]({plot_curve(record)})", "", *as_curve(record)]
    tables = [record for record in records if record["kind"] in ("table", "bars")]
    plot = plot_tables(name, tables)
    if plot:
        lines += ["", f"![bars with their spread, logarithmic]({plot})"]
    return lines


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


def write(kept: Path) -> None:
    """Writes report.md and plots/ from a run's folder."""
    run = json.loads((kept / "run.json").read_text())
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    found = {
        one["name"]: parts_of(kept / "parts.json")
        if one["name"] == "parts"
        else records_of(kept / f"{one['name']}.jsonl")
        for one in run["sections"]
    }
    lines = [
        "# What the benchmarks found",
        "",
        "Made by `make bench`; written by no hand.",
        "Times are medians over rounds in which all candidates take turns in one process.",
        "A ratio is taken round by round, and the interval after it holds eight rounds in ten.",
        "Times hold the cost of the loop and of an empty call, which stands beside them.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in machine()),
        f"| the whole run | {run['seconds']:.0f} s |",
        "",
        "## The figures that the README quotes",
        "",
        *quotes.readme_table(found),
    ]
    for one in run["sections"]:
        name = one["name"]
        again = name.endswith("_newest")
        title = question_of(name.removesuffix("_newest"))
        lines += ["", f"## {title}{' On the newest Python' if again else ''}", ""]
        lines += [f"`{one['shown']}`, {one['seconds']:.0f} s"]
        if one["code"] != 0:
            lines += ["", f"**It failed, with {one['code']}.**"]
        lines += show(found[name], name)
        printed = (kept / f"{name}.txt").read_text().strip()
        lines += ["", "<details><summary>as printed</summary>", "", "```text", printed, "```"]
        lines += ["", "</details>"]
    lines += instructions()
    (HERE / "report.md").write_text("\n".join(line.rstrip() for line in lines) + "\n")


def into_readme() -> None:
    """Puts the table of the committed report between the marks of README.md."""
    table = quotes.table_of((HERE / "report.md").read_text())
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
        write(ROOT / "build" / "bench")
