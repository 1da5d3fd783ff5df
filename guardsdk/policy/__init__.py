"""The written criteria: what is and is not allowed, and the one place that decides by them."""

from guardsdk.policy.actions import Review, Revise, StageActions
from guardsdk.policy.decide import BoundPolicy, BoundPrinciple, Decision, bind, decide
from guardsdk.policy.files import PACKAGED, PRESETS
from guardsdk.policy.load import default_policy, load_policy
from guardsdk.policy.model import Example, OnError, Policy, Principle

__all__ = [
    "PACKAGED",
    "PRESETS",
    "BoundPolicy",
    "BoundPrinciple",
    "Decision",
    "Example",
    "OnError",
    "Policy",
    "Principle",
    "Review",
    "Revise",
    "StageActions",
    "bind",
    "decide",
    "default_policy",
    "load_policy",
]
