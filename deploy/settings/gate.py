"""Who may enter."""

from typing import Annotated

from pydantic import Field

from deploy.paths import STATE
from deploy.settings.base import OperatorPath, Settings, Size

KeyId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,30}$")]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class GateSettings(Settings):
    """The verifier behind Nginx. Keys are known by digest only; `casemate key new ID` makes one."""

    uid: int = Field(64011, ge=60000, le=64999, description="The verifier's own user and group id.")
    memory: Size = Field("128m", description="Memory limit of the container; there is no swap.")
    pids: int = Field(32, ge=4, le=512)
    keys: dict[KeyId, Digest] = Field(default_factory=dict, description="API keys: id to SHA-256 of the whole key.")
    api_key_file: OperatorPath = Field(
        STATE / "keys" / "default", description="Where `casemate ask` finds this operator's own key (0600)."
    )
