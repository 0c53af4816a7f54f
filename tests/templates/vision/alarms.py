"""For each alarm of vision figures that must set it off and figures that must not."""

from tests.templates.alarm import Alarm, Series

_PREFIX = "casemate_vision_"


def _gauge(name: str, bad: str, good: str) -> Alarm:
    return Alarm({_PREFIX + name: bad}, {_PREFIX + name: good})


def _share(code: str, good_code: str) -> Alarm:
    """A tenth or more of the requests fail so; in the good case they fail otherwise, or hardly ever."""
    success, failed = f'{_PREFIX}request_success_total{{finished_reason="stop"}}', _PREFIX + "request_failures_total"
    return Alarm(
        {success: "0+80x60", f'{failed}{{code="{code}"}}': "0+20x60", f'{failed}{{code="{good_code}"}}': "0+1x60"},
        {success: "0+80x60", f'{failed}{{code="{code}"}}': "0+1x60", f'{failed}{{code="{good_code}"}}': "0+900x60"},
    )


def _times(name: str, slow: str, fast: str) -> Alarm:
    """All of the requests slower than `slow` seconds, or all faster than `fast`."""

    def series(at: str) -> Series:
        edges = (fast, slow, "+Inf")
        reached = edges.index(at)
        return {
            f'{_PREFIX}{name}_bucket{{le="{edge}"}}': "0+10x60" if edges.index(edge) >= reached else "0x60"
            for edge in edges
        }

    return Alarm(series("+Inf"), series(fast))


_DAY, _HOUR = 1440, 60
_MEMORY, _STARTED = "process_resident_memory_bytes", "process_start_time_seconds"
_ENGINE = f"{_PREFIX}engine_resident_memory_bytes"

ALARMS = {
    "CasemateNotScraped": Alarm({"up": "1x9 0x60"}, {"up": "1x60"}),
    "CasemateNoTarget": Alarm({"unrelated": "1x60"}, {"up": "0x60"}, labels={}),
    "CasemateNotReady": _gauge("ready", "0x60", "0x8 1x60"),
    "CasemateUnhealthy": _gauge("healthy", "0x60", "1x60"),
    "CasemateEngineStuck": _gauge("engine_heartbeat_age_seconds", "0+60x60", "119x60"),
    "CasemateErrors": _share("out_of_memory", "invalid_value"),
    "CasemateQueueFull": _share("queue_full", "cancelled"),
    "CasemateSlowFirstToken": _times("time_to_first_token_seconds", "30.0", "0.5"),
    "CasemateAuditFailing": _gauge("audit_failures_total", "0x27 1x9", "7x60"),
    "CasemateCacheFull": _gauge("kv_cache_usage_perc", "0.97x60", "0.97x10 0.5x5 0.97x60"),
    "CasemateMemoryGrows": Alarm(
        {_MEMORY: f"1e8x{2 * _DAY}", _ENGINE: f"4e9+1e6x{2 * _DAY}", _STARTED: f"0x{2 * _DAY}"},
        {_MEMORY: f"4e9x{_DAY} 6e9x{_DAY}", _STARTED: f"0x{_DAY} {_DAY * 60}x{_DAY}"},  # Started anew, and larger.
        after=f"{_DAY + 4 * _HOUR}m",
    ),
    "CasemateEventLoopBlocked": _times("event_loop_lag_seconds", "0.25", "0.01"),
}
