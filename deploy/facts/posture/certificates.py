"""The certificates that the door shows."""

import glob
import re

from deploy.facts.posture.read import Json, printable, text


def parse_certificates(pem: str) -> str:
    """Only the certificates of a PEM file: a key in the same file stays behind."""
    found = re.findall(r"-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----", pem)
    return "".join(f"{certificate}\n" for certificate in found)


def certificates() -> Json:
    """Public certificates of the proxy."""
    found = {path: parse_certificates(text(path)) for path in sorted(glob.glob("/etc/casemate/proxy/*.pem"))}
    return {printable(path): {"pem": pem} for path, pem in found.items() if pem}
