"""Adapters to other frameworks, each in a file of its own and each importing only that framework."""
