"""The command `muster`: a table of sub-commands, of which only the one that runs is imported."""

import os
import subprocess
import sys

import pytest

import muster


def test_without_a_command_it_prints_the_help_and_exits_2(capsys):
    assert muster.main([]) == 2
    assert "usage: muster" in capsys.readouterr().out


def test_help_names_every_command_and_exits_0(capsys):
    assert muster.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out and command.help in out for name, command in muster.COMMANDS.items())


def test_an_unknown_command_exits_2_and_says_which_there_are(capsys):
    assert muster.main(["attend"]) == 2
    err = capsys.readouterr().err
    assert "no such command: attend" in err
    assert "demo" in err


def test_asking_for_help_imports_none_of_the_components(repo):
    code = (
        "import sys, muster; muster.main(['help']);"
        "sys.exit(any(name.partition('.')[0] in muster.OURS for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repo, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_command_gets_its_arguments_and_gives_its_exit_status(tmp_path, monkeypatch):
    (tmp_path / "played_command.py").write_text("def main(argv):\n    return len(argv)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(muster.COMMANDS, "played", muster.Command("played_command:main", "server", "A test's own"))
    assert muster.main(["played", "a", "b", "--c"]) == 3


def test_a_name_of_two_words_goes_before_its_first_word_alone(tmp_path, monkeypatch):
    (tmp_path / "played_pair.py").write_text("def main(argv):\n    return len(argv)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(muster.COMMANDS, "gateway add", muster.Command("played_pair:main", "server", "A test's own"))
    assert muster.main(["gateway", "add", "north"]) == 1


def test_a_missing_package_is_named_with_the_extra_that_brings_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "played_needy.py").write_text("import a_package_that_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(muster.COMMANDS, "needy", muster.Command("played_needy:main", "server", "A test's own"))
    assert muster.main(["needy"]) == 1
    err = capsys.readouterr().err
    assert "a_package_that_nobody_has" in err
    assert "'server'" in err


@pytest.mark.parametrize("name", muster.COMMANDS)
def test_every_command_in_the_table_is_there(name, repo):
    command = muster.COMMANDS[name]
    module = repo / command.target.partition(":")[0].replace(".", "/")
    if not (module.with_suffix(".py").exists() or (module / "__init__.py").exists()):
        reason = f"the command {name!r} is not written yet ({command.target})"
        if os.environ.get("CI"):
            pytest.fail(f"{reason}: what lands must not promise it", pytrace=False)
        pytest.skip(reason)
    assert callable(muster.load(command))
