"""Policies: from a task's vector to simulation parameters. Importing them registers them."""

from simtailor.controller.policies import (  # noqa: F401
    fixed,
    learned,
    retrieval,
    transfer,
)
from simtailor.controller.policies.policy import POLICIES, Fitted, Policy, find_policy

__all__ = ["POLICIES", "Fitted", "Policy", "find_policy"]
