"""Measures a model or a guard on a suite of cases, so that before and after can be compared."""
