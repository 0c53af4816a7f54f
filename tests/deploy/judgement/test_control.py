"""Policy files: read whole, or refused with file, control and key."""

from pathlib import Path

import pytest

from deploy.judgement.control import PolicyError, load_controls

CONTROL = """- id: {name}
  title: A title
  severity: high
  references: [CIS 1]
  rationale: because
  check: host.a.b == 1
  got: host.a.b
  remedy: casemate deploy INVENTORY
  good: {{host: {{a: {{b: 1}}}}}}
  bad: {{host: {{a: {{b: 2}}}}}}
"""


def policies(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return folder


def test_controls_come_in_the_order_of_their_files(tmp_path: Path) -> None:
    folder = policies(tmp_path, b=CONTROL.format(name="second-truth"), a=CONTROL.format(name="first-truth"))
    assert [control.id for control in load_controls(folder)] == ["first-truth", "second-truth"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONTROL.format(name="some-truth").replace("severity: high", "severity: dire"), "some-truth: severity:"),
        (CONTROL.format(name="some-truth") + "  chekc: 1\n", "some-truth: chekc:"),
        (CONTROL.format(name="some-truth").replace("  got: host.a.b\n", ""), "some-truth: got:"),
        (CONTROL.format(name="NotATruth"), "NotATruth: id:"),
        (CONTROL.format(name="some-truth").replace("[CIS 1]", "[]"), "references"),
        ("id: x\n", "expected a list of controls"),
        ("- 7\n", "control 1:"),
        ("", "expected a list of controls"),
        ("- [unclosed\n", "a.yaml"),
    ],
)
def test_a_faulty_file_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(PolicyError) as error:
        load_controls(policies(tmp_path, a=content))
    assert "/a.yaml" in error.value.message
    assert said in error.value.message
    assert error.value.exit_code == 2


def test_two_controls_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="same-truth: more than one"):
        load_controls(policies(tmp_path, a=CONTROL.format(name="same-truth"), b=CONTROL.format(name="same-truth")))


def test_no_controls_at_all_is_not_all_good(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="no controls"):
        load_controls(tmp_path)
