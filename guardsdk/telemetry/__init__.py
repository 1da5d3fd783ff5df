"""Reports checks to OpenTelemetry: scores and decisions, never text.

The only package that imports ``opentelemetry``.
"""

from guardsdk.telemetry.observer import OpenTelemetryObserver

__all__ = ["OpenTelemetryObserver"]
