"""The container that holds the model."""

from typing import Annotated, Literal

from pydantic import Field

from deploy.settings.base import OperatorPath, Settings, Size

GpuName = Annotated[str, Field(pattern=r"^([0-9]+|(GPU|MIG)-[0-9a-f-]+)$")]


class GoldenSettings(Settings):
    """A picture and a question whose answer is known: a release that gets it wrong never goes into service."""

    picture: OperatorPath = Field(description="JPEG, PNG or WEBP on the operator's machine.")
    question: str = Field(min_length=1, max_length=2000)
    answer: str = Field(min_length=1, description="Text that the answer must contain; letter case is ignored.")


class VisionSettings(Settings):
    """Limits of the container and of the service in it."""

    uid: int = Field(64010, ge=60000, le=64999, description="The service's own user and group id.")
    device: Literal["cpu", "cuda"] = Field("cuda")
    gpus: list[GpuName] = Field(["0"], description="For cuda: GPUs by index or UUID (nvidia-smi -L); never all.")
    precision: Literal["bf16", "fp16", "fp32", "int8"] = Field(
        "bf16", description="int8 halves the language model's weights; few answers at once are quicker then, on a GPU."
    )
    memory: Size = Field("32g", description="Memory limit of the container; there is no swap.")
    cpus: float = Field(4.0, gt=0, description="CPU limit of the container.")
    pids: int = Field(256, ge=16, le=512, description="Processes and threads.")
    shm_size: Size = Field("16g", description="/dev/shm.")
    tmpfs_size: Size = Field("256m", description="/tmp, the only writable place besides the log.")
    batch: int = Field(16, ge=1, le=256, description="Answers that are generated at once; more wait.")
    max_context: int = Field(32_768, ge=256, description="Conversation and answer together, in tokens.")
    max_new_tokens: int = Field(2048, ge=1, le=65536, description="Upper bound of an answer, in tokens.")
    max_pixels: int = Field(1_300_000, ge=12_544, description="A picture is scaled down to this many pixels.")
    max_body_bytes: int = Field(20_000_000, ge=1_000, description="Longest request.")
    max_pictures: int = Field(8, ge=1, le=64, description="Pictures in a request.")
    max_picture_bytes: int = Field(10_000_000, ge=1_000, description="Largest picture as a file.")
    max_picture_pixels: int = Field(25_000_000, ge=12_544, description="Largest picture before it is scaled down.")
    max_stretch: int = Field(
        200, ge=1, le=200, description="Longer side of a picture, in shorter ones; no model takes 201."
    )
    queue: int = Field(
        64, ge=1, le=10_000, description="Requests that may wait, shared by principals; more are answered 429."
    )
    queue_tokens: int = Field(
        400_000, ge=1_000, description="Tokens of prompts that may wait, shared by principals; more are answered 429."
    )
    audit_full: Literal["refuse", "continue"] = Field(
        "refuse", description="When the audit log takes no line: refuse requests (503), or answer without one."
    )
    audit_text: int = Field(
        0, ge=0, le=500, description="Characters of each question that the audit log keeps in clear; 0 keeps none."
    )
    start_seconds: int = Field(600, ge=5, le=7200, description="Longest time until a new container must be ready.")
    drain_seconds: int = Field(60, ge=1, le=3600, description="Longest time the old container may finish its answers.")
    handover: Literal["auto", "overlap", "stop-first"] = Field(
        "auto", description="auto: the old container goes last if memory holds both, else first."
    )
    golden: GoldenSettings
