"""Around a call: how a callable is wrapped, what is asked of it, and what follows the verdicts on both sides of it."""
