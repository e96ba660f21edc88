"""Results on disk as JSON, and as Markdown tables."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.records import Duel, Pair, Result, Topic

__all__ = [
    "RESULTS",
    "describe_topic",
    "merge_duels",
    "read_results",
    "rewrite_readme",
    "table",
    "write_pages",
    "write_result",
]

RESULTS = Path(__file__).parent / "results"
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"
NEVER = "never"
"""What stands in a file for an infinite number, which JSON has not."""


def describe_topic(
    topic: Topic, duels: Sequence[tuple[Duel, Sequence[Pair], Sequence[Result]]], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """All that is known of one topic's run, as plain values."""
    ceiling = machine["ceilings"]["fp32_gflop_per_second"]
    return {
        "topic": topic.name,
        "title": topic.title,
        "notes": list(topic.notes),
        "machine": dict(machine),
        "duels": [
            {
                "ours": duel.ours,
                "peer": duel.peer,
                "rows": [_plain(result) for result in results],
                "of_ceiling": _share_of_ceiling(pairs, ceiling),
                "pairs": [asdict(pair) for pair in pairs],
            }
            for duel, pairs, results in duels
        ],
    }


def merge_duels(kept: Mapping[str, Any], measured: Mapping[str, Any]) -> dict[str, Any]:
    """A kept description with the duels that were measured again in their old places.

    Raises:
        ValueError: the runs were on unlike machines, whose rows must not stand in one table.
    """
    for what in ("processor", "threads", "versions"):
        if kept["machine"][what] != measured["machine"][what]:
            raise ValueError(f"the kept table has another {what}; measure the whole topic again")
    new = {(duel["ours"], duel["peer"]): duel for duel in measured["duels"]}
    duels = [new.get((duel["ours"], duel["peer"]), duel) for duel in kept["duels"]]
    return {**kept, "machine": measured["machine"], "duels": duels}


def _plain(result: Result) -> dict[str, Any]:
    numbers = asdict(result)
    return {**numbers.pop("row"), **numbers}


def _share_of_ceiling(pairs: Sequence[Pair], ceiling: float) -> float | None:
    speeds = sorted(pair.ours.flop_per_second for pair in pairs if pair.ours.flop_per_second is not None)
    return round(1e-9 * speeds[len(speeds) // 2] / ceiling, 4) if speeds else None


def write_result(description: Mapping[str, Any], folder: Path = RESULTS) -> Path:
    """Write `<topic>.json`."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{description['topic']}.json"
    path.write_text(json.dumps(_finite(description), indent=1, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _finite(value: Any) -> Any:
    if isinstance(value, float) and math.isinf(value):
        return NEVER
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def read_results(names: Sequence[str], folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The results that there are, in the order of `names`."""
    paths = [folder / f"{name}.json" for name in names]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def table(description: Mapping[str, Any], *, brief: bool = False) -> str:
    """One topic as Markdown: heading, notes, rows, machine; in brief the first note and the rows with a target."""
    notes = description["notes"][:1] if brief else description["notes"]
    lines = [f"### {description['title']}", "", *(f"{note}\n" for note in notes)]
    lines.append("| what | ours | peer | compared | 95 % interval | target | met | pairs |")
    lines.append("|---|---:|---:|---:|---:|---:|---|---:|")
    rows = [row for duel in description["duels"] for row in duel["rows"]]
    lines += [_line(row) for row in rows if not brief or row["target"] is not None]
    if brief:
        return "\n".join(lines) + "\n"
    shares = {duel["ours"]: duel["of_ceiling"] for duel in description["duels"] if duel["of_ceiling"] is not None}
    if shares:
        said = ", ".join(f"`{name}` {share:.1%}" for name, share in shares.items())
        lines += ["", f"Arithmetic done, as a share of the fp32 ceiling: {said}."]
    return "\n".join([*lines, "", _machine(description["machine"])]) + "\n"


def _line(row: Mapping[str, Any]) -> str:
    sign = "≥" if row["better"] == "high" else "≤"
    unit = str(row["unit"])
    after = "×" if "/" in row["kind"] else unit
    target = "" if row["target"] is None else f"{sign} {row['target']:g} {after}"
    met = {True: "yes", False: "**no**", None: ""}[row["met"]]
    interval = f"{_number(row['low'])} to {_number(row['high'])}"
    noisy = f" ({row['noisy_pairs']} on a busy machine)" if row["noisy_pairs"] else ""
    cells = [row["what"], _number(row["ours"], unit), _number(row["peer"], unit)]
    cells += [_number(row["value"], after), interval, target, met, f"{row['pairs']}{noisy}"]
    return f"| {' | '.join(cells)} |"


def _number(value: float | str, unit: str = "") -> str:
    """Three digits that count, at most four behind the point."""
    if isinstance(value, str) or math.isinf(value):
        return NEVER
    places = 0 if value == 0 else min(4, max(0, 2 - math.floor(math.log10(abs(value)))))
    return f"{value:,.{places}f} {unit}".rstrip()


def _machine(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    peaks = machine["ceilings"]
    return (
        f"{machine['processor']}, {machine['threads']} threads on both sides, {machine['instructions']}; Python "
        f"{machine['python']}, {versions}; ceilings measured in the same run: {peaks['fp32_gflop_per_second']:g} "
        f"GFLOP/s fp32, {peaks['bf16_gflop_per_second']:g} bf16, {peaks['memory_gbyte_per_second']:g} GB/s; "
        f"{machine['date']}."
    )


def write_pages(readme: Path, page: Path, descriptions: Sequence[Mapping[str, Any]]) -> None:
    """The rows with a target into the README, all of everything into a page of its own.

    Raises:
        ValueError: the README's marks are not there.
    """
    rewrite_readme(readme, descriptions)
    head = (
        "# Speed, side by side\n\n`make bench` measures these tables; each row's two sides ran in turn in one run.\n\n"
    )
    page.write_text(head + "\n".join(table(description) for description in descriptions), encoding="utf-8")


def rewrite_readme(path: Path, descriptions: Sequence[Mapping[str, Any]]) -> None:
    """Put the tables between the two marks of a README.

    Raises:
        ValueError: the marks are not there, once and in this order.
    """
    text = path.read_text(encoding="utf-8")
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ValueError(f"{path.name} needs one line {BEGIN} and below it one line {END}; the tables go between them")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    tables = "\n".join(table(description, brief=True) for description in descriptions)
    path.write_text(f"{before}{BEGIN}\n{tables}{END}{after}", encoding="utf-8")
