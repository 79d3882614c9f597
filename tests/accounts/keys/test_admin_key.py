"""The admin key that the first start makes: its form, its file, and who may read it."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.accounts.keys.admin_key import ensure_admin_key
from gateway.accounts.keys.key_format import build_key, is_key
from gateway.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_key_ends_with_the_documented_checksum() -> None:
    key = build_key()
    assert re.fullmatch(r"gw_[0-9A-Za-z]{38}", key)
    number = 0
    for character in key[-6:]:
        number = number * 62 + ALPHABET.index(character)
    assert number == zlib.crc32(key[:-6].encode())


@given(st.integers(3, 40), st.sampled_from(ALPHABET))
def test_a_mistyped_key_is_known_as_one(position: int, character: str) -> None:
    key = build_key()
    mistyped = key[:position] + character + key[position + 1 :]
    assert is_key(key)
    assert is_key(mistyped) == (mistyped == key)


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "data" / "admin.key"
    key = ensure_admin_key(path)
    assert is_key(key)
    assert path.read_text() == f"{key}\n"
    assert (_mode(path), _mode(path.parent)) == (0o600, 0o700)
    assert [entry.name for entry in path.parent.iterdir()] == ["admin.key"]
    assert ensure_admin_key(path) == key


def test_an_existing_directory_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    ensure_admin_key(tmp_path / "admin.key")
    assert _mode(tmp_path) == 0o755


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; "
        "from gateway.accounts.keys.admin_key import ensure_admin_key; "
        "print('ready', flush=True); sys.stdin.read(); "
        "print(ensure_admin_key(Path('data/admin.key')))"
    )
    gate, opener = os.pipe()
    processes = [
        subprocess.Popen(
            [sys.executable, "-S", "-c", program],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT)},
            stdin=gate,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(20)
    ]
    os.close(gate)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    os.close(opener)
    keys = [process.communicate()[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 20
    assert len(set(keys)) == 1
    assert is_key(keys[0])


def test_a_file_that_others_can_read_is_tightened(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    key = ensure_admin_key(path)
    path.chmod(0o644)
    assert ensure_admin_key(path) == key
    assert _mode(path) == 0o600


@pytest.mark.parametrize("content", ["", "hunter2", "gw_" + "a" * 38, "x" * 5000, "gw_\xff"])
def test_a_file_with_anything_else_is_refused_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "admin.key"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError) as caught:
        ensure_admin_key(path)
    assert str(caught.value) == (
        f"{path} does not hold an admin key (gw_ and 38 letters and digits, unchanged); "
        "restore it, or remove it to get a new one"
    )
    assert path.read_bytes() == content.encode("latin-1")


def test_a_pipe_in_the_place_of_the_file_does_not_hang_the_start(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="is not a file"):
        ensure_admin_key(path)


def test_a_directory_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "admin.key"
    path.mkdir()
    with pytest.raises(ConfigurationError, match=re.escape(str(path))):
        ensure_admin_key(path)


def test_a_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "admin.key"
    ensure_admin_key(path)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        ensure_admin_key(path)


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the directory should be")
    with pytest.raises(ConfigurationError) as caught:
        ensure_admin_key(tmp_path / "data" / "admin.key")
    assert str(caught.value).startswith(
        f"the admin key's file {tmp_path}/data/admin.key can't be made or read: "
    )


def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ConfigurationError, match="No space left on device"):
        ensure_admin_key(tmp_path / "admin.key")
    assert list(tmp_path.iterdir()) == []
