"""What a control sees as `host`: derived from the snapshot, or null with a reason."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.judgement.subject import subject
from deploy.settings.host import HostSettings

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings() -> HostSettings:
    """Settings with nothing but what has no default."""
    return HostSettings.model_validate(
        {
            "release": {"model": "/models/glm", "model_name": "glm"},
            "vision": {"golden": {"picture": "/golden.png", "question": "?", "answer": "red"}},
            "proxy": {"server_name": "ai.example"},
        }
    )


def container(component: str, release: str, running: bool = True, **labels: str) -> dict[str, Any]:
    known = {"casemate.component": component, "casemate.release": release}
    return {"Config": {"Labels": {**known, **labels}}, "State": {"Running": running, "Pid": 7 if running else 0}}


def snapshot(**sections: Any) -> dict[str, Any]:
    whole = {
        "docker": {
            "installed": True,
            "reachable": True,
            "containers": {
                "casemate-vision-a": container("vision", "a"),
                "casemate-vision-b": container("vision", "b"),
                "casemate-gate-a": container("gate", "a"),
                "casemate-gate-old": container("gate", "old", running=False),
                "stranger": {"Config": {"Labels": None}, "State": {"Running": True}},
                "impostor": container("database", "a"),
            },
        },
        "processes": {name: {"pid": 7} for name in ("casemate-vision-a", "casemate-vision-b", "casemate-gate-a")},
        "release": {"current": {"vision": "a", "gate": None}},
        "resources": {"time": NOW.timestamp()},
        "certificates": {},
        "files": {},
        "units": {"docker.service": {"changed": 50.0}},
        "errors": {},
    }
    return whole | sections


def test_our_running_containers_with_their_user_and_whether_they_serve(settings: HostSettings) -> None:
    found = {each["name"]: each for each in subject(snapshot(), settings)["containers"]}
    assert set(found) == {"casemate-vision-a", "casemate-vision-b", "casemate-gate-a"}
    assert [found[name]["live"] for name in sorted(found)] == [False, True, False]
    assert (found["casemate-vision-a"]["uid"], found["casemate-gate-a"]["uid"]) == (64010, 64011)
    assert found["casemate-vision-a"]["process"] == {"pid": 7}


def test_sections_and_settings_are_there_as_they_are(settings: HostSettings) -> None:
    found = subject(snapshot(sshd={"port": "22"}), settings)
    assert found["sshd"] == {"port": "22"}
    assert found["settings"]["network"]["subnet"] == "10.73.250.0/24"


@pytest.mark.parametrize(
    ("sections", "null", "why"),
    [
        ({"docker": {"installed": False}}, ("docker", "containers"), "the engine is not installed"),
        (
            {"docker": {"installed": True, "reachable": False, "error": "docker.service is failed"}},
            ("docker", "containers"),
            "docker.service is failed",
        ),
        ({"docker": None, "errors": {"docker": "TimeoutError"}}, ("docker", "containers"), "TimeoutError"),
        ({"processes": None, "errors": {"processes": "denied"}}, ("containers",), "processes: denied"),
        ({"release": None, "errors": {"release": "no JSON"}}, ("containers",), "release: no JSON"),
        ({"processes": {}}, ("containers",), "KeyError"),
        ({"certificates": {"/etc/x.pem": {"pem": "nonsense"}}}, ("doors",), "ValueError"),
        ({"resources": None}, ("doors",), "resources: not in the snapshot"),
        ({"files": {"/etc/docker/daemon.json": {"content": None, "ctime": 1}}}, ("daemon",), "TypeError"),
        ({"files": {"/etc/docker/daemon.json": {"content": "{", "ctime": 1}}}, ("daemon",), "JSONDecodeError"),
    ],
)
def test_what_could_not_be_derived_is_null_with_its_reason(
    settings: HostSettings, sections: dict[str, Any], null: tuple[str, ...], why: str
) -> None:
    found = subject(snapshot(**sections), settings)
    for name in null:
        assert found[name] is None
        assert why in found["errors"][name]


@pytest.mark.parametrize(("ctime", "loaded"), [(40.0, True), (60.0, False)])
def test_an_engine_that_has_not_read_its_file_says_so(settings: HostSettings, ctime: float, loaded: bool) -> None:
    file = {"content": '{"icc": false}', "ctime": ctime}
    found = subject(snapshot(files={"/etc/docker/daemon.json": file}), settings)["daemon"]
    assert found == {"settings": {"icc": False}, "loaded": loaded}


def test_an_engine_without_a_file_has_no_settings(settings: HostSettings) -> None:
    assert subject(snapshot(), settings)["daemon"] == {"settings": {}, "loaded": True}


def certificate(days: int) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ai.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("ai.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def test_certificates_are_told_by_name_and_days_left(settings: HostSettings) -> None:
    found = subject(snapshot(certificates={"/etc/casemate/proxy/server.pem": {"pem": certificate(90)}}), settings)
    assert found["doors"] == [
        {"path": "/etc/casemate/proxy/server.pem", "names": ["ai.example"], "begun": True, "days": 90}
    ]


def test_a_certificate_that_ended_has_negative_days(settings: HostSettings) -> None:
    found = subject(snapshot(certificates={"x.pem": {"pem": certificate(0)}}), settings)
    assert found["doors"][0]["days"] == 0
    later = snapshot(certificates={"x.pem": {"pem": certificate(0)}}, resources={"time": NOW.timestamp() + 86400})
    assert subject(later, settings)["doors"][0]["days"] == -1
