"""Settings of the group `gpu`: an example to edit. What is not named here keeps its default.

One dict a component. Every setting with its meaning is in deploy/settings/<component>.py, and
`casemate check INVENTORY --json` prints all of them as they are in force.
"""

# How pyinfra connects. Pin the host keys: ssh-keyscan once, compare the fingerprints on the console, keep the file.
ssh_user = "ops"
ssh_key = "~/.ssh/id_ed25519"
ssh_known_hosts_file = "inventory/known_hosts"
ssh_strict_host_key_checking = "yes"
_sudo = True

docker = {"source": "docker"}

release = {
    "variant": "cuda",
    "model": "~/models/GLM-4.6V-Flash",
    "model_name": "glm-4.6v-flash",
}

vision = {
    "memory": "48g",
    "shm_size": "16g",
    # A release that gets this wrong never goes into service: take a picture of your own trade.
    "golden": {"picture": "inventory/golden.jpg", "question": "What is written on the sign?", "answer": "STOP"},
}

gate = {
    # casemate key new alice
    "keys": {"alice": "sha256:0000000000000000000000000000000000000000000000000000000000000000"},
}

proxy = {
    "server_name": "vision.example.org",
    "certificate": "~/certificates/vision.example.org/fullchain.pem",
    "private_key": "~/certificates/vision.example.org/privkey.pem",
}

sentinel = {
    # When weights change unplanned, nobody is answered until somebody has looked: casemate quarantine list INVENTORY
    "sets": {"weights": {"reaction": "pause"}},
    # "webhook": {"url": "https://alerts.example.org/casemate", "secret": "~/.config/casemate/webhook-secret"},
}
