"""Tells OpenTelemetry what a check found: scores and decisions, never text. The only home of ``opentelemetry``."""

from guardsdk.telemetry.observer import OpenTelemetryObserver

__all__ = ["OpenTelemetryObserver"]
