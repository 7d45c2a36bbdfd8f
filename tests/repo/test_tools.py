"""The scripts that the Makefile stands on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CRD = "charts/xlbench/files/experimentspecs.yaml"
GENERATORS = ("xlbench-operator", "python")


def run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout whose generators write one line each."""
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    for name in GENERATORS:
        generator = tmp_path / ".venv/bin" / name
        generator.parent.mkdir(parents=True, exist_ok=True)
        generator.write_text("#!/bin/sh\necho generated\n")
        generator.chmod(0o755)
    return tmp_path


def test_generated_files_that_are_up_to_date_pass(tree: Path) -> None:
    assert run(tree, "tools/generate").returncode == 0
    assert (tree / CRD).read_text() == "generated\n"
    assert run(tree, "tools/generate", "--check").returncode == 0


@pytest.mark.parametrize("edit", ["by hand\n", None], ids=["edited by hand", "never written"])
def test_a_stale_generated_file_is_noticed_and_left_alone(tree: Path, edit: str | None) -> None:
    run(tree, "tools/generate")
    if edit is None:
        (tree / CRD).unlink()
    else:
        (tree / CRD).write_text(edit)
    answer = run(tree, "tools/generate", "--check")
    assert answer.returncode == 1
    assert "run 'make generate'" in answer.stderr
    assert edit is None or (tree / CRD).read_text() == edit


@pytest.mark.parametrize("broken", GENERATORS)
def test_a_generator_that_fails_leaves_all_files_as_they_were(tree: Path, broken: str) -> None:
    def written() -> dict[Path, str]:
        files = [*tree.glob("charts/**/*.*"), *tree.glob("docs/**/*.*")]
        return {path: path.read_text() for path in files}

    run(tree, "tools/generate")
    before = written()
    for name in GENERATORS:
        end = "exit 1" if name == broken else ""
        (tree / ".venv/bin" / name).write_text(f"#!/bin/sh\necho half\n{end}\n")
    assert run(tree, "tools/generate").returncode == 1
    assert len(before) == 8
    assert written() == before


def test_retry_tries_again_until_it_works(tree: Path) -> None:
    answer = run(tree, "tools/retry", "30", "sh", "-c", "[ -e seen ] || { touch seen; false; }")
    assert answer.returncode == 0
    assert "failed (exit 1)" in answer.stderr


def test_retry_gives_up_at_the_deadline_with_the_commands_own_status(tree: Path) -> None:
    answer = run(tree, "tools/retry", "0", "sh", "-c", "exit 7")
    assert answer.returncode == 7
    assert "gave up" in answer.stderr


@pytest.mark.parametrize(("status", "expected"), [(0, 0), (1, 1), (5, 0)])
def test_only_an_empty_selection_of_tests_is_excused(
    tree: Path, status: int, expected: int
) -> None:
    assert run(tree, "tools/some-tests", "sh", "-c", f"exit {status}").returncode == expected


GO = """#!/bin/sh
[ "$1" = build ] || exit 2
while [ "$1" != -o ]; do
    case "$1" in -ldflags=*) echo "$1" > "$HOME/linker" ;; esac
    shift
done
echo built >> "$HOME/builds"
[ ! -e "$HOME/broken" ] || exit 1
printf '#!/bin/sh\\n' > "$2/server"
chmod +x "$2/server"
"""


NEEDED = [
    "bash",
    "basename",
    "cat",
    "chmod",
    "cut",
    "dirname",
    "mkdir",
    "mktemp",
    "mv",
    "nice",
    "rm",
    "sha256sum",
    "tr",
]


