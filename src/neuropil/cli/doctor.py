"""`neuropil doctor`."""

from __future__ import annotations

from neuropil.cli.output import AsJson, say, say_json, say_table

__all__ = ["doctor"]

LEAST_FREE_BYTES = 1 << 30


def doctor(*, as_json: AsJson = False) -> None:
    """Versions, threads, devices, free disk, and what could be wrong.

    Parameters
    ----------
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.looking import look_at_machine

    found, complaints = look_at_machine()
    if found["free_disk_bytes"] < LEAST_FREE_BYTES:
        complaints = [*complaints, f"only {found['free_disk_bytes'] / 1e9:.1f} GB of disk are free here"]
    if as_json:
        return say_json({**found, "complaints": complaints})
    packages = found.pop("packages")
    found["free_disk"] = f"{found.pop('free_disk_bytes') / 1e9:.1f} GB"
    rows = [
        (key.replace("_", " "), ", ".join(value) if isinstance(value, list) else value) for key, value in found.items()
    ]
    say_table("machine", ("what", "found"), rows)
    say_table("packages", ("name", "version"), list(packages.items()))
    return say(*(complaints or ["nothing wrong was found"]))
