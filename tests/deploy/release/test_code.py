"""Our own code in the image: all of it."""

from deploy.paths import ROOT
from deploy.release.code import APP, PACKAGES, sources


def test_every_kind_of_file_is_shipped() -> None:
    """One of a new kind would be missing in the container alone, and everything work everywhere else."""
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    written = {path.relative_to(ROOT).as_posix() for path in files if path.suffix not in (".pyc", ".md")}
    assert {f"{APP}/{path}" for path in written} <= set(sources(ROOT))
