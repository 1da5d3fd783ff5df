"""Text in, calibrated scores out: the only package that uses the inference runtime and the tokenizer."""
