"""`python -m benchmarks [TOPIC] [--pairs N] [--readme]`: run the topics, print and keep their tables."""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path
from typing import Any

from benchmarks.intervals import summarize_pairs
from benchmarks.machine import ceilings, describe_machine
from benchmarks.pairing import Session
from benchmarks.records import Topic
from benchmarks.tables import describe_topic, merge_duels, read_results, table, write_pages, write_result
from benchmarks.topics import TOPICS, topic

README = Path(__file__).parents[1] / "README.md"
PAGE = README.parent / "docs" / "benchmarks.md"


def run_topic(chosen: Topic, pairs: int | None, again: str | None = None) -> dict[str, Any] | None:
    """Run one topic, or its comparisons with one peer; `None` where it cannot run here."""
    if (reason := chosen.missing()) is not None:
        print(f"{chosen.name} is left out: {reason}", file=sys.stderr)
        return None
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    machine = {**describe_machine(), "ceilings": ceilings(), "date": today}
    session = Session(lambda line: print(line, file=sys.stderr, flush=True))
    duels = []
    for duel in chosen.duels:
        if again is not None and duel.peer != again:
            continue
        print(f"{chosen.name}: {duel.ours} beside {duel.peer}", file=sys.stderr, flush=True)
        found = session.duel(chosen.name, duel, pairs)
        duels.append((duel, found, [summarize_pairs(row, found) for row in duel.rows]))
    return describe_topic(chosen, duels, machine)


def main() -> None:
    """Read the words and do it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speed, side by side with others.")
    parser.add_argument("only", nargs="?", choices=TOPICS, help="one topic; all where left out")
    parser.add_argument("--pairs", type=int, help="pairs of runs, in place of each comparison's own number")
    parser.add_argument(
        "--readme", action="store_true", help="run nothing: write kept results into README.md and docs/benchmarks.md"
    )
    parser.add_argument("--again", metavar="PEER", help="measure one peer of a topic again, in place of its kept rows")
    words = parser.parse_args()
    if words.again is not None and (
        words.only is None or words.again not in {duel.peer for duel in topic(words.only).duels}
    ):
        parser.error(f"--again {words.again}: name a topic and one of its peers")
    if words.pairs is not None and words.pairs < 1:
        parser.error(f"--pairs is {words.pairs}; give 1 or more")
    if words.readme:
        write_pages(README, PAGE, read_results(TOPICS))
        return
    for name in [words.only] if words.only else TOPICS:
        description = run_topic(topic(name), words.pairs, words.again)
        if description is not None:
            write_result(description if words.again is None else merge_duels(read_results([name])[0], description))
            print(table(description), flush=True)


if __name__ == "__main__":
    main()
