"""The decision log: every decision with its scores, written down so that nobody can change it unseen."""

from guardsdk.decisions.log import DecisionLog, LogHealth
from guardsdk.policy.logging import LogRules

__all__ = ["DecisionLog", "LogHealth", "LogRules"]
