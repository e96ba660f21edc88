"""What the documents say is there: links, places, rooms, commands, recipes; each line of the chapter's table runs."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from cyclopts import CycloptsError
from PIL import Image

from neuropil.cli import app, main
from neuropil.errors import InputError
from neuropil.models import MODELS, create_model
from neuropil.models.line_grammar import is_line
from neuropil.recipes.assembly import check_recipe
from neuropil.recipes.catalogue import list_recipes
from neuropil.recipes.recipe import Recipe
from neuropil.recipes.train import read_recipe
from neuropil.sources import SOURCES
from neuropil.sources.opening import check_source

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README, CONTRIBUTING, LECTURE = ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "lecture.md"
TEXT = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}

PLACE = re.compile(r"(?<![\w/.-])((?:src|tests|benchmarks|docs)/[\w./-]*\w/?)(?::([A-Za-z_]\w*))?")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FORBIDDEN = re.compile(
    r"(?<![\w.])/(?:work|tmp|home|root|mnt|usr)\b|\bpypi\b|\bpythonhosted\b|download\.pytorch|--index-url|localhost",
    re.IGNORECASE,
)


def fences(text: str, language: str) -> list[str]:
    return [body for kind, body in FENCE.findall(text) if kind == language]


def commands_in(text: str) -> list[str]:
    """Every `neuropil ...` line of a document: in blocks that are no program, and between single backticks."""
    blocks = [line for body in fences(text, "") for line in body.splitlines()]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    lines = [line.split("   #")[0].split(" | ")[-1].strip().removeprefix("$ ") for line in [*blocks, *inline]]
    return list(dict.fromkeys(line for line in lines if line.startswith("neuropil ") and "..." not in line))


def lecture_tables() -> list[list[list[str]]]:
    """The rows of each table of the lecture page: number, heading, places, line."""
    tables: list[list[list[str]]] = []
    for chunk in re.findall(r"(?:^\|.*\|\n)+", TEXT[LECTURE], re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in chunk.splitlines()]
        tables.append(rows[2:])
    return tables


def lecture_lines() -> list[str]:
    return [row[3].strip("`") for table in lecture_tables()[:2] for row in table]


def names_defined_in(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return found


COMMANDS = list(dict.fromkeys(command for text in TEXT.values() for command in commands_in(text)))


def words_of(command: str) -> list[str]:
    """The words after `neuropil`, without what a shell would keep to itself."""
    return shlex.split(command.split(" > ")[0])[1:]


def check_command(command: str) -> None:
    """Parse one command and hold the names in it against the catalogues.

    Raises:
        CycloptsError: the parser refuses it.
        InputError: a recipe, network, data set or option does not exist.
    """
    words = words_of(command)
    if words == ["--help"] or words == ["--version"]:
        return
    function, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
    given = bound.arguments
    if function.__name__ == "train":
        recipe = words_to_recipe(list(given["words"]))
        if recipe is not None:
            if "weights" in recipe.section("model") and "name" not in recipe.section("model"):
                recipe = recipe.with_values({"model": {"name": "resnet18", **recipe.section("model")}})  # they say it
            check_recipe(recipe, data_given=True)
            data = recipe.section("data")
            source = data.pop("source", None)
            if source in SOURCES and "root" not in data:
                check_source(source, data)
    elif function.__name__ in ("summary", "recipes"):
        catalogue: Any = MODELS if function.__name__ == "summary" else list_recipes()
        name = given.get("model", given.get("name"))
        if name is not None and is_line(name):
            with torch.device("meta"):
                create_model(name, in_shape=tuple(map(int, given.get("shape", "1x32x32").split("x"))))
            return
        assert name is None or name in catalogue, f"{command}: there is no {name}"
    elif function.__name__ == "models" and "pattern" in given:
        assert MODELS.names(given["pattern"]), f"{command}: nothing matches"


def words_to_recipe(words: list[str]) -> Any:
    """The recipe that `train`'s words give; none where they name a file of the reader's own."""
    return None if words and words[0].endswith(".toml") else read_recipe(words)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(TEXT[path]):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        other = path.parent / file if file else path
        assert other.exists(), f"{path.name} links to {target}, which is not there"
        if anchor and other.suffix == ".md":
            titles = re.findall(r"^#+ (.+)$", other.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w\s-]", "", title.lower()).strip().replace(" ", "-") for title in titles}
            assert anchor in anchors, f"{path.name} links to {target}, but has no such heading"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_places_exist(path: Path) -> None:
    for place, name in PLACE.findall(TEXT[path]):
        file = ROOT / place
        assert file.exists(), f"{path.name} names {place}, which is not there"
        if name:
            assert name in names_defined_in(file), f"{path.name} names {place}:{name}, which is not defined there"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_the_project_speaks_of_itself_alone(path: Path) -> None:
    found = FORBIDDEN.search(TEXT[path])
    assert found is None, f"{path.name} speaks of {found and found.group()!r}"


def test_the_readmes_tree_names_every_room() -> None:
    tree = next(body for body in fences(TEXT[README], "") if body.startswith("src/neuropil/"))
    named = {found.rstrip("/") for found in re.findall(r"^  ([\w.]+/?)", tree, re.MULTILINE)}
    source = ROOT / "src" / "neuropil"
    rooms = {path.name for path in source.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    cellar = {path.name for path in source.glob("*.py") if path.name != "__init__.py"}
    assert named == rooms | cellar


def test_the_contributing_pages_doors_are_those_of_the_house() -> None:
    tree = ast.parse((ROOT / "tests" / "house" / "test_doors.py").read_text(encoding="utf-8"))
    table = next(
        node.value for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "DOORS"
    )
    assert table is not None
    doors = {
        room: set(others) - {""} for room, others in ast.literal_eval(ast.unparse(table).replace("set()", "()")).items()
    }
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|$", TEXT[CONTRIBUTING], re.MULTILINE)
    written = {room: set(re.findall(r"\w+", cell)) for room, cell in rows}
    assert written == doors


def test_marks_of_the_generated_tables_stand_once() -> None:
    for mark in ("benchmarks", "accuracies"):
        assert TEXT[README].count(f"<!-- {mark} -->") == TEXT[README].count(f"<!-- /{mark} -->") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_parse_and_name_what_exists(command: str) -> None:
    check_command(command)


@pytest.mark.parametrize(
    "wrong",
    [
        "neuropil trane digits-lenet5",
        "neuropil train digits-lenet6",
        "neuropil train model=resnet19 data=digits",
        "neuropil train iris-perceptron optimizer=adamm",
        "neuropil train digits-lenet5 model.dropput=1",
        "neuropil train model=lenet5 data=digits data.sise=32",
        "neuropil summary resnet19",
        "neuropil recipes digits-lenet6",
        "neuropil models '*elephant*'",
        "neuropil evaluate run --wieghts best",
    ],
)
def test_a_wrong_command_would_be_found(wrong: str) -> None:
    with pytest.raises((CycloptsError, InputError, AssertionError)):
        check_command(wrong)


def test_a_wrong_place_would_be_found() -> None:
    assert PLACE.findall("see `src/neuropil/no/such.py:Thing`.") == [("src/neuropil/no/such.py", "Thing")]
    assert names_defined_in(ROOT / "src" / "neuropil" / "errors.py") >= {"InputError"}
    assert "Thing" not in names_defined_in(ROOT / "src" / "neuropil" / "errors.py")
    assert FORBIDDEN.search("in /tmp/x") and not FORBIDDEN.search("photos/tmp/x, ./work")


def test_both_languages_have_the_same_rows() -> None:
    english, around, korean, around_korean = lecture_tables()
    for ours, theirs in ((english, korean), (around, around_korean)):
        assert [(row[0], *row[2:]) for row in ours] == [(row[0], *row[2:]) for row in theirs]
    numbers = [int(number) for row in english for number in row[0].split(", ")]
    assert len(set(numbers)) == len(numbers)
    assert set(numbers) <= set(range(1, 126))
    assert all(re.search(r"[가-힣]", row[1]) or row[1].isascii() for row in korean)


def of_each_kind(lines: list[str]) -> list[str]:
    """Of commands with the same first two words after `neuropil` only the first, no search; all that is no command."""
    kinds = {line if not line.startswith("neuropil ") else tuple(words_of(line)[:2]): line for line in reversed(lines)}
    return [line for line in lines if line in kinds.values() and not line.startswith("neuropil search ")]


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(of_each_kind(lecture_lines()), id="one-of-each-kind", marks=pytest.mark.slow),
        pytest.param(lecture_lines(), id="every", marks=pytest.mark.proof),
    ],
)
def test_lines_of_the_lecture_run(lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From top to bottom in one folder, as a reader would; each command leaves with 0."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(fences(TEXT[LECTURE], "python")[0], names)
    for line in lines:
        if line.startswith("neuropil "):
            with pytest.raises(SystemExit) as left:
                main(words_of(line))
            assert left.value.code == 0, line
        else:
            assert eval(line, names) is not None, line


@pytest.mark.slow
def test_the_readmes_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (32, 32)).save("three.png")
    blocks = fences(TEXT[README], "python")
    assert blocks
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)


def test_the_readmes_recipe_is_one() -> None:
    (text,) = fences(TEXT[README], "toml")
    check_recipe(Recipe.from_toml(text))
