"""`neuropil recipes`."""

from __future__ import annotations

from neuropil.cli.output import AsJson, counted, say, say_json, say_table

__all__ = ["recipes"]


def recipes(name: str | None = None, /, *, as_json: AsJson = False) -> None:
    """List the built-in recipes, or show one as TOML: a file to begin your own from.

    Parameters
    ----------
    name
        The recipe to show: `neuropil recipes digits-lenet5 > mine.toml`.
    as_json
        Answer with one JSON object.
    """
    from neuropil.recipes.catalogue import find_recipe, recipe_titles

    if name is not None:
        text = find_recipe(name).to_toml()
        return say_json({"name": name, "toml": text}) if as_json else say(text.rstrip())
    titles = recipe_titles()
    if as_json:
        return say_json({"recipes": titles})
    say_table(counted(len(titles), "recipe"), ("name", "what it does, and what it reached"), list(titles.items()))
    return say("train one: neuropil train NAME    change it: neuropil train NAME epochs=5 optimizer.lr=0.01")
