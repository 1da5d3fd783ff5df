"""Text in, calibrated scores out: the only room that knows the inference runtime and the tokenizer."""
