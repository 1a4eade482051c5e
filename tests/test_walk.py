"""The walk through a user's folder."""

import os

import pytest

from simtailor.assets.user_folder import files_of
from simtailor.errors import UserError
from simtailor.intake import walk
from simtailor.intake.folder import find_images
from simtailor.intake.walk import subfolders, walk_folder


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def names(folder):
    return [p.relative_to(folder).as_posix() for p in walk_folder(folder).files]


def test_service_files_are_passed_over_and_counted(tmp_path):
    touch(tmp_path / "cat/1.png")
    for name in (".DS_Store", "cat/._1.png", ".git/config", ".git/objects/a"):
        touch(tmp_path / name)
    for name in ("__MACOSX/cat/._1.png", "cat/@eaDir/1.png", "cat/Thumbs.db", "desktop.ini"):
        touch(tmp_path / name)
    found = walk_folder(tmp_path)
    assert names(tmp_path) == ["cat/1.png"]
    assert found.passed_over == {
        walk.HIDDEN: 4, "__MACOSX": 1, "@eaDir": 1, "Thumbs.db": 1, "desktop.ini": 1
    }  # fmt: skip
    assert subfolders(tmp_path) == [tmp_path / "cat"]


def test_links_are_followed_but_not_in_circles(tmp_path):
    touch(tmp_path / "elsewhere/eel/1.png")
    folder = tmp_path / "folder"
    touch(folder / "cat/1.png")
    (folder / "eel").symlink_to("../elsewhere/eel")
    (folder / "cat/2.png").symlink_to("../../elsewhere/eel/1.png")
    (folder / "cat/up").symlink_to("..")
    (folder / "cat/gone.png").symlink_to("nowhere")
    (folder / "cat/itself.png").symlink_to("itself.png")
    os.mkfifo(folder / "cat/pipe.png")
    assert names(folder) == ["cat/1.png", "cat/2.png", "eel/1.png"]
    assert walk_folder(folder).passed_over == {walk.LOOP: 1, walk.BROKEN: 2, walk.SPECIAL: 1}
    assert subfolders(folder) == [folder / "cat", folder / "eel"]


def test_any_name_is_taken(tmp_path):
    (tmp_path / "cat").mkdir()
    with open(os.fsencode(tmp_path / "cat") + b"/caf\xe9.png", "wb"):
        pass
    (file,) = walk_folder(tmp_path).files
    assert os.fsencode(file).endswith(b"caf\xe9.png")


def test_an_absent_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent: .*No such file"):
        walk_folder(tmp_path / "absent")


def test_a_settled_folder_is_walked_once_until_it_changes(tmp_path, monkeypatch):
    touch(tmp_path / "cat/1.png")
    for folder in (tmp_path / "cat", tmp_path):
        os.utime(folder, (1, 1))
    first = walk_folder(tmp_path)
    first.files.clear()  # a caller's change stays the caller's
    with monkeypatch.context() as patched:
        patched.delattr(walk, "_enter")
        assert names(tmp_path) == ["cat/1.png"]
    touch(tmp_path / "cat/2.png")
    assert names(tmp_path) == ["cat/1.png", "cat/2.png"]


def test_a_second_link_to_a_file_of_the_folder_is_passed_over(tmp_path):
    touch(tmp_path / "cat/1.png")
    touch(tmp_path / "dog/1.png")
    os.link(tmp_path / "cat/1.png", tmp_path / "cat/2.png")
    (tmp_path / "cat/3.png").symlink_to("1.png")
    (tmp_path / "dog/2.png").symlink_to("../cat/1.png")
    assert names(tmp_path) == ["cat/1.png", "dog/1.png", "dog/2.png"]
    assert walk_folder(tmp_path).passed_over == {walk.AGAIN: 2}


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), None])
def test_folder_that_may_not_be_asked_for_is_named(tmp_path, monkeypatch, error):
    """One such folder of one experiment must not stop the others: no other error comes."""
    folder = tmp_path / ("x" * (300 if error is None else 3))
    if error:

        def refuse(*_, **__):
            raise error

        monkeypatch.setattr(os, "stat", refuse)
    for read in (find_images, walk_folder, files_of):
        with pytest.raises(UserError, match=r"too long|Permission denied|No such file") as caught:
            read(folder)
        assert str(folder) in str(caught.value)
