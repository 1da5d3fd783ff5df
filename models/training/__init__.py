"""The recipe that makes the shipped model: prepare, train, export, quantize, calibrate, evaluate."""
