"""Plan and deploy: lock, observe, prepare, execute, journal, batch by batch."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.context import ctx_config, ctx_host
from pyinfra_cli.util import exec_file

from deploy.errors import CasemateError
from deploy.facts.observed import known, observed
from deploy.operations.change import differences
from deploy.paths import ROOT
from deploy.run import chains, guard, journal, lock, round_trips, window
from deploy.run.connection import Connection, connected
from deploy.run.progress import Outcome, Progress, name_of
from deploy.settings.inventory import read_inventory
from deploy.settings.load import valid

Say = Callable[[str], None]
SITE = str(ROOT / "deploy" / "site.py")


class RunFailed(CasemateError):
    """A run that ended before its end; what was done so far is in the outcomes."""


def plan(file: str, data: Sequence[str], limit: Sequence[str], say: Say) -> dict[str, Outcome]:
    """What a deploy would change; changes nothing."""
    inventory, hosts = read_inventory(file, data, limit)
    valid(hosts)
    with connected(inventory, hosts) as connection:
        _everybody_answers(connection)
        outcomes = {host.name: Outcome() for host in hosts}
        with _timed(connection, outcomes):
            _prepare(connection)
        for host in connection.hosts:
            _would(connection, host, outcomes[host.name], Progress(outcomes, say))
    return outcomes


def deploy(
    file: str, data: Sequence[str], limit: Sequence[str], batch: int | None, say: Say
) -> tuple[str, dict[str, Outcome]]:
    """Change what differs, a batch of hosts at a time; a batch with a failure is the last. Returns (run, outcomes)."""
    run, outcomes = token_hex(4), {}
    _, hosts = read_inventory(file, data, limit)
    valid(hosts)
    names = [host.name for host in hosts]
    size = batch or len(names)
    for start in range(0, len(names), size):
        outcomes.update(_deploy_batch(run, file, data, names[start : start + size], say))
        left = names[start + size :]
        if any(outcome.failed for outcome in outcomes.values()):
            if left:
                say(f"stopped after a failure; not touched: {', '.join(left)}")
            break
    return run, outcomes


def _deploy_batch(run: str, file: str, data: Sequence[str], names: list[str], say: Say) -> dict[str, Outcome]:
    # pyinfra's State is for one phase and batch: operations added after a run would execute at once.
    inventory, hosts = read_inventory(file, data, names)
    outcomes = {name: Outcome() for name in names}
    with connected(inventory, hosts) as connection:
        _everybody_answers(connection)
        try:
            with _timed(connection, outcomes):
                _each(connection, lambda host: _begin(host, run))
                _prepare(connection)
                try:
                    _each(connection, lambda host: window.begin(host, run))
                    _execute(connection, outcomes, say)
                except KeyboardInterrupt:
                    say("interrupted: what a host has begun ends there first; the same command does the rest")
                    raise
                finally:
                    _each(connection, lambda host: window.end(host, file))
        except (Exception, KeyboardInterrupt) as error:
            for outcome in outcomes.values():
                outcome.error, outcome.failed = outcome.error or str(error) or "interrupted", max(outcome.failed, 1)
            raise
        finally:
            _journal(connection, run, file, outcomes, say)
    return outcomes


def _begin(host: Any, run: str) -> None:
    lock.hold(host, run)
    guard.managed(host, run)


def _everybody_answers(connection: Connection) -> None:
    if connection.refused:
        raise _all_of(list(connection.refused.values()))


def _all_of(errors: list[CasemateError]) -> CasemateError:
    """Several hosts' errors as one; nothing was changed on any of them."""
    first = errors[0]
    if len(errors) == 1:
        return first
    return RunFailed("\n".join(error.message for error in errors), next=f"{first.next}; or leave them out with --limit")


def _each(connection: Connection, function: Callable[[Any], None]) -> None:
    """On all hosts at once; the errors of all hosts as one."""

    def guarded(host: Any) -> Exception | None:
        with ctx_config.use(connection.state.config.copy()), ctx_host.use(host):
            try:
                function(host)
            except Exception as error:
                # pyinfra wraps what a deploy file raises.
                return getattr(error, "exception", error)
            return None

    greenlets = [connection.state.pool.spawn(guarded, host) for host in connection.hosts]
    errors = [error for greenlet in greenlets if (error := greenlet.get())]
    for error in errors:
        if not isinstance(error, CasemateError):
            raise error
    if errors:
        raise _all_of(errors)


def _prepare(connection: Connection) -> None:
    def prepare(host: Any) -> None:
        observed(host)
        exec_file(SITE)

    connection.state.current_deploy_filename = SITE
    _each(connection, prepare)


def _execute(connection: Connection, outcomes: dict[str, Outcome], say: Say) -> None:
    state = connection.state
    progress = Progress(outcomes, say)
    state.add_callback_handler(progress)
    state.set_stage(StateStage.Execute)
    try:
        run_ops(state)
    except PyinfraError as error:
        # "No hosts remaining!": what failed on each is in its outcome.
        progress.nobody_is_left(state)
        if not any(outcome.failed for outcome in outcomes.values()):
            raise CasemateError(str(error), next="casemate plan, to see what is left") from error


def _would(connection: Connection, host: Any, outcome: Outcome, progress: Progress) -> None:
    for op_hash in connection.state.get_op_order():
        data = connection.state.ops[host].get(op_hash)
        if data is None:
            continue
        outcome.operations += 1
        if data.operation_meta.will_change:
            name, shown = name_of(connection.state, op_hash), differences(host, op_hash)
            outcome.changed += 1
            outcome.changes.append({"operation": name, "differences": shown})
            progress.line(host.name, "would", name)
            for line in "\n".join(shown).splitlines():
                progress.line("", "", line)


@contextmanager
def _timed(connection: Connection, outcomes: dict[str, Outcome]) -> Iterator[None]:
    started = time.monotonic()
    try:
        yield
    finally:
        for host in connection.state.activated_hosts:
            outcomes[host.name].seconds = time.monotonic() - started
            outcomes[host.name].round_trips = round_trips.so_far(host)


def _journal(connection: Connection, run: str, file: str, outcomes: dict[str, Outcome], say: Say) -> None:
    """The run's last line, on the host and here; the lock goes with it."""

    def end(host: Any) -> None:
        outcome = outcomes[host.name]
        line = journal.entry(run, host.name, **outcome.counts(), error=outcome.error, changes=_names(outcome))
        journal.keep(Path(file).stem, line)
        if not lock.held(host):
            return
        try:
            trouble = journal.write(host, line)
        except CasemateError as error:
            trouble = error.message
        # A first run that failed early has no ledger on the host yet; the operator's journal has the line.
        if trouble and not outcome.failed:
            say(f"{host.name}: the journal entry was not written on the host: {trouble}")
        chains.after_a_run(host, file, None if outcome.changed else known(host), say)
        lock.release(host)

    for host in connection.state.activated_hosts:
        end(host)


def _names(outcome: Outcome) -> list[str]:
    return [str(change["operation"]) for change in outcome.changes]
