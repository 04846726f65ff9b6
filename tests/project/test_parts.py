"""The real parts that tests ask for: they start, they are what they say, and a missing one is never silent."""

import random
import socket
import subprocess

import psycopg
import pytest
import sqlalchemy


def test_a_missing_part_skips_the_test_and_says_so(need, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs a-part-nobody-has"):
        need("a-part-nobody-has")


def test_a_missing_part_fails_the_test_in_ci(need, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="in CI it must be"):
        need("a-part-nobody-has")


def test_a_mosquitto_is_killed_and_comes_back_on_its_port(mosquitto):
    port = mosquitto.port
    mosquitto.kill()
    with pytest.raises(ConnectionRefusedError), socket.create_connection((mosquitto.host, port), timeout=1):
        pass
    mosquitto.start()
    with socket.create_connection((mosquitto.host, port), timeout=1):
        assert mosquitto.running
    assert mosquitto.url == f"mqtt://127.0.0.1:{port}"


def test_a_mosquitto_with_persistence_keeps_a_retained_message_over_a_restart(start_mosquitto, need):
    broker = start_mosquitto(persistence=True)
    to = ["-h", broker.host, "-p", str(broker.port), "-t", "muster/test", "-q", "1"]
    subprocess.run([need("mosquitto_pub"), *to, "-r", "-m", "kept"], check=True)
    broker.stop()
    broker.start()
    got = subprocess.run([need("mosquitto_sub"), *to, "-C", "1", "-W", "5"], capture_output=True, text=True)
    assert got.stdout == "kept\n"


def test_each_test_gets_an_empty_database_of_its_own(postgres_url, postgres_cluster):
    engine = sqlalchemy.create_engine(postgres_url)
    with engine.begin() as connection:
        assert not sqlalchemy.inspect(connection).get_table_names()
        connection.execute(sqlalchemy.text("CREATE TABLE left_behind (n integer)"))
    # Left open on purpose: the database is dropped all the same.
    assert psycopg.connect(postgres_cluster.dsn(engine.url.database)).info.server_version >= 130000


def test_the_next_database_is_empty_again(postgres_url):
    with sqlalchemy.create_engine(postgres_url).connect() as connection:
        assert not sqlalchemy.inspect(connection).get_table_names()


def test_micropython_is_the_real_one_and_imports_the_repository(micropython):
    done = micropython.run("import sys, firmware.contract; print(sys.implementation.name)", heapsize="300K")
    assert done.stdout.strip() == "micropython"


def test_an_exception_in_micropython_fails_the_test_with_its_traceback(micropython):
    with pytest.raises(pytest.fail.Exception, match="ZeroDivisionError"):
        micropython.run("1 / 0")


def test_chromium_runs_a_pages_script_and_makes_its_picture(chromium, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p id=x>before</p><script>document.getElementById('x').textContent = 'af' + 'ter'</script>")
    assert '<p id="x">after</p>' in chromium.dom(page.as_uri())
    picture = chromium.screenshot(page.as_uri(), tmp_path / "page.png", width=320, height=200)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_seed_draws_the_same_again(rng, seed):
    assert [rng.random() for _ in range(3)] == [x.random() for x in [random.Random(seed)] for _ in range(3)]
