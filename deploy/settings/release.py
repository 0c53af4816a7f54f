"""What is built, signed and shipped."""

from typing import Literal

from pydantic import Field, HttpUrl

from deploy.paths import STATE
from deploy.settings.base import NAME, OperatorPath, Settings


class ReleaseSettings(Settings):
    """One release: one image, one model, one rendered configuration, under one id."""

    variant: Literal["cpu", "cuda"] = Field("cuda", description="Which lock the image is made from.")
    suite: Literal["bookworm"] = Field("bookworm", description="Debian release of the image's root file system.")
    mirror: HttpUrl | None = Field(None, description="Debian mirror for the root file system; None: mmdebstrap's own.")
    torch: str | None = Field(
        None,
        description="Index URL or directory with the CPU build of torch; None: $CASEMATE_TORCH, else pip's own places.",
    )
    model: OperatorPath = Field(description="Directory of the model's safetensors on the operator's machine.")
    model_name: str = Field(pattern=NAME, description="What clients call the model, such as glm-4.6v-flash.")
    publisher_key: OperatorPath | None = Field(
        None,
        description="Public key (PEM) of the model's publisher: its model.sig must be there and hold; None: not asked.",
    )
    signing_key: OperatorPath = Field(
        STATE / "signing" / "release", description="OpenSSH private key that signs releases; made when absent."
    )
    signer: str = Field("release@casemate", pattern=r"^\S+@\S+$", description="Identity in allowed_signers.")
    keep: int = Field(2, ge=1, le=20, description="Earlier releases kept on the host.")
