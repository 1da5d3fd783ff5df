"""What a guard is put together from: reading what it was given, loading, messages, applying, teaching, closing."""