@pytest.fixture
def go_tree(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one Go module, a compiler that writes `server`, and a home of its own."""
    module = tree / "tests/cluster/tools/server"
    module.mkdir(parents=True)
    for name in ("go.mod", "go.sum"):
        (module / name).write_text(f"{name} 1\n")
    (tree / "bin").mkdir()
    for name in NEEDED:
        (tree / "bin" / name).symlink_to(str(shutil.which(name)))
    (tree / "bin/go").write_text(GO)
    (tree / "bin/go").chmod(0o755)
    (tree / "tools/retry").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    monkeypatch.setenv("PATH", str(tree / "bin"))
    monkeypatch.setenv("HOME", str(tree / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tree / "home").mkdir()
    return tree


def builds(tree: Path) -> int:
    log = tree / "home/builds"
    return log.read_text().count("built") if log.exists() else 0


def test_a_program_is_built_once_until_its_module_changes(go_tree: Path) -> None:
    places = set()
    for text in ("1", "1", "2"):
        (go_tree / "tests/cluster/tools/server/go.sum").write_text(text)
        assert run(go_tree, "tools/cluster-tools").returncode == 0
        places.add(run(go_tree, "tools/cluster-tools", "--find", "server").stdout.strip())
    assert builds(go_tree) == len(places) == 2
    assert all(Path(place).is_file() for place in places)


def test_a_program_that_is_not_built_is_told_with_what_to_run(go_tree: Path) -> None:
    answer = run(go_tree, "tools/cluster-tools", "--find", "server")
    assert answer.returncode == 1
    assert "server is not built: run `make cluster-tools`" in answer.stderr


def test_a_build_that_fails_leaves_nothing_that_is_taken_for_a_program(go_tree: Path) -> None:
    (go_tree / "home/broken").touch()
    assert run(go_tree, "tools/cluster-tools").returncode == 1
    assert list((go_tree / "home/.cache/xlbench/tools").iterdir()) == []


def test_without_go_the_word_is_said(go_tree: Path) -> None:
    (go_tree / "bin/go").unlink()
    answer = run(go_tree, "tools/cluster-tools")
    assert answer.returncode == 1
    assert "building server needs Go" in answer.stderr


def test_a_program_that_is_called_server_bears_the_name_of_its_module(go_tree: Path) -> None:
    modules = go_tree / "tests/cluster/tools"
    (modules / "server").rename(modules / "etcd")
    assert run(go_tree, "tools/cluster-tools").returncode == 0
    assert run(go_tree, "tools/cluster-tools", "--find", "etcd").returncode == 0
    assert run(go_tree, "tools/cluster-tools", "--find", "server").returncode == 1


def test_the_linker_is_told_what_the_module_says_and_again_when_that_changes(go_tree: Path) -> None:
    for text in ("-s\n-X version=1\n", "-s\n-X version=2\n"):
        (go_tree / "tests/cluster/tools/server/ldflags").write_text(text)
        assert run(go_tree, "tools/cluster-tools").returncode == 0
        told = (go_tree / "home/linker").read_text().strip()
        assert told == "-ldflags=" + text.replace("\n", " ").strip()
    assert builds(go_tree) == 2


def versions_told(module: Path) -> set[str]:
    """Versions of Kubernetes that a module is built from and that its linker is told."""
    required = re.search(r"k8s\.io/kubernetes (v\S+)", (module / "go.mod").read_text())[1]
    return {required, *re.findall(r"gitVersion=(\S+)", (module / "ldflags").read_text())}


def test_kubernetes_says_the_version_that_it_is() -> None:
    assert len(versions_told(ROOT / "tests/cluster/tools/kubernetes")) == 1


def test_a_version_that_the_linker_is_not_told_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("require k8s.io/kubernetes v1.2.3\n")
    (tmp_path / "ldflags").write_text("-X version.gitVersion=v1.2.2\n")
    assert versions_told(tmp_path) == {"v1.2.3", "v1.2.2"}


def test_packages_that_nobody_may_install_are_named(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "bin").mkdir()
    (tree / "bin/bash").symlink_to(str(shutil.which("bash")))
    (tree / "bin/id").write_text("#!/bin/sh\necho 1000\n")
    (tree / "bin/id").chmod(0o755)
    monkeypatch.setenv("PATH", str(tree / "bin"))
    answer = run(tree, "tools/cluster-packages")
    assert answer.returncode == 1
    assert "sudo apt-get install containerd" in answer.stderr
