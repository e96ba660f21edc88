"""`neuropil diagnose`."""

from __future__ import annotations

from pathlib import Path

from neuropil.cli.output import AsJson, counted, say, say_json

__all__ = ["diagnose"]


def diagnose(run: Path, /, *, out: Path | None = None, as_json: AsJson = False) -> None:
    """Name what went wrong in a run: the fault, the layer, the evidence, one change to try. Causes stand first.

    Parameters
    ----------
    run
        The run folder; of a run that ended, was interrupted or broke.
    out
        A page to write, with the evidence drawn.
    as_json
        Answer with one JSON object.
    """
    from neuropil.diagnosis.diagnosing import diagnose as diagnosed
    from neuropil.drawing.wording import printable

    found = diagnosed(run, out)
    if as_json:
        say_json({**found.to_json(), "report": None if out is None else str(out)})
        return
    for one in found.findings:
        say(
            printable(f"{one.fault}{f' in {one.layer}' if one.layer else ''}"),
            printable(f"  evidence: {one.evidence}"),
            printable(f"  to try:   {one.change}"),
        )
    page = "" if out is None else f"; page: {out}  (open it in a browser)"
    say(f"{counted(len(found.findings), 'finding') if found.findings else 'nothing was found'} in {run}{page}")
