"""The recipe that makes the shipped model: prepare, train, export, quantize, calibrate, evaluate."""

import os

# ONNX Runtime's own usage reports; must be off before it is first imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
