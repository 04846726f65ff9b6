"""The file that is frozen into a board's MicroPython: nothing of ours is mounted yet when it runs."""

import ast


def assigned(path, name):
    tree = ast.parse(path.read_text())
    (value,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return eval(compile(ast.Expression(value), "", "eval"), {})


def test_the_part_of_the_flash_that_is_mounted_is_the_boards_own(repo):
    pico = repo / "firmware/pico"
    assert assigned(pico / "_boot.py", "FILES_BYTES") == assigned(pico / "board.py", "FILES_BYTES") == 86 * 4096


def test_it_needs_no_other_file_of_ours(repo):
    tree = ast.parse((repo / "firmware/pico/_boot.py").read_text())
    named = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
    assert named == {"gc", "rp2", "vfs"} and not any(isinstance(node, ast.ImportFrom) for node in ast.walk(tree))
