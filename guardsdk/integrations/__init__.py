"""Adapters to other frameworks, one module each; a module imports only its own framework."""
