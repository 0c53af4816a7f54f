"""An apt repository of somebody else's: its key, and the source that believes this key alone."""

from dataclasses import dataclass

from deploy.operations.convergence import Commands, convergence
from deploy.operations.files import absent, directory, file

_KEYRINGS = "/etc/apt/keyrings"


@dataclass(frozen=True)
class Repository:
    """`uri suite component` of a deb line, and the armoured key that signs it."""

    uri: str
    suite: str
    component: str
    key: str


def key_path(stem: str) -> str:
    """Where the key of the repository `stem` lies on the host."""
    return f"{_KEYRINGS}/{stem}.asc"


def sources(repository: Repository, stem: str) -> str:
    """The deb822 source, which every apt since Ubuntu 22.04's reads."""
    return (
        f"Types: deb\nURIs: {repository.uri}\nSuites: {repository.suite}\nComponents: {repository.component}\n"
        f"Architectures: amd64\nSigned-By: {key_path(stem)}\n"
    )


@convergence
def apt_repository(stem: str, repository: Repository | None) -> Commands:
    """apt takes packages from this repository, called `stem` in its file names; None: no longer."""
    path = f"/etc/apt/sources.list.d/{stem}.sources"
    if repository is None:
        yield from absent._inner(path=path)
        yield from absent._inner(path=key_path(stem))
        return
    yield from directory._inner(path=_KEYRINGS)
    yield from file._inner(path=key_path(stem), content=repository.key)
    yield from file._inner(path=path, content=sources(repository, stem))
