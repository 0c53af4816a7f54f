"""The measures by name. Each runs the casemate command as a user would, on a lab of its own kind."""

from collections.abc import Callable

from tests.bench.deploys import demo_cold, demo_warm, nothing_to_do, one_line_change, three_hosts
from tests.bench.figure import Figure
from tests.bench.lab import lab_up
from tests.bench.micro import micro_accuracy
from tests.bench.sentinel.beside import beside
from tests.bench.sentinel.latency import latency
from tests.bench.sentinel.loss import loss, transient
from tests.bench.sentinel.pace import idle, sustained
from tests.bench.sentinel.recording import recording
from tests.bench.sentinel.truth import small_files, weights
from tests.bench.sentinel.watched import watches
from tests.bench.vision.latency import first_token, loop_block, overhead
from tests.bench.vision.pictures import on_its_way
from tests.bench.vision.steady import disconnects, memory
from tests.bench.vision.throughput import throughput

MEASURES: dict[str, Callable[[], list[Figure]]] = {
    "demo-cold": demo_cold,
    "demo-warm": demo_warm,
    "lab-up": lab_up,
    "deploy-nothing": nothing_to_do,
    "deploy-change": one_line_change,
    "deploy-three": three_hosts,
    "micro": micro_accuracy,
    "vision-throughput": throughput,
    "vision-first-token": first_token,
    "vision-overhead": overhead,
    "vision-loop": loop_block,
    "vision-picture": on_its_way,
    "vision-disconnects": disconnects,
    "vision-memory": memory,
    "sentinel-latency": latency,
    "sentinel-sustained": sustained,
    "sentinel-idle": idle,
    "sentinel-beside": beside,
    "sentinel-small-files": small_files,
    "sentinel-weights": weights,
    "sentinel-loss": loss,
    "sentinel-transient": transient,
    "sentinel-watches": watches,
    "sentinel-recording": recording,
}
