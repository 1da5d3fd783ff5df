"""The monitor: tracks scores, rates and actors over time and raises alerts before violations."""

from guardsdk.monitor.alerts import Alert, Kind, Severity
from guardsdk.monitor.monitor import Monitor
from guardsdk.policy.monitoring import ActorRules, Enforcement, MonitorRules

__all__ = ["ActorRules", "Alert", "Enforcement", "Kind", "Monitor", "MonitorRules", "Severity"]
