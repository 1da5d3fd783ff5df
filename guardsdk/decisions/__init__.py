"""The decision log: every decision with its scores, recorded so that changes can be detected."""

from guardsdk.decisions.log import DecisionLog, LogHealth
from guardsdk.policy.logging import LogRules

__all__ = ["DecisionLog", "LogHealth", "LogRules"]
