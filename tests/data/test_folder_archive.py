"""Folders and zip files read by name: hostile names, bombs, locked and damaged members, links, threads."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from neuropil.data.archive import UnusableFile, open_archive
from neuropil.errors import InputError


def zipped(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def changed(path: Path, at: bytes, offset: int, value: int) -> Path:
    """The file with one byte changed, counted from every place where `at` stands."""
    content = bytearray(path.read_bytes())
    place = content.find(at)
    while place >= 0:
        content[place + offset] = value
        place = content.find(at, place + 1)
    path.write_bytes(content)
    return path


FILES = {"cat/a.png": b"first", "cat/deep/b.png": b"second", "dog/c.png": b"third"}
HIDDEN = {"__MACOSX/cat/._a.png": b"", ".git/x": b"", "cat/.DS_Store": b"", "dog/Thumbs.db": b""}


def test_folder_and_zip_say_the_same(tmp_path: Path) -> None:
    for name, content in (FILES | HIDDEN).items():
        (tmp_path / "disk" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "disk" / name).write_bytes(content)
    (tmp_path / "disk/emu").mkdir()
    for found in (
        open_archive(tmp_path / "disk"),
        open_archive(zipped(tmp_path / "a.zip", FILES | HIDDEN | {"emu/": b""})),
    ):
        assert found.files == tuple(sorted(FILES))
        assert found.folders == {"cat", "cat/deep", "dog", "emu"}
        for name, content in FILES.items():
            with found.open(name) as file:
                assert file.read() == content


@pytest.mark.parametrize("name", ["../out.png", "cat/../../out.png", "/etc/out.png", "..\\out.png", "C:/out.png"])
def test_names_that_lead_outside(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leads outside"):
        open_archive(zipped(tmp_path / "a.zip", FILES | {name: b"x"}))


def test_zip_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = bytes(70 << 20)
    with pytest.raises(InputError, match="zip bomb"):
        open_archive(zipped(tmp_path / "a.zip", {"cat/a.bmp": zeros}))
    small = zipped(tmp_path / "b.zip", {"cat/a.bmp": bytes(1 << 20)})  # packed a thousandfold, but harmless
    assert len(open_archive(small).open("cat/a.bmp").read()) == 1 << 20
    monkeypatch.setattr("neuropil.data.archive.MAX_FILE_BYTES", 1000)
    with pytest.raises(UnusableFile, match="at most 1,000 are read"):
        open_archive(small).open("cat/a.bmp")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.bmp").write_bytes(bytes(1001))
    with pytest.raises(UnusableFile, match="at most 1,000 are read"):
        open_archive(tmp_path / "disk").open("a.bmp")


def test_a_member_that_lies_about_its_size_is_not_read_beyond_it(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"a.bmp": bytes(1 << 20)})
    content = bytearray(path.read_bytes())
    size = (1 << 20).to_bytes(4, "little")
    while (place := content.find(size)) >= 0:
        content[place : place + 4] = (100).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UnusableFile, match="cannot be unpacked"):
        open_archive(path).open("a.bmp")


def test_locked_unusual_and_damaged_members(tmp_path: Path) -> None:
    locked = zipped(tmp_path / "locked.zip", FILES)
    changed(locked, b"PK\1\2", 8, 1)
    with pytest.raises(UnusableFile, match="locked with a password"):
        open_archive(locked).open("cat/a.png")
    with pytest.raises(UnusableFile, match="packed in an unusual way"):
        open_archive(zipped(tmp_path / "lzma.zip", FILES, zipfile.ZIP_LZMA)).open("cat/a.png")
    noise = np.random.default_rng(0).bytes(4000)
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        damaged = zipped(tmp_path / f"damaged{method}.zip", {"a.png": noise}, method)
        content = bytearray(damaged.read_bytes())
        content[2000] ^= 0xFF
        damaged.write_bytes(content)
        with pytest.raises(UnusableFile, match="cannot be unpacked"):
            open_archive(damaged).open("a.png")


def test_truncated_and_foreign_files(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", FILES)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="not a zip file, or it is damaged"):
        open_archive(path)
    with pytest.raises(InputError, match="there is no folder or zip file"):
        open_archive(tmp_path / "nowhere")


def test_links(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("cat/link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UnusableFile, match="it is a link"):
        open_archive(tmp_path / "a.zip").open("cat/link.png")

    (tmp_path / "store/cats").mkdir(parents=True)
    (tmp_path / "store/cats/a.png").write_bytes(b"a")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/cat").symlink_to(tmp_path / "store/cats")
    (tmp_path / "disk/loop").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/broken.png").symlink_to(tmp_path / "nowhere")
    found = open_archive(tmp_path / "disk")
    assert found.files == ("broken.png", "cat/a.png")
    with pytest.raises(UnusableFile, match="cannot be read"):
        found.open("broken.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(UnusableFile, match="not an ordinary file"):
        open_archive(tmp_path).open("a.png")


def test_many_threads_read_one_zip(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    files = {f"{number}.bin": generator.bytes(20_000) for number in range(100)}
    found = open_archive(zipped(tmp_path / "a.zip", files))

    def same(name: str) -> bool:
        with found.open(name) as file:
            return file.read() == files[name]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(same, list(files) * 5))
