"""The casemate command: one module a verb, loaded when it is asked for."""

# First of all: pyinfra waits on many hosts in greenlets, and what is imported before this waits for real.
from gevent import monkey

monkey.patch_all()

import errno  # noqa: E402
import importlib  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402

import click  # noqa: E402
from gevent.hub import Hub  # noqa: E402

from deploy.cli.output import complain  # noqa: E402
from deploy.errors import CasemateError  # noqa: E402

Hub.NOT_ERROR += (KeyboardInterrupt, OSError)  # They end us below; gevent would print them before.

_OF_THE_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)

VERBS = {
    "check": "Validate the settings of every host; connects to none.",
    "plan": "Show what a deploy would change; changes nothing.",
    "deploy": "Make the hosts what the settings say.",
    "status": "Show each host's release, containers, health and certificate.",
    "ask": "Ask about pictures, through the proxy.",
    "alerts": "Show what changed on the hosts that no deploy announced.",
    "baseline": "Show, compare and accept what the hosts' sentinels hold to be right.",
    "quarantine": "List and release what the sentinels have stopped.",
    "logs": "Verify, show and count the chained logs of every host.",
    "monitoring": "Write what Prometheus and Grafana need to watch the hosts.",
    "verify": "Judge the policies on every host; changes nothing.",
    "release": "Build, show and verify signed releases.",
    "key": "Make API keys.",
    "lab": "Disposable local hosts to deploy to.",
}


class _Verbs(click.Group):
    """Importing pyinfra takes longer than most answers: a verb's module is imported when it is typed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        return getattr(importlib.import_module(f"deploy.cli.{cmd_name}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="casemate", prog_name="casemate", message="%(prog)s %(version)s")
def casemate() -> None:
    """Put a vision-language model on your own GPU servers, and prove that it is locked in.

    Results go to standard output, progress to standard error. Exit status: 0 good, 1 findings or failure, 2 usage or
    settings.
    """


def main() -> None:
    """The console script."""
    status = _run()
    sys.stdout.flush()
    sys.stderr.flush()
    # Without the interpreter's own end: paramiko's files close their channels when they are collected, and then wait
    # for greenlets that are gone, with a traceback nobody can use.
    os._exit(status)


def _run() -> int:
    try:
        casemate.main(standalone_mode=False)
    except SystemExit as stop:
        return int(stop.code or 0)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:  # Who reads the results has what he wanted, as `| head -1` has.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except CasemateError as error:
        complain(error)
        return error.exit_code
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            traceback.print_exc()
        else:
            room = "make it writable or make room (df -h), then the same command"
            complain(CasemateError(f"{error.filename or 'a disk of this machine'}: {error.strerror}", next=room))
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0
