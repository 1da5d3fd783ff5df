"""The components of a guard: validating arguments, loading, messages, applying verdicts, teaching, closing."""
