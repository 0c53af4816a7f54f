"""What a runbook says to type on the host to check a component works there as it stands."""

import pytest

from deploy.paths import ROOT
from tests.lab.deployment import Deployment

pytestmark = pytest.mark.lab

RUNBOOKS = sorted(path.stem for path in (ROOT / "deploy" / "components").glob("*.md"))


def commands(component: str) -> list[str]:
    """The indented lines after "On the host:" in the section "Check it"."""
    text = (ROOT / "deploy" / "components" / f"{component}.md").read_text()
    section = text.partition("\n## Check it\n")[2].partition("\n## ")[0]
    paragraph = section.partition("\nOn the host:\n\n")[2].partition("\n\n")[0]
    return [line.removeprefix("    ") for line in paragraph.splitlines() if line.startswith("    ")]


@pytest.mark.parametrize("component", RUNBOOKS)
def test_every_command_of_a_runbook_works(deployed: Deployment, component: str) -> None:
    found = commands(component)
    assert found, "a runbook says how to check its component"
    outcomes = {command: deployed.host.run(command, check=False) for command in found}
    assert {command: outcome.stderr for command, outcome in outcomes.items() if outcome.status} == {}
