"""The house test: which room may import which, and the limits that keep files readable."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "neuropil"

CELLAR = {"registry", "errors", "files"}
"""Modules of the standard library alone that every room may use."""

DOORS: dict[str, set[str]] = {
    "formulas": set(),
    "compiled": set(),
    "nn": {"compiled"},
    "recurrent": {"nn", "compiled"},  # split from nn, which had too many files
    "optim": set(),
    "data": set(),
    "annotations": {"data"},
    "subwords": set(),
    "sequences": {"data", "subwords"},
    "corpora": {"data", "sequences"},  # split from sequences, which had too many files
    "sources": {"data", "annotations", "sequences", "corpora"},  # one door above data, which had too many files
    "checking": {"data", "sources", "annotations", "sequences", "drawing"},  # drawing: the page of findings
    "batches": {"data"},  # split from data, which had too many files
    "models": {"nn"},
    "block_networks": {"nn"},  # split from models, which had too many files
    "attention": {"nn", "compiled"},
    "sequence_models": {"nn", "recurrent", "models", "attention", "compiled"},  # a captioner looks by one of models
    "tasks": {"nn", "recurrent"},  # recurrent: how sequences are written, and where their history is cut
    "transfer": {"nn", "subwords"},  # a folder of Hugging Face holds the network and its subwords
    "inspection": {"nn"},  # the protocols, and the windows of a pooling
    "training": {"nn", "tasks", "optim"},  # nn: the protocols of a batch, a stream and a task
    "drawing": {"inspection", "formulas"},
    "pictures": {"drawing", "inspection"},  # split from drawing, which had too many files
    "recipes": {
        "data", "sources", "batches", "models", "tasks", "optim", "transfer", "training", "nn",
        "inspection", "drawing",  # a run ends with its report, from Python too
        "recurrent",  # a run of a language model writes on
    },
    "gallery": {  # above recipes, which had too many files: names, recipes and runs into pages
        "recipes", "training", "sources", "batches", "data", "models", "optim", "nn", "recurrent", "inspection",
        "drawing", "pictures",
        "attention", "tasks",  # who looks at whom in a trained run, and in what its task wrote
    },
    # what the chapter says of costs, tried on all it speaks of; search: how many trials its ways to search take
    "costs": {
        "formulas", "inspection", "models", "nn", "recurrent", "attention", "optim", "batches", "search", "drawing",
        "pictures",
    },
    # above recipes: a run rebuilt and measured; optim: gradients are clipped as the run did
    "diagnosis": {"recipes", "training", "data", "batches", "nn", "optim", "drawing"},
    "cli": {
        "recipes", "gallery", "costs", "diagnosis", "search", "architecture", "training", "checking", "inspection",
        "drawing", "transfer", "models", "",  # the version
    },
    # many runs of one recipe; tasks: which end of a metric is good, nn: which layers can be stacked, data: what is open
    "search": {"recipes", "training", "drawing", "tasks", "optim", "nn", "data"},
    "architecture": {"search", "recipes", "drawing", "block_networks"},  # a search whose trials are networks of blocks
}  # fmt: skip

FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "manager", "handler"}
MAX_FILE_LINES, MAX_CLI_LINES, MAX_FUNCTION_LINES, MAX_ROOM_FILES = 400, 60, 60, 25

FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


KNOWN = {module_name(path) for path in FILES}


def room_of(module: str) -> str:
    """The room of `neuropil.room.file`; the cellar's modules are rooms of their own, the front door is ''."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def imports_of(path: Path) -> list[tuple[str, int]]:
    """Every module of ours that a file names in an import, also inside functions, with the line."""
    found = []
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "neuropil":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            known = [name for name in names if name in KNOWN]
            found += [(name, node.lineno) for name in known] or [(node.module, node.lineno)]
        elif isinstance(node, ast.Import):
            found += [(a.name, node.lineno) for a in node.names if a.name.split(".")[0] == "neuropil"]
    return found


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_doors(path: Path) -> None:
    """A file imports its own room, the cellar, and rooms to which its room has a door."""
    room = room_of(module_name(path))
    for target, line in imports_of(path):
        other = room_of(target)
        if room in CELLAR:
            assert other in CELLAR, f"{path}:{line}: the cellar stands below every room, but imports {target}"
        elif room == "":
            continue
        else:
            allowed = {room, *CELLAR, *DOORS[room]}
            assert other in allowed, f"{path}:{line}: no door from {room} to {other or 'the front door'}"


def test_every_room_is_in_the_table() -> None:
    rooms = {p.name for p in SOURCE.iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert rooms == set(DOORS)


def test_no_import_circles() -> None:
    """No file imports itself through others; imports that only type checkers read do not count."""
    graph = {module_name(path): {target for target, _ in runtime_imports(path)} for path in FILES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module in done:
            return
        for target in graph.get(module, ()):
            visit(target, (*trail, module))
        done.add(module)

    for module in graph:
        visit(module, ())


def runtime_imports(path: Path) -> list[tuple[str, int]]:
    guarded = {
        line
        for node in ast.walk(TREES[path])
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    return [(target, line) for target, line in imports_of(path) if line not in guarded]


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_sizes_and_names(path: Path) -> None:
    room = room_of(module_name(path))
    lines = len(path.read_text(encoding="utf-8").splitlines())
    limit = MAX_CLI_LINES if room == "cli" and path.name != "__init__.py" else MAX_FILE_LINES
    assert lines <= limit, f"{path} has {lines} lines, {limit} are allowed"
    assert not FORBIDDEN_NAMES & {part.removesuffix(".py") for part in path.relative_to(SOURCE).parts}
    assert len(list(path.parent.glob("*.py"))) <= MAX_ROOM_FILES
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= MAX_FUNCTION_LINES, f"{path}:{node.lineno}: {node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_public_names_are_documented_and_typed(path: Path) -> None:
    tree = TREES[path]
    assert ast.get_docstring(tree), f"{path} has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}:{node.lineno}: {node.name} has no docstring"
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            assert node.returns is not None, f"{path}:{node.lineno}: {node.name} has no return type"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_command_line_prints_and_nothing_runs_code(path: Path) -> None:
    room = room_of(module_name(path))
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Assert):
            pytest.fail(f"{path}:{node.lineno}: assert stands only in tests")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            banned = {"pickle", "marshal", "shelve", "dill", "joblib", "yaml"}
            assert not banned & {n.split(".")[0] for n in names}, f"{path}:{node.lineno}"
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called != "print" or room == "cli", f"{path}:{node.lineno}: only cli prints"
        assert called not in {"eval", "exec", "compile", "__import__"}, f"{path}:{node.lineno}: {called}"
        assert not called.endswith((".extractall", ".extract")), f"{path}:{node.lineno}: archives are streamed"
        if called.endswith("torch.load"):
            safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in node.keywords)
            assert safe, f"{path}:{node.lineno}: torch.load without weights_only=True"
        if called in {"np.load", "numpy.load"}:
            safe = any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in node.keywords)
            assert safe, f"{path}:{node.lineno}: np.load without allow_pickle=False"
