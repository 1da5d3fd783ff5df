"""Pure text work: making text safe to tokenize, cutting it into pieces and windows."""
