"""`python3 -m service.vision`: see configuration.py for the variables that it reads."""

from __future__ import annotations

import gc
import os
import signal
import sys

# Before the libraries are imported, which read these once. Nothing is fetched, and the root is read-only.
os.environ |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
os.environ |= {"TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
os.environ.setdefault("HF_HOME", "/tmp/huggingface")  # noqa: S108 - the container's tmpfs; nothing is written to it.


def main() -> int:
    """Serve until SIGTERM. Exit 0: stopped as told; 1: the engine or the log is of no use; 2: a variable is wrong."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # As process 1, or it would be ignored while loading.
    from service.vision.configuration import ConfigurationError, from_environment

    try:
        configuration = from_environment(os.environ)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2

    from service.vision.application import create
    from service.vision.engine.choices import Choices
    from service.vision.engine.separate import SeparateEngine
    from service.vision.server import Server

    engine = SeparateEngine(
        Choices(
            configuration.model,
            configuration.device,
            configuration.precision,
            configuration.max_context,
            configuration.max_new_tokens,
            configuration.max_pixels,
            configuration.batch,
            configuration.queue_tokens,
            configuration.compile,
        )
    )
    try:
        app, serving = create(configuration, engine)
    except OSError as error:
        place = configuration.audit_log.parent
        print(f"{place}: {error.strerror}; next: let user {os.getuid()} write there", file=sys.stderr)
        return 1
    # What is loaded stays: looking through it for garbage now and then would stop the event loop for 40 ms.
    gc.collect()
    gc.freeze()
    try:
        Server(app, serving).run()
    finally:
        configuration.socket.unlink(missing_ok=True)
    return 1 if serving.failure else 0


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # All is written and closed; taking thousands of modules down again would take seconds.
