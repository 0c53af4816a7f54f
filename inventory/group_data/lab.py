"""Settings of lab hosts: small, no GPU, the micro model instead of a real one. What differs by host is in lab.py."""

import json

from deploy.paths import ROOT

ssh_user = "ops"
ssh_strict_host_key_checking = "yes"
ssh_allow_agent = False
ssh_look_for_keys = False
_sudo = True

preflight = {"min_disk_gb": 5, "min_memory_gb": 4}

logs = {"max_size": "20m", "keep": 40, "max_total": "1g", "container_max": "160m", "journal_max": "200m"}

release = {
    "variant": "cpu",
    "model": "service/micro/weights",
    "model_name": "glm-4v-micro",
}

vision = {
    "device": "cpu",
    "precision": "fp32",
    "memory": "2g",
    "cpus": 2,
    "shm_size": "64m",
    "max_new_tokens": 64,
    "golden": {
        **json.loads((ROOT / "service" / "micro" / "golden.json").read_text()),
        "picture": "service/micro/golden.png",
    },
}

sentinel = {"heartbeat_seconds": 5, "sweep_seconds": 10}
