"""No circles: who imports whom in `firmware/pxerom` and in `tools/pxebench`, read from the text.

An import inside a function counts as much as one at the top: it is a dependency, only later.
Nothing of what is read is imported here.
"""

import ast
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parent.parent
# What knows neither a socket nor a clock (DESIGN: engines do no I/O): bytes in, bytes out.
_ENGINES = (
    *("tftp", "tftp_packet", "tftp_quirks", "retry", "retry_rtt", "image", "image_kind"),
    *("dhcp_packet", "dhcp_offer", "pxe_codes", "failure", "rom_check", "rom_check_dhcp"),
)


def _modules(folder, package):
    """{dotted name: path} of a package."""
    found = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *parts)).removesuffix(".__init__")
        found[name] = path
    return found


def _imports(path, modules=()):
    """The dotted names that a file imports. `from a import b` is an import of a.b where that is
    one of `modules`, and of a where b is a name in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module


def graph(folder, package):
    """{module: the modules of the same package that it imports}. That a package's `__init__` is
    loaded with each of its modules is no import of theirs."""
    modules = _modules(folder, package)
    return {
        name: {used for used in _imports(path, modules) if used in modules} - {name}
        for name, path in modules.items()
    }


def circles(edges):
    """Each set of modules that reach one another, as a sorted list (Tarjan's components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for used in edges[name]:
            if used not in index:
                visit(used)
                low[name] = min(low[name], low[used])
            elif used in stack:
                low[name] = min(low[name], index[used])
        if low[name] == index[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in edges:
        if name not in index:
            visit(name)
    return found


def test_one_module_imports_labgrid():
    modules = _modules(_ROOT / "tools/pxebench", "pxebench")
    users = [
        name
        for name, path in modules.items()
        if {"attr", "grpc", "labgrid"} & {one.partition(".")[0] for one in _imports(path)}
    ]
    assert users == ["pxebench.lab.grid"]


@pytest.mark.parametrize("package", ["firmware/pxerom", "tools/pxebench"])
def test_no_module_imports_itself_by_way_of_others(package):
    edges = graph(_ROOT / package, package.rpartition("/")[2])
    assert len(edges) > 25
    assert circles(edges) == []


def test_circle_is_found_wherever_it_lies():
    """The finder itself: a circle of three behind a chain, and none in a diamond."""
    edges = {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"b", "e"}, "e": set()}
    assert circles(edges) == [["b", "c", "d"]]
    assert circles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


@pytest.mark.parametrize("engine", _ENGINES)
def test_engine_knows_neither_a_socket_nor_a_clock(engine):
    used = set(_imports(_ROOT / f"firmware/pxerom/{engine}.py"))
    assert not used & {"socket", "time", "select", "os", "sys"}, used
    edges = graph(_ROOT / "firmware/pxerom", "pxerom")
    assert not edges[f"pxerom.{engine}"] & {"pxerom.udp", "pxerom.dhcp_socket", "pxerom.fetch"}


def test_firmware_imports_nothing_of_the_bench():
    for path in (_ROOT / "firmware").rglob("*.py"):
        assert not [name for name in _imports(path) if name.startswith("pxebench")], path
