"""For each alarm of the sentinel figures that must set it off and figures that must not."""

from tests.templates.alarm import Alarm

_PREFIX = "casemate_sentinel_"


def _figure(name: str, bad: str, good: str, after: str = "100m", **labels: str) -> Alarm:
    shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
    told = _PREFIX + name + (f"{{{shown}}}" if shown else "")
    return Alarm({told: bad}, {told: good}, after, {"instance": "gpu1", **labels})


_SWEPT, _EVERY = _PREFIX + "last_sweep_timestamp_seconds", _PREFIX + "sweep_interval_seconds"

ALARMS = {
    "CasemateSentinelNotScraped": Alarm({"up": "1x9 0x60"}, {"up": "1x60"}),
    "CasemateSentinelNoTarget": Alarm({"unrelated": "1x60"}, {"up": "0x60"}, labels={}),
    "CasemateSentinelSilent": _figure("last_beat_timestamp_seconds", "0+60x60 3600x60", "0+60x120", "66m"),
    "CasemateSentinelCritical": _figure(
        "last_alert_timestamp_seconds", "0x89 5400x60", "0x60 0x60", severity="critical"
    ),
    "CasemateSentinelHigh": _figure("last_alert_timestamp_seconds", "5400x150", "2300x150", severity="high"),
    "CasemateSentinelQuarantine": _figure("quarantines_open", "0x98 1x60", "1x98 0x60"),
    "CasemateSentinelCoverageGap": _figure("coverage_gaps_open", "0x93 1x60", "1x98 0x60"),
    # Often; and many at once.
    "CasemateSentinelCoverageGaps": _figure("coverage_gaps_total", "0x60 1+1x60", "0x60 900x9 901x60"),
    "CasemateSentinelSweepOverdue": Alarm(
        {_SWEPT: "0+60x60 3600x60", _EVERY: "60x120"}, {_SWEPT: "0+60x60 3600x60", _EVERY: "1200x120"}, "84m"
    ),
    "CasemateSentinelNotRecording": _figure("ledger_failing", "0x90 1x60", "0x60 1x30 0x60"),
    "CasemateSentinelOutletFailing": _figure("outlet_failing", "1x150", "1x95 0 1x60", outlet="webhook"),
    "CasemateSentinelOutletDropping": _figure("outlet_dropped_total", "0x90 2x60", "7x150", outlet="webhook"),
    "CasemateSentinelBaselineUnsigned": _figure("baseline_signed", "1x30 0x150", "0x95 1x60"),
}
