"""What an overlay's layers show inside, by real overlay mounts that were made here."""

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel.layers import Layers, of_driver, of_process
from tests.service.sentinel.engine import root_file_system

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root may mount")


class Overlay:
    """Two lowers, an upper, and where they are mounted; names as hostile as an engine could choose them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top, self.bottom = root / "2 a:b" / "fs", root / "1,c" / "fs"
        self.upper, self.work, self.merged = root / "3\\d" / "fs", root / "3\\d" / "work", root / "mer ged"
        for place in (self.top, self.bottom, self.upper, self.work, self.merged):
            place.mkdir(parents=True)
        with tarfile.open(fileobj=io.BytesIO(root_file_system())) as archive:
            archive.extractall(self.bottom)

    def mount(self, relative: bool) -> None:
        """With lowers relative to the directory that the mount is made in, as containerd makes long ones."""
        lowers = [one.relative_to(self.root) if relative else one for one in (self.top, self.bottom)]
        named = [str(one).replace(":", "\\:").replace(",", "\\,") for one in lowers]
        upper, work = (str(one).replace("\\", "\\\\") for one in (self.upper, self.work))
        options = f"lowerdir={':'.join(named)},upperdir={upper},workdir={work}"
        subprocess.run(
            ["mount", "-i", "-t", "overlay", "overlay", "-o", options, str(self.merged)], cwd=self.root, check=True
        )

    @property
    def layers(self) -> Layers:
        """What should be found."""
        return Layers(bytes(self.upper), (bytes(self.top), bytes(self.bottom)), bytes(self.merged))


@pytest.fixture
def overlay(tmp_path: Path) -> Iterator[Overlay]:
    made = Overlay(tmp_path)
    yield made
    subprocess.run(["umount", "-l", str(made.merged)], check=False, capture_output=True)


@pytest.mark.parametrize("relative", [False, True])
def test_directories_are_found_by_the_mount_of_a_process(overlay: Overlay, relative: bool) -> None:
    overlay.mount(relative)
    with subprocess.Popen(
        ["chroot", str(overlay.merged), "sh", "-c", "cat"], stdin=subprocess.PIPE, stdout=-1
    ) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"here\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"here\n"  # it is in its new root by now
        assert of_process(process.pid) == overlay.layers
        process.stdin.close()
    assert of_process(process.pid) is None


def test_a_process_whose_root_is_no_overlay_has_no_layers(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "mountinfo").write_text(
        "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:9 / /x rw - overlay o upperdir=/u\n"
    )
    assert of_process(7, tmp_path) is None


@pytest.mark.parametrize("told", [None, {"Name": "btrfs", "Data": None}, {"Name": "overlayfs", "Data": {}}])
def test_another_driver_tells_no_directories(told: object) -> None:
    assert of_driver({"GraphDriver": told, "State": {"Running": True}}) is None


def test_a_path_inside_is_the_same_from_every_directory(overlay: Overlay) -> None:
    for root in (overlay.upper, overlay.top, overlay.bottom, overlay.merged):
        assert overlay.layers.inside(bytes(root / "app/main.py")) == b"/app/main.py"
        assert overlay.layers.inside(bytes(root)) == b"/"
        assert overlay.layers.inside(bytes(root) + b"x/app") is None


def test_what_the_kernel_writes_for_a_removal_is_read_as_one(overlay: Overlay) -> None:
    overlay.mount(relative=False)
    (overlay.merged / "app/main.py").unlink()
    assert overlay.layers.shows(bytes(overlay.upper / "app/main.py")) == "removed"
    assert overlay.layers.shows(bytes(overlay.bottom / "app/main.py")) == "hidden"
    assert overlay.layers.shows(bytes(overlay.upper / "app")) == "this"
    assert overlay.layers.shows(bytes(overlay.bottom / "etc/passwd")) == "this"


def test_what_the_kernel_writes_for_a_directory_made_anew_hides_the_image_s(overlay: Overlay) -> None:
    overlay.mount(relative=False)
    subprocess.run(["rm", "-r", str(overlay.merged / "app")], check=True)
    (overlay.merged / "app").mkdir()
    assert not list((overlay.merged / "app").iterdir())
    assert overlay.layers.shows(bytes(overlay.upper / "app")) == "replaced"
    assert overlay.layers.shows(bytes(overlay.bottom / "app/main.py")) == "hidden"


def test_a_lower_layer_is_hidden_by_what_lies_above_it(overlay: Overlay) -> None:
    (overlay.top / "app").mkdir()
    (overlay.top / "app/main.py").write_text("newer")
    overlay.mount(relative=False)
    (overlay.bottom / "app/main.py").write_text("planted")
    assert (overlay.merged / "app/main.py").read_text() == "newer"
    assert overlay.layers.shows(bytes(overlay.bottom / "app/main.py")) == "hidden"
    assert overlay.layers.shows(bytes(overlay.top / "app/main.py")) == "this"
    (overlay.upper / "etc").write_text("a file where the image has a directory")
    assert overlay.layers.shows(bytes(overlay.bottom / "etc/passwd")) == "hidden"


def test_what_the_image_has_at_a_path(overlay: Overlay) -> None:
    (overlay.upper / "app").mkdir()
    (overlay.upper / "app/new").write_text("x")
    found = overlay.layers.below(b"/app/main.py")
    assert found
    assert found.st_size == len(b"as in the image\n")
    assert overlay.layers.below(b"/app/new") is None
    (overlay.top / "app").mkdir()
    os.mknod(overlay.top / "app/main.py", 0o20000, 0)
    assert overlay.layers.below(b"/app/main.py") is None
