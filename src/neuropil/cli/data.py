"""`neuropil data show`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import AsJson, say, say_json, say_table

__all__ = ["show"]


def show(source: str, /, *words: str, sheet: Path | None = None, as_json: AsJson = False) -> None:
    """What a data source holds.

    Parameters
    ----------
    source
        A built-in set (digits, iris ...) or a path.
    words
        Options of the source, such as target=quality size=64.
    sheet
        Write a sheet of sample pictures to this PNG file.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.looking import look_at_data

    found = look_at_data(source.removeprefix("data="), words, sheet)
    if as_json:
        return say_json(found)
    for note in found["notes"]:
        say(note)
    parts = found["parts"]
    if found["classes"]:
        rows = [(name, *(parts[part]["by_class"][name] for part in parts)) for name in found["classes"]]
        rows.append(("all", *(parts[part]["samples"] for part in parts)))
        say_table(f"{source}: {found['kind']} {found['input_shape']}", ("class", *parts), rows)
    else:
        rows = [("samples", *(parts[part]["samples"] for part in parts))]
        values = f", values {found['targets']}" if found["targets"] else ""
        say_table(f"{source}: {found['kind']} {found['input_shape']}{values}", ("", *parts), rows)
    for one in found["skipped"][:20]:
        say(f"skipped {one['where']}: {one['reason']}")
    if found["skipped"]:
        say(f"{len(found['skipped'])} samples skipped")
    return say(f"sheet: {found['sheet']}") if found["sheet"] else None
